package report

import (
	"fmt"
	"strings"

	"github.com/airhost/airhost/internal/bench/data/cells"
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

// verdicts are the charts of figures against their targets, one for each pattern
// that has any.
func (m merged) verdicts() []chart {
	var charts []chart
	for _, pattern := range cells.Patterns() {
		list := m.where(func(c cell) bool { return c.Pattern == pattern && c.Target != nil })
		if len(list) > 0 {
			charts = append(charts, verdictChart(pattern, list))
		}
	}
	return charts
}

// verdictChart has the first cell of each engine on top. The others, of other brokers
// and trackers, are below.
func verdictChart(pattern cells.Pattern, list []cell) chart {
	first, others := firsts(list)
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
	label = namer(list)
	for _, cell := range others {
		c.More = append(c.More, a.verdictRow(cell, label(cell)))
	}
	if len(others) > 0 {
		c.MoreTitle = fmt.Sprintf("%s on other brokers and trackers", counted(len(others), "figure", "figures"))
	}
	return c
}

// targetAxis is in shares of the target. It ends at twice the target at most, so that
// near ones can be distinguished.
func targetAxis(list []cell) axis {
	most := 1.2
	for _, c := range list {
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

// headline is the number of targets that are met, in a few words.
func (m merged) headline() string {
	var list []result.Cell
	for _, c := range m.targeted() {
		list = append(list, c.Cell)
	}
	return output.Headline(list)
}

// targeted are the first cell of each engine and pattern, of those with targets.
func (m merged) targeted() []cell {
	var list []cell
	for _, pattern := range cells.Patterns() {
		first, _ := firsts(m.where(func(c cell) bool { return c.Pattern == pattern && c.Target != nil }))
		list = append(list, first...)
	}
	return list
}

// summary says for each engine how many of its targets it meets, and which it misses.
func (m merged) summary() []string {
	var lines []string
	for _, list := range group(m.targeted(), func(c cell) string { return c.Engine }) {
		lines = append(lines, summaryLine(list))
	}
	return lines
}

// summaryLine is about the cells of one engine.
func summaryLine(list []cell) string {
	var missed, undecided []string
	for _, c := range list {
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
	met := len(list) - len(missed) - len(undecided)
	text := fmt.Sprintf("%s meets %d of %s", list[0].Engine, met, counted(len(list), "target", "targets"))
	if len(exceptions) == 0 {
		return text + "."
	}
	return text + ": " + strings.Join(exceptions, "; ") + "."
}
