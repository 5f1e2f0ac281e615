package output

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/airhost/airhost/internal/bench/data/cells"
	"github.com/airhost/airhost/internal/bench/data/machines"
	"github.com/airhost/airhost/internal/bench/data/result"
)

// mayCompare explains a table of several machines.
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

// machinesGrid has a row for each headline figure, and a column for each machine. The
// broker and the tracker have a column only where they differ.
func machinesGrid(all []machines.Machine) grid {
	rows := machines.Firsts(all)
	columns := []struct {
		name   string
		of     func(machines.Row) string
		always bool
	}{
		{"engine", func(r machines.Row) string { return r.Engine }, true},
		{"broker", func(r machines.Row) string { return r.Broker }, false},
		{"tracker", func(r machines.Row) string { return r.Tracker }, false},
		{"pattern", func(r machines.Row) string { return Workload(r.Key) }, true},
		{"targets", Aims, true},
	}
	g := grid{rows: make([][]field, len(rows))}
	for _, c := range columns {
		differs := func(r machines.Row) bool { return c.of(r) != c.of(rows[0]) }
		if !c.always && !slices.ContainsFunc(rows, differs) {
			continue
		}
		g.header = append(g.header, column{c.name, false})
		for i, r := range rows {
			g.rows[i] = append(g.rows[i], field{text: c.of(r)})
		}
	}
	heads := heads(all)
	for i := range all {
		g.header = append(g.header, column{heads[i], false})
		for j, r := range rows {
			g.rows[j] = append(g.rows[j], onMachine(r.On[i]))
		}
	}
	return g
}

// heads name the machines, and, if their figures are not all of one source, its commits.
func heads(all []machines.Machine) []string {
	var names, sources []string
	for _, m := range all {
		names, sources = append(names, m.Name), append(sources, m.Environment().Source())
	}
	if len(slices.Compact(slices.Clone(sources))) > 1 {
		for i := range names {
			names[i] += ", commit " + sources[i]
		}
	}
	return names
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
