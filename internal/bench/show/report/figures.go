package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/airhost/airhost/internal/bench/data/cells"
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
func newFigureChart(title string, list []cell, logarithmic bool) (chart, axis) {
	var ends []float64
	for _, c := range list {
		ends = append(ends, c.Median, c.CI95Low, c.CI95High)
	}
	unit := list[0].Unit
	name, scale := unitName(unit), plot.Scale{Low: 0, High: 1.04 * slices.Max(ends), Binary: unit == cells.UnitBytes}
	if logarithmic {
		name, scale = name+", logarithmic", plot.Logarithmic(unit == cells.UnitBytes, ends...)
	}
	a := unitAxis(scale, 5, unit)
	return chart{Title: title, Columns: []string{"median", "95 % interval"}, Axis: a.svg(name), AxisName: name}, a
}

// byPart has a chart for each unit, with the cells in groups by part.
func byPart(list []cell) []chart {
	var charts []chart
	for _, same := range group(list, func(c cell) string { return c.Unit }) {
		c, a := newFigureChart(title(unitName(same[0].Unit)), same, true)
		for _, part := range group(same, func(c cell) string { return c.Part }) {
			label := namer(part)
			for i, cell := range part {
				r := a.figureRow(cell, label(cell), "")
				if i == 0 {
					r.Group = groupName(cell)
				}
				c.Rows = append(c.Rows, r)
			}
		}
		charts = append(charts, c)
	}
	return charts
}

// groupName is the cell's part and its explanation.
func groupName(c cell) string {
	if text := about(c); text != "" {
		return c.Part + ": " + text
	}
	return c.Part
}

// about explains the cell's part.
func about(c cell) string { return cells.MustFind(c.Mode).PartOf(c.Key).About }

// highest has a chart for each pattern: of each engine, broker and tracker the
// cell with the highest figure.
func highest(list []cell) []chart {
	var charts []chart
	for _, pattern := range group(list, func(c cell) cells.Pattern { return c.Pattern }) {
		var most []cell
		for _, same := range group(pattern, func(c cell) [3]string { return [3]string{c.Engine, c.Broker, c.Tracker} }) {
			most = append(most, slices.MaxFunc(same, func(a, b cell) int { return cmp.Compare(a.Median, b.Median) }))
		}
		c, a := newFigureChart(title(string(pattern[0].Pattern)), most, false)
		c.Lead = "The most that each back end does, and with what."
		for _, cell := range most {
			c.Rows = append(c.Rows, a.figureRow(cell, atMost(cell), ""))
		}
		charts = append(charts, c)
	}
	return charts
}

// atMost names a throughput cell by its back end, cores, components and pairs.
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
func (m machine) peers() []chart {
	type kind struct {
		cells.Pattern
		cells.ModeName
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
	list := slices.Concat(ours, theirs)
	slices.SortStableFunc(list, func(a, b cell) int { return cmp.Compare(a.Median, b.Median) })
	c, a := newFigureChart(title(string(list[0].Pattern)), list, true)
	if len(ours) > 0 {
		c.Columns = append(c.Columns, "of "+ours[0].Engine)
	}
	label := namer(list)
	for _, cell := range list {
		n, class := label(cell), "peer"
		if !cell.Peer {
			n, class = name{"airhost: " + n.Engine, n.Detail}, "ours"
		}
		r := a.figureRow(cell, n, class)
		if len(ours) > 0 {
			r.Values = append(r.Values, output.Multiple(cell.Median/ours[0].Median)+" of "+ours[0].Engine)
		}
		c.Rows = append(c.Rows, r)
	}
	return c
}

// noAllocation is a number of allocations of one operation. Fewer count as none: they
// are the runner's own, shared by a sample's operations.
const noAllocation = 0.005

// allocations has a bar for each cell of the latency mode that allocates.
func (m machine) allocations() (chart, bool) {
	list := m.where(func(c cell) bool { return c.Mode == cells.Latency })
	if len(list) == 0 {
		return chart{}, false
	}
	var some []cell
	var bytes []float64
	for _, c := range list {
		if c.AllocsPerOp >= noAllocation {
			some, bytes = append(some, c), append(bytes, c.BytesPerOp)
		}
	}
	c := chart{
		Columns: []string{"memory", "allocations"},
		Lead:    fmt.Sprintf("%d of %s do without any allocation.", len(list)-len(some), counted(len(list), "latency cell", "latency cells")),
	}
	if len(some) == 0 {
		return c, true
	}
	a := unitAxis(figureScale(true, bytes), 5, cells.UnitBytes)
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
	memory, allocations := output.Figure(c.BytesPerOp, cells.UnitBytes), fmt.Sprintf("%.2f", c.AllocsPerOp)
	p := a.strip(n.String(), memory+" in "+allocations+" allocations for one operation")
	p.Rect("bar", plot.Point{X: 0, Y: 7}, plot.Point{X: a.scale.At(c.BytesPerOp), Y: 19})
	return row{Name: n.Engine, Detail: n.Detail, Strip: p.SVG(), Values: []string{memory, allocations + " allocations"}}
}
