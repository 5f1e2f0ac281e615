package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/airhost/airhost/internal/bench/data/cells"
	"github.com/airhost/airhost/internal/bench/data/machines"
	"github.com/airhost/airhost/internal/bench/data/result"
	"github.com/airhost/airhost/internal/bench/show/output"
	"github.com/airhost/airhost/internal/bench/show/plot"
)

// operations describe one operation of each pattern.
var operations = map[cells.Pattern]string{
	cells.FireAndForget:   "one message between two components",
	cells.RequestResponse: "there and back between two components",
	cells.Call:            "from a Go program to a component and back",
}

// verdicts are the charts of figures against their targets, one for each pattern that
// has any.
func (p pages) verdicts() []chart {
	var charts []chart
	for _, pattern := range cells.Patterns() {
		if first, others := split(p.rows, pattern); len(first) > 0 {
			charts = append(charts, p.verdictChart(pattern, first, others))
		}
	}
	return charts
}

// split returns the first row of each engine, of those with the pattern, and the others,
// of other brokers and trackers.
func split(rows []machines.Row, pattern cells.Pattern) (first, others []machines.Row) {
	for _, row := range rows {
		switch {
		case row.Pattern != pattern:
		case row.First:
			first = append(first, row)
		default:
			others = append(others, row)
		}
	}
	return first, others
}

func (p pages) verdictChart(pattern cells.Pattern, first, others []machines.Row) chart {
	const axisName = "multiple of the floor"
	a := multipleAxis(first, 6)
	c := chart{
		Title: title(string(pattern)), Lead: title(operations[pattern]) + ".",
		Columns: []string{"of the floor", "95 % interval of it", "median", "95 % interval"},
		Axis:    a.svg(axisName), AxisName: axisName,
		Rows: p.verdictRows(a, first, first), More: p.verdictRows(a, others, slices.Concat(first, others)),
	}
	if len(p.machines) > 1 {
		c.Of = "processor"
	}
	if len(others) > 0 {
		c.MoreTitle = fmt.Sprintf("%s on other brokers and trackers", counted(len(others), "figure", "figures"))
	}
	return c
}

// multipleAxis is in multiples of the floor, the same for all machines. It holds the
// figures with a target in multiples. Others may lie beyond it. ticks is the most that
// there are of them.
func multipleAxis(rows []machines.Row, ticks int) axis {
	most := 1.2
	for _, row := range rows {
		for _, c := range row.On {
			for _, g := range c.Goals() {
				if g.Unit == cells.UnitMultiple {
					most = max(most, 1.1*g.Target, 1.05*g.High)
				}
			}
		}
	}
	scale := plot.Scale{Low: 0, High: most}
	return axis{scale, scale.Ticks(ticks), func(v float64) string { return fmt.Sprintf("%g ×", v) }}
}

// verdictRows has a row for each cell and machine. Several machines are a group for each
// cell. Names distinguish the cells from each other and from those of among.
func (p pages) verdictRows(a axis, rows, among []machines.Row) []row {
	var names []cell
	for _, r := range among {
		names = append(names, cell{Cell: result.Cell{Key: r.Key}})
	}
	label := namer(names)
	var all []row
	for _, r := range rows {
		n := label(cell{Cell: result.Cell{Key: r.Key}})
		for i, c := range r.On {
			shown := a.verdictRow(c, n.String()+", "+p.machines[i].Name)
			switch {
			case len(p.machines) == 1:
				shown.Name, shown.Detail = n.Engine, n.Detail
			case i == 0:
				shown.Group = fmt.Sprintf("%s: at most %s", n, output.Aims(r))
				fallthrough
			default:
				shown.Name = p.machines[i].Name
			}
			all = append(all, shown)
		}
	}
	return all
}

func (a axis) verdictRow(c result.Cell, name string) row {
	if c.Figures == nil || c.Floor == nil {
		reason := c.Reason
		if reason == "" {
			reason = "without a floor"
		}
		return row{Detail: reason, Strip: a.strip(name, reason).SVG()}
	}
	values := []string{
		output.Multiple(*c.FloorMultiple), output.Interval(c.CI95Low / *c.Floor, c.CI95High / *c.Floor, "×"),
		output.Figure(c.Median, c.Unit), output.Interval(c.CI95Low, c.CI95High, c.Unit),
	}
	verdicts := verdictsOf(c.Figures)
	description := fmt.Sprintf("%s of the floor, interval %s; %s, interval %s", values[0], values[1], values[2], values[3])
	for _, v := range verdicts {
		description += fmt.Sprintf("; %s, %s", v.Word, v.Off)
	}
	p := a.strip(name, description)
	a.drawVerdict(p, c)
	return row{Verdicts: verdicts, Strip: p.SVG(), Warnings: c.Warnings, Values: values}
}

