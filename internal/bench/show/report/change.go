package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/airhost/airhost/internal/bench/data/cells"
	"github.com/airhost/airhost/internal/bench/data/compare"
	"github.com/airhost/airhost/internal/bench/data/result"
	"github.com/airhost/airhost/internal/bench/show/output"
	"github.com/airhost/airhost/internal/bench/show/plot"
)

// changeSection shows the cells that several runs have. Two runs are compared, if
// they can be. More than two, or runs that cannot be compared, are shown beside each
// other.
func (m machine) changeSection() section {
	s := section{ID: "changes", Title: "The same cells in several files"}
	again := m.where(func(c cell) bool { return len(c.Earlier) > 0 && c.Earlier[0].Median > 0 })
	if len(again) == 0 {
		return s
	}
	if len(m.Runs) == 2 {
		s.Title = "Before and after"
		c, err := compare.Files(m.Runs[0].File, m.Runs[1].File, compare.DefaultThreshold)
		if err == nil {
			s.Lead, s.Warnings, s.Charts = comparisonLead(c), c.Warnings, comparisonCharts(c)
			return s
		}
		s.Lead = "The files " + strings.TrimPrefix(err.Error(), "the files ") + ". "
	}
	s.Lead += "The median and its 95 % interval in each file, as a distance from the median of the first. Hollow diamonds are the earlier files, dots the last one. Whether a difference is more than chance is not tested."
	for _, list := range group(again, func(c cell) cells.ModeName { return c.Mode }) {
		s.Charts = append(s.Charts, besideChart(list))
	}
	return s
}

// comparisonLead explains which differences are called changes.
func comparisonLead(c *compare.Comparison) string {
	what := "Both files are of one session, so that samples are compared round by round."
	if !c.Paired {
		what = "The files are of separate runs, so that multiples of the floor are compared, where there is one: they drift less than times."
	}
	return fmt.Sprintf("%s A change is a difference above %.3g %% that is more than chance: p < %.2g, adjusted for the number of cells.",
		what, 100*c.Threshold, c.Level)
}

// changeAxis is symmetric about no change, and holds values up to a doubling.
func changeAxis(values []float64) axis {
	most := 0.1
	for _, v := range values {
		most = max(most, 1.05*max(v, -v))
	}
	scale := plot.Scale{Low: -min(1, most), High: min(1, most)}
	return axis{scale, scale.Ticks(5), func(v float64) string { return signed(v, 0) }}
}

// zero draws the line of no change.
func (a axis) zero(p *plot.Plot) {
	x := a.scale.At(0)
	p.Line("zero", plot.Point{X: x, Y: 0}, plot.Point{X: x, Y: stripHeight})
}

// comparisonCharts has a chart for each mode. Cells without a change are folded up.
func comparisonCharts(c *compare.Comparison) []chart {
	var charts []chart
	for _, mode := range cells.ModeNames() {
		var compared []compare.Cell
		for _, cell := range c.Cells {
			if cell.Mode == mode {
				compared = append(compared, cell)
			}
		}
		if len(compared) > 0 {
			charts = append(charts, comparisonChart(compared, c.Threshold))
		}
	}
	return charts
}

func comparisonChart(compared []compare.Cell, threshold float64) chart {
	var ends []float64
	var plain []cell
	for _, c := range compared {
		ends = append(ends, c.ChangeLow, c.ChangeHigh)
		plain = append(plain, cell{Cell: result.Cell{Key: c.Key}})
	}
	a := changeAxis(ends)
	const axisName = "change, with its 95 % interval; grey: too small to matter"
	c := chart{
		Title: title(string(compared[0].Mode)), Columns: []string{"change", "95 % interval", "before → after", "p"},
		Axis: a.svg(axisName), AxisName: axisName,
	}
	label := namer(plain)
	undecided := 0
	for i, cell := range compared {
		if cell.Verdict == compare.Undecided {
			undecided++
		}
		r := a.comparisonRow(cell, label(plain[i]), threshold)
		if cell.Verdict == compare.Same {
			c.More = append(c.More, r)
		} else {
			c.Rows = append(c.Rows, r)
		}
	}
	changed := len(c.Rows) - undecided
	c.Lead = fmt.Sprintf("%s of %s changed.", wordFor(changed), counted(len(compared), "cell", "cells"))
	if undecided > 0 {
		c.Lead = fmt.Sprintf("%s of %s changed, %d undecided.", wordFor(changed), counted(len(compared), "cell", "cells"), undecided)
	}
	if len(c.More) > 0 {
		c.MoreTitle = counted(len(c.More), "cell", "cells") + " without a change"
	}
	return c
}

