package report

import (
	"fmt"
	"strings"

	"github.com/airhost/airhost/internal/bench/data/result"
	"github.com/airhost/airhost/internal/bench/show/output"
	"github.com/airhost/airhost/internal/bench/show/plot"
)

// operations say what one operation of each pattern is.
var operations = map[result.Pattern]string{
	result.FireAndForget:   "one message between two components",
	result.RequestResponse: "there and back between two components",
	result.Call:            "from a Go program to a component and back",
}

// verdicts are the charts of figures against their targets, one for each pattern
// that has any.
func (m merged) verdicts() []chart {
	var charts []chart
	for _, pattern := range result.Patterns() {
		cells := m.where(func(c cell) bool { return c.Pattern == pattern && c.Target != nil })
		if len(cells) > 0 {
			charts = append(charts, verdictChart(pattern, cells))
		}
	}
	return charts
}

// verdictChart has the first cell of each engine on top, and the others, which
// are of other brokers and trackers, below.
func verdictChart(pattern result.Pattern, cells []cell) chart {
	first, others := firsts(cells)
	a := targetAxis(first)
	c := chart{
		Title: title(string(pattern)), Lead: title(operations[pattern]) + ".",
		Columns: []string{"median", "95 % interval", "target", "of the floor"},
		Axis:    a.svg("shares of the target"), AxisName: "share of the target",
	}
	label := namer(first)
	for _, cell := range first {
		c.Rows = append(c.Rows, a.verdictRow(cell, label(cell)))
	}
	label = namer(cells)
	for _, cell := range others {
		c.More = append(c.More, a.verdictRow(cell, label(cell)))
	}
	if len(others) > 0 {
		c.MoreTitle = fmt.Sprintf("%s on other brokers and trackers", counted(len(others), "figure", "figures"))
	}
	return c
}

// targetAxis is in shares of the target, and ends at twice the target at most, so
// that near ones can be told from each other.
func targetAxis(cells []cell) axis {
	most := 1.2
	for _, c := range cells {
		most = max(most, 1.05*c.CI95High / *c.Target)
	}
	scale := plot.Scale{Low: 0, High: min(2, most)}
	return axis{scale, scale.Ticks(5), func(v float64) string { return fmt.Sprintf("%.0f %%", 100*v) }}
}

func (a axis) verdictRow(c cell, n name) row {
	v := verdictOf(c.Figures)
	p := a.strip(n.String(), fmt.Sprintf("%s, interval %s, target %s: %s, %s",
		figure(c), ci(c), output.Figure(*c.Target, c.Unit), v.Word, v.Off))
	a.drawVerdict(p, c, v)
	return row{
		Name: n.Engine, Detail: n.Detail, Verdict: v, Strip: p.SVG(), Warnings: c.Warnings,
		Values: []string{figure(c), ci(c), "target " + output.Figure(*c.Target, c.Unit), multiple(c) + " floor"},
	}
}

// drawVerdict draws the figure and the floor below it, against the target.
func (a axis) drawVerdict(p *plot.Plot, c cell, v *verdict) {
	target := *c.Target
	a.bar(p, "bar "+v.Class, c.Median/target, c.CI95Low/target, c.CI95High/target)
	if c.Floor != nil {
		p.Rect("floor "+v.Class, plot.Point{X: 0, Y: 7}, plot.Point{X: a.scale.At(*c.Floor / target), Y: 19})
	}
	x := a.scale.At(1)
	p.Line("target", plot.Point{X: x, Y: 0}, plot.Point{X: x, Y: stripHeight})
}

// verdictKey explains the charts of the verdicts.
var verdictKey = []keyEntry{
	{"bar", "median"}, {"floor", "of it the floor: what the engine alone needs"},
	{"whisker", "95 % interval of the median"}, {"target", "target"},
}

// headline says how many targets are met, in a few words.
func (m merged) headline() string {
	var cells []result.Cell
	for _, c := range m.targeted() {
		cells = append(cells, c.Cell)
	}
	return output.Headline(cells)
}

// targeted are the first cell of each engine and pattern, of those with targets.
func (m merged) targeted() []cell {
	var cells []cell
	for _, pattern := range result.Patterns() {
		first, _ := firsts(m.where(func(c cell) bool { return c.Pattern == pattern && c.Target != nil }))
		cells = append(cells, first...)
	}
	return cells
}

// summary says for each engine how many of its targets it meets, and what it is
// that it does not.
func (m merged) summary() []string {
	var lines []string
	for _, cells := range group(m.targeted(), func(c cell) string { return c.Engine }) {
		lines = append(lines, summaryLine(cells))
	}
	return lines
}

// summaryLine is about the cells of one engine.
func summaryLine(cells []cell) string {
	var missed, undecided []string
	for _, c := range cells {
		switch c.WithinTarget {
		case result.Missed:
			missed = append(missed, fmt.Sprintf("%s missed, %s", c.Pattern, output.Off(c.Figures)))
		case result.Undecided:
			undecided = append(undecided, string(c.Pattern))
		}
	}
	exceptions := missed
	if len(undecided) > 0 {
		exceptions = append(exceptions, "undecided, since the interval crosses the target: "+strings.Join(undecided, ", "))
	}
	met := len(cells) - len(missed) - len(undecided)
	text := fmt.Sprintf("%s meets %d of %s", cells[0].Engine, met, counted(len(cells), "target", "targets"))
	if len(exceptions) == 0 {
		return text + "."
	}
	return text + ": " + strings.Join(exceptions, "; ") + "."
}