// drawVerdict draws the multiple, the floor within it, and the targets. That in
// nanoseconds is drawn where it is in multiples of this cell's floor.
func (a axis) drawVerdict(p *plot.Plot, c result.Cell) {
	floor, class := *c.Floor, ""
	for _, g := range c.Goals() {
		class = output.Word(g.Within)
	}
	a.bar(p, "bar "+class, *c.FloorMultiple, c.CI95Low/floor, c.CI95High/floor)
	p.Rect("floor "+class, plot.Point{X: 0, Y: 7}, plot.Point{X: a.scale.At(1), Y: 19})
	for _, g := range c.Goals() {
		at, line := g.Target/floor, "time-target"
		if g.Unit == cells.UnitMultiple {
			at, line = g.Target, "target"
		}
		if at <= a.scale.High {
			p.Line(line, plot.Point{X: a.scale.At(at), Y: 0}, plot.Point{X: a.scale.At(at), Y: stripHeight})
		}
	}
}

// verdictKey explains the charts of the verdicts.
var verdictKey = []keyEntry{
	{"bar", "median"}, {"floor", "of it the floor: what the engine alone needs"},
	{"whisker", "95 % interval of the median"}, {"target", "target as a multiple of the floor"},
	{"time-target", "target in nanoseconds, in multiples of the same floor"},
}

// targeted are the machine's cells that count: of each engine and pattern the first.
func (p pages) targeted(machine int) []result.Cell {
	var list []result.Cell
	for _, row := range p.rows {
		if row.First {
			list = append(list, row.On[machine])
		}
	}
	return list
}

// headline is the number of targets that are met, in a few words, or a title where the
// summary has those of each machine.
func (p pages) headline() string {
	if len(p.machines) > 1 {
		return "Targets met, by processor"
	}
	return output.Headline(p.targeted(0))
}

// summary has a line for each engine, or, where there are several machines, for each of
// them.
func (p pages) summary() []string {
	var lines []string
	if len(p.machines) > 1 {
		for i, m := range p.machines {
			if text := output.Headline(p.targeted(i)); text != "" {
				lines = append(lines, m.Name+": "+text)
			}
		}
		return lines
	}
	var engines []string
	of := make(map[string][]result.Cell)
	for _, c := range p.targeted(0) {
		if of[c.Engine] == nil {
			engines = append(engines, c.Engine)
		}
		of[c.Engine] = append(of[c.Engine], c)
	}
	for _, engine := range engines {
		lines = append(lines, summaryLine(of[engine]))
	}
	return lines
}

// summaryLine says how many targets an engine meets, and which it misses.
func summaryLine(list []result.Cell) string {
	var parts []string
	for _, kind := range output.GoalKinds {
		if text := kindSummary(list, kind.Unit, kind.Name); text != "" {
			parts = append(parts, text)
		}
	}
	return list[0].Engine + " meets " + strings.Join(parts, ", and ") + "."
}

// kindSummary is about the targets in a unit, or "" where there are none.
func kindSummary(list []result.Cell, unit, name string) string {
	with := make(map[result.Verdict][]string)
	targets := 0
	for _, c := range list {
		for _, g := range c.Goals() {
			if g.Unit == unit {
				with[g.Within] = append(with[g.Within], string(c.Pattern))
				targets++
			}
		}
	}
	if targets == 0 {
		return ""
	}
	text := fmt.Sprintf("%d of %s in %s", len(with[result.Met]), counted(targets, "target", "targets"), name)
	var exceptions []string
	if missed := with[result.Missed]; len(missed) > 0 {
		exceptions = append(exceptions, "missed: "+strings.Join(missed, ", "))
	}
	if undecided := with[result.Undecided]; len(undecided) > 0 {
		exceptions = append(exceptions, "undecided, since the interval crosses the target: "+strings.Join(undecided, ", "))
	}
	if len(exceptions) > 0 {
		text += " (" + strings.Join(exceptions, "; ") + ")"
	}
	return text
}
