package report

import (
	"fmt"
	"slices"

	"github.com/airhost/airhost/internal/bench/data/cells"
	"github.com/airhost/airhost/internal/bench/show/output"
	"github.com/airhost/airhost/internal/bench/show/plot"
)

// stacks has a chart for each pattern of each back end: its parts, one on top of
// the other.
func stacks(list []cell) []chart {
	label := namer(withoutParts(list))
	var charts []chart
	for _, parts := range group(list, func(c cell) cells.Key { return withoutPart(c.Key) }) {
		charts = append(charts, stackChart(label(withoutParts(parts)[0]), parts))
	}
	return charts
}

func withoutPart(k cells.Key) cells.Key {
	k.Part = ""
	return k
}

func withoutParts(list []cell) []cell {
	all := slices.Clone(list)
	for i := range all {
		all[i].Key = withoutPart(all[i].Key)
	}
	return all
}

// stack is the stages of one operation. Each begins at the end of the one before.
type stack struct {
	axis
	stages []cell // without the rest and the whole
	rest   *cell
	whole  *cell
	sum    float64 // of the stages
}

func newStack(parts []cell) stack {
	var s stack
	for i, c := range parts {
		switch c.Part {
		case cells.Rest:
			s.rest = &parts[i]
		case cells.Whole:
			s.whole = &parts[i]
		default:
			s.stages = append(s.stages, c)
			s.sum += c.Median
		}
	}
	unit := parts[0].Unit
	s.axis = unitAxis(plot.Scale{Low: 0, High: 1.04 * max(s.sum, s.total(), 1)}, 5, unit)
	return s
}

// total is the time of the whole operation.
func (s stack) total() float64 {
	if s.whole == nil {
		return s.sum
	}
	return s.whole.Median
}

// stackChart stacks the stages: each row begins at the end of the one before.
func stackChart(n name, parts []cell) chart {
	s := newStack(parts)
	unit := parts[0].Unit
	c := chart{
		Title: n.String(), Of: "stage", Columns: []string{"median", "95 % interval", "share"},
		Axis: s.svg(unitName(unit)), AxisName: unitName(unit),
	}
	if s.rest != nil && s.rest.Median < 0 {
		c.Lead = fmt.Sprintf("Measured alone, the stages come to %s more than the whole takes: the rest is below 0.", output.Figure(-s.rest.Median, unit))
	}
	if s.whole != nil {
		c.Rows = append(c.Rows, s.wholeRow())
	}
	from := 0.0
	for i, stage := range s.stages {
		c.Rows = append(c.Rows, s.row(stage, seriesClass(i), from, from+stage.Median))
		from += stage.Median
	}
	if s.rest != nil {
		c.Rows = append(c.Rows, s.row(*s.rest, "rest", from, from+s.rest.Median))
	}
	return c
}

// segment draws a part of the whole between two figures, in either order.
func (a axis) segment(p *plot.Plot, class string, from, to float64) {
	p.Rect("segment "+class, plot.Point{X: a.scale.At(min(from, to)), Y: 5}, plot.Point{X: a.scale.At(max(from, to)), Y: 21})
}

// wholeRow has all stages, one after the other.
func (s stack) wholeRow() row {
	p := s.strip(s.whole.Part, "All stages, one after the other, up to "+figure(*s.whole))
	from := 0.0
	for i, stage := range s.stages {
		s.segment(p, "stacked "+seriesClass(i), from, from+stage.Median)
		from += stage.Median
	}
	if s.total() > from {
		s.segment(p, "rest", from, s.total())
	}
	x := s.scale.At(s.total())
	p.Line("median", plot.Point{X: x, Y: 1}, plot.Point{X: x, Y: 25})
	return s.values(*s.whole, p)
}

func (s stack) row(c cell, class string, from, to float64) row {
	p := s.strip(c.Part, fmt.Sprintf("%s, interval %s", figure(c), ci(c)))
	s.segment(p, class, from, to)
	return s.values(c, p)
}

func (s stack) values(c cell, p *plot.Plot) row {
	return row{
		Name: c.Part, Detail: about(c), Strip: p.SVG(), Warnings: c.Warnings,
		Values: []string{figure(c), ci(c), fmt.Sprintf("%.0f %%", 100*c.Median/s.total())},
	}
}
