package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/airhost/airhost/internal/bench/data/result"
	"github.com/airhost/airhost/internal/bench/show/output"
	"github.com/airhost/airhost/internal/bench/show/plot"
)

// figureRow is a bar from the axis's beginning to a cell's median.
func (a axis) figureRow(c cell, n name, class string) row {
	p := a.strip(n.String(), fmt.Sprintf("%s, interval %s", figure(c), ci(c)))
	a.bar(p, "bar "+class, c.Median, c.CI95Low, c.CI95High)
	return row{Name: n.Engine, Detail: n.Detail, Strip: p.SVG(), Values: []string{figure(c), ci(c)}, Warnings: c.Warnings}
}

// newFigureChart is a chart without rows whose axis holds the cells: from 0, or
// logarithmic.
func newFigureChart(title string, cells []cell, logarithmic bool) (chart, axis) {
	var ends []float64
	for _, c := range cells {
		ends = append(ends, c.Median, c.CI95Low, c.CI95High)
	}
	unit := cells[0].Unit
	name, scale := unitName(unit), plot.Scale{Low: 0, High: 1.04 * slices.Max(ends), Binary: unit == result.UnitBytes}
	if logarithmic {
		name, scale = name+", logarithmic", plot.Logarithmic(unit == result.UnitBytes, ends...)
	}
	a := unitAxis(scale, 5, unit)
	return chart{Title: title, Columns: []string{"median", "95 % interval"}, Axis: a.svg(name), AxisName: name}, a
}

// cold has a chart for each unit, with the cells in groups by part.
func (m merged) cold() []chart {
	var charts []chart
	for _, cells := range group(m.mode(result.Cold), func(c cell) string { return c.Unit }) {
		c, a := newFigureChart(title(unitName(cells[0].Unit)), cells, true)
		for _, part := range group(cells, func(c cell) string { return c.Part }) {
			label := namer(part)
			for i, cell := range part {
				r := a.figureRow(cell, label(cell), "")
				if i == 0 {
					r.Group = groupName(cell.Part)
				}
				c.Rows = append(c.Rows, r)
			}
		}
		charts = append(charts, c)
	}
	return charts
}

// groupName is a part and what it is.
func groupName(part string) string {
	if meaning, ok := meanings[part]; ok {
		return part + ": " + meaning
	}
	return part
}

// throughput has a chart for each pattern: of each engine, broker and tracker the
// cell that does the most.
func (m merged) throughput() []chart {
	var charts []chart
	for _, cells := range group(m.mode(result.Throughput), func(c cell) result.Pattern { return c.Pattern }) {
		var most []cell
		for _, same := range group(cells, func(c cell) [3]string { return [3]string{c.Engine, c.Broker, c.Tracker} }) {
			most = append(most, slices.MaxFunc(same, func(a, b cell) int { return cmp.Compare(a.Median, b.Median) }))
		}
		c, a := newFigureChart(title(string(cells[0].Pattern)), most, false)
		c.Lead = "The most that each back end does, and with what."
		for _, cell := range most {
			c.Rows = append(c.Rows, a.figureRow(cell, atMost(cell), ""))
		}
		charts = append(charts, c)
	}
	return charts
}

// atMost names a throughput cell by its back end and what it was given.
func atMost(c cell) name {
	var details []string
	for _, part := range []string{
		suffixed(c.Broker, "broker"), suffixed(c.Tracker, "tracker"),
		counted(c.Cores, "core", "cores"), ring(c.Components), pairs(c.Pairs),
	} {
		if part != "" {
			details = append(details, part)
		}
	}
	return name{c.Engine, strings.Join(details, ", ")}
}

// peers has a chart for each pattern in which other projects' hosts were
// measured: they and the first cell of each of this project's engines, the
// fastest on top.
func (m merged) peers() []chart {
	type kind struct {
		result.Pattern
		result.Mode
	}
	var charts []chart
	peers := m.where(func(c cell) bool { return c.Peer })
	for _, theirs := range group(peers, func(c cell) kind { return kind{c.Pattern, c.Mode} }) {
		like := theirs[0]
		ours, _ := firsts(m.where(func(c cell) bool {
			return !c.Peer && c.Mode == like.Mode && c.Pattern == like.Pattern && c.PayloadBytes == like.PayloadBytes && c.Part == like.Part
		}))
		charts = append(charts, peersChart(theirs, ours))
	}
	return charts
}

func peersChart(theirs, ours []cell) chart {
	cells := slices.Concat(ours, theirs)
	slices.SortStableFunc(cells, func(a, b cell) int { return cmp.Compare(a.Median, b.Median) })
	c, a := newFigureChart(title(string(cells[0].Pattern)), cells, true)
	if len(ours) > 0 {
		c.Columns = append(c.Columns, "of "+ours[0].Engine)
	}
	label := namer(cells)
	for _, cell := range cells {
		n, class := label(cell), "peer"
		if !cell.Peer {
			n, class = name{"airhost: " + n.Engine, n.Detail}, "ours"
		}
		r := a.figureRow(cell, n, class)
		if len(ours) > 0 {
			r.Values = append(r.Values, times(cell.Median/ours[0].Median)+" of "+ours[0].Engine)
		}
		c.Rows = append(c.Rows, r)
	}
	return c
}

// noAllocation is below which number of allocations an operation is said to have
// none: what is left is the runner's own, shared by a sample's operations.
const noAllocation = 0.005

// allocations has a bar for each cell of the latency mode that allocates.
func (m merged) allocations() (chart, bool) {
	cells := m.where(func(c cell) bool { return c.Mode == result.Latency })
	if len(cells) == 0 {
		return chart{}, false
	}
	var some []cell
	var bytes []float64
	for _, c := range cells {
		if c.AllocsPerOp >= noAllocation {
			some, bytes = append(some, c), append(bytes, c.BytesPerOp)
		}
	}
	c := chart{
		Columns: []string{"memory", "allocations"},
		Lead:    fmt.Sprintf("%d of %s do without any allocation.", len(cells)-len(some), counted(len(cells), "latency cell", "latency cells")),
	}
	if len(some) == 0 {
		return c, true
	}
	a := unitAxis(figureScale(true, bytes), 5, result.UnitBytes)
	c.AxisName = "bytes for one operation"
	if a.scale.Log {
		c.AxisName += ", logarithmic"
	}
	c.Axis = a.svg(c.AxisName)
	label := namer(some)
	for _, cell := range some {
		c.Rows = append(c.Rows, a.allocationRow(cell, label(cell)))
	}
	return c, true
}

func (a axis) allocationRow(c cell, n name) row {
	memory, allocations := output.Figure(c.BytesPerOp, result.UnitBytes), fmt.Sprintf("%.2f", c.AllocsPerOp)
	p := a.strip(n.String(), memory+" in "+allocations+" allocations for one operation")
	p.Rect("bar", plot.Point{X: 0, Y: 7}, plot.Point{X: a.scale.At(c.BytesPerOp), Y: 19})
	return row{Name: n.Engine, Detail: n.Detail, Strip: p.SVG(), Values: []string{memory, allocations + " allocations"}}
}