func wordFor(n int) string {
	if n == 0 {
		return "None"
	}
	return fmt.Sprint(n)
}

func (a axis) comparisonRow(c compare.Cell, n name, threshold float64) row {
	limits := signed(c.ChangeLow, 1) + " to " + signed(c.ChangeHigh, 1)
	p := a.strip(n.String(), fmt.Sprintf("%s, interval %s, %s", signed(c.Change, 1), limits, changeWord(c)))
	p.Rect("band-same", plot.Point{X: a.scale.At(-threshold), Y: 3}, plot.Point{X: a.scale.At(threshold), Y: 23})
	a.zero(p)
	class := map[compare.Verdict]string{compare.Same: "same", compare.Better: "met", compare.Worse: "missed", compare.Undecided: "undecided"}[c.Verdict]
	p.Line("run "+class, plot.Point{X: a.scale.At(c.ChangeLow), Y: 13}, plot.Point{X: a.scale.At(c.ChangeHigh), Y: 13})
	p.Mark("run-median "+class, 0, plot.Point{X: a.scale.At(c.Change), Y: 13})
	return row{
		Name: n.Engine, Detail: n.Detail, Strip: p.SVG(), Warnings: c.Warnings,
		Verdicts: []verdict{{Class: class, Sign: changeSign(c), Word: changeWord(c)}},
		Values:   []string{signed(c.Change, 1), limits, output.Figure(c.Base, c.Unit) + " → " + output.Figure(c.Head, c.Unit), chance(c.PAdjusted)},
	}
}

// changeSign points up or down with a changed figure.
func changeSign(c compare.Cell) string {
	switch {
	case c.Verdict == compare.Same:
		return "~"
	case c.Verdict == compare.Undecided:
		return "?"
	case c.Change > 0:
		return "▲"
	}
	return "▼"
}

func chance(p float64) string {
	if p < 0.001 {
		return "p < 0.001"
	}
	return fmt.Sprintf("p = %.3f", p)
}

func changeWord(c compare.Cell) string {
	if c.Verdict == compare.Same {
		return "no change found"
	}
	return c.Word()
}

// besideChart draws each run's interval as its distance from the first run's
// median.
func besideChart(list []cell) chart {
	var ends []float64
	for _, c := range list {
		for _, f := range runsOf(c) {
			ends = append(ends, f.CI95Low/baseOf(c)-1, f.CI95High/baseOf(c)-1)
		}
	}
	a := changeAxis(ends)
	const axisName = "distance from the first file"
	c := chart{
		Title: title(string(list[0].Mode)), Columns: []string{"last file", "first file", "distance"},
		Axis: a.svg(axisName), AxisName: axisName,
	}
	label := namer(list)
	for _, cell := range list {
		c.Rows = append(c.Rows, a.besideRow(cell, label(cell)))
	}
	return c
}

// runsOf are the cell's figures, oldest first.
func runsOf(c cell) []*result.Figures {
	return append(slices.Clone(c.Earlier), c.Figures)
}

// baseOf is the median that others are compared with: the oldest.
func baseOf(c cell) float64 { return c.Earlier[0].Median }

func (a axis) besideRow(c cell, n name) row {
	runs := runsOf(c)
	distance := signed(c.Median/baseOf(c)-1, 1)
	first := figure(cell{Cell: result.Cell{Figures: runs[0]}})
	p := a.strip(n.String(), fmt.Sprintf("%s: %s, at first %s", distance, ci(c), first))
	a.zero(p)
	for i, f := range slices.Backward(runs) {
		class, y, shape := "before", 7.0, 3
		if i == len(runs)-1 {
			class, y, shape = "after", 19, 0
		}
		from, to := a.scale.At(f.CI95Low/baseOf(c)-1), a.scale.At(f.CI95High/baseOf(c)-1)
		p.Line("run "+class, plot.Point{X: from, Y: y}, plot.Point{X: to, Y: y})
		p.Mark("run-median "+class, shape, plot.Point{X: a.scale.At(f.Median/baseOf(c) - 1), Y: y})
	}
	return row{
		Name: n.Engine, Detail: n.Detail, Strip: p.SVG(),
		Values: []string{figure(c) + ", " + ci(c), "first " + first, distance},
	}
}

// signed prints a change, without a sign where there is none.
func signed(share float64, decimals int) string {
	text := fmt.Sprintf("%+.*f", decimals, 100*share)
	if strings.Trim(text, "+-0.") == "" {
		text = text[1:]
	}
	return text + " %"
}
