package output

import (
	"cmp"
	"fmt"
	"io"
	"strings"

	"github.com/airhost/airhost/internal/bench/data/cells"
	"github.com/airhost/airhost/internal/bench/data/machines"
	"github.com/airhost/airhost/internal/bench/data/result"
)

// mayCompare says what a reader may compare in a table of several machines.
const mayCompare = "Multiples of the floor are compared between processors, nanoseconds only on one of them."

// Machines prints the headline figures on a terminal: a column for each machine, with
// multiples of the floor and, beside them, nanoseconds.
func Machines(w io.Writer, all []machines.Machine) error {
	colours := coloured(w)
	var text strings.Builder
	for _, line := range machineLines(all) {
		text.WriteString(dim.on(line, colours) + "\n")
	}
	if g := machinesGrid(all); len(g.rows) > 0 {
		text.WriteByte('\n')
		g.print(&text, colours)
		text.WriteByte('\n')
	}
	for _, line := range machineHeadlines(all) {
		text.WriteString(bold.on(line, colours) + "\n")
	}
	if len(all) > 1 {
		text.WriteString(mayCompare + "\n")
	}
	_, err := io.WriteString(w, text.String())
	return err
}

// MachinesMarkdown prints the content of [Machines] for a pull request.
func MachinesMarkdown(w io.Writer, all []machines.Machine) error {
	var text strings.Builder
	text.WriteString("### Benchmarks\n")
	markdownList(&text, machineHeadlines(all))
	if g := machinesGrid(all); len(g.rows) > 0 {
		text.WriteByte('\n')
		g.markdown(&text)
	}
	if len(all) > 1 {
		text.WriteString("\n" + mayCompare + "\n")
	}
	markdownList(&text, machineLines(all))
	_, err := io.WriteString(w, text.String())
	return err
}

// machineLines describe each machine and its last run.
func machineLines(all []machines.Machine) []string {
	var lines []string
	for _, m := range all {
		lines = append(lines, machineLine(m.Environment()))
	}
	return lines
}

// machineHeadlines count the targets that each machine meets.
func machineHeadlines(all []machines.Machine) []string {
	var lines []string
	rows := machines.Firsts(all)
	for i, m := range all {
		var on []result.Cell
		for _, row := range rows {
			on = append(on, row.On[i])
		}
		if headline := Headline(on); headline != "" {
			lines = append(lines, m.Name+": "+headline)
		}
	}
	return lines
}

// machinesGrid has a row for each headline figure, and a column for each machine.
func machinesGrid(all []machines.Machine) grid {
	g := grid{header: []column{{"engine", false}, {"broker", false}, {"tracker", false}, {"pattern", false}, {"targets", false}}}
	for _, m := range all {
		g.header = append(g.header, column{m.Name, false})
	}
	for _, row := range machines.Firsts(all) {
		key := row.Key
		fields := texts(key.Engine, cmp.Or(key.Broker, "-"), cmp.Or(key.Tracker, "-"), Workload(key), Aims(row))
		for _, c := range row.On {
			fields = append(fields, onMachine(c))
		}
		g.rows = append(g.rows, fields)
	}
	return g
}

// Aims are the targets of a cell on any machine.
func Aims(row machines.Row) string {
	for _, c := range row.On {
		if goals := c.Goals(); len(goals) > 0 {
			var aims []string
			for _, g := range goals {
				aims = append(aims, Aim(g))
			}
			return strings.Join(aims, ", ")
		}
	}
	return "-"
}

// onMachine is the cell's multiple and time, each with its verdict, in the colour of
// the last verdict: that of the multiple, if there is one.
func onMachine(c result.Cell) field {
	if c.Status != result.Measured {
		return field{c.Reason, dim}
	}
	word := make(map[string]string)
	shown := ordinary
	for _, g := range c.Goals() {
		word[g.Unit], shown = " "+Word(g.Within), verdictStyles[g.Within]
	}
	text := Figure(c.Median, c.Unit) + word[c.Unit]
	if c.FloorMultiple != nil {
		text = fmt.Sprintf("%s%s, %s", Multiple(*c.FloorMultiple), word[cells.UnitMultiple], text)
	}
	return field{text, shown}
}
