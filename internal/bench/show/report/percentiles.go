package report

import (
	"fmt"
	"html/template"
	"math"
	"strconv"
	"strings"

	"github.com/airhost/airhost/internal/bench/data/cells"
	"github.com/airhost/airhost/internal/bench/show/output"
)

// percentileFigures has a figure of latency by percentile for each pattern, share of
// the maximum rate, and number of processors.
func percentileFigures(list []cell) []lineFigure {
	type kind struct {
		pattern cells.Pattern
		percent int
		cores   int
	}
	var figures []lineFigure
	for _, same := range group(list, func(c cell) kind { return kind{c.Pattern, c.LoadPercent, c.Cores} }) {
		figures = append(figures, percentileFigure(same))
	}
	return figures
}

// largest is the percentile of the largest value. It has a place of its own.
const largest = 100

// nines is the position of a percentile on an axis. Each further nine is as far
// again, and the largest value is one step after the last of them.
func nines(percent, last float64) float64 {
	if percent >= largest {
		return -math.Log10(1-last/100) + 1
	}
	return -math.Log10(1 - percent/100)
}

func percentileName(percent float64) string {
	if percent >= largest {
		return "max"
	}
	return strconv.FormatFloat(percent, 'f', -1, 64) + " %"
}

func percentileFigure(list []cell) lineFigure {
	label := namer(list)
	var all []series
	for _, c := range list {
		s := series{name: fmt.Sprintf("%s: %s", label(c), output.Figure(c.RatePerSecond, cells.UnitPerSecond))}
		for _, p := range c.Percentiles {
			s.points = append(s.points, value{p.Percent, p.Value, p.CI95Low, p.CI95High})
		}
		all = append(all, s)
	}
	unit := list[0].Unit
	f := lineFigure{
		Title: title(string(list[0].Pattern)), YName: "latency from the intended send time",
		XName:  "% of all operations took no longer",
		Legend: legend(all), Table: percentileTable(list, label),
		Warnings: warningsOf(list),
	}
	if percent := list[0].LoadPercent; percent > 0 {
		f.Title += fmt.Sprintf(" %s", load(percent))
	}
	if cores := list[0].Cores; cores > 0 {
		f.Title += fmt.Sprintf(", %s", counted(cores, "core", "cores"))
	}
	f.Plot = percentilePlot(f, all, unit)
	return f
}

func percentilePlot(f lineFigure, all []series, unit string) template.HTML {
	xs := places(all)
	last := 0.0
	for _, x := range xs {
		if x < largest {
			last = x
		}
	}
	from, to := nines(xs[0], last), nines(xs[len(xs)-1], last)
	at := func(x float64) float64 { return 0.04 + 0.92*(nines(x, last)-from)/max(to-from, 0.1) }
	l := newLinePlot(f.Title+": latency by percentile", "A line for each of: "+names(all), at, lineScale(all))
	l.axes(unit, xs, func(x float64) string { return strings.TrimSuffix(percentileName(x), " %") })
	l.draw(all)
	return l.SVG()
}

// percentileTable has a row for each cell, and a column for each percentile that
// any of them has.
func percentileTable(list []cell, label func(cell) name) table {
	t := table{Caption: "Latency by percentile", Head: []head{{"Back end", narrow}, {"Rate", right}, {"Late sends", right}}}
	var percents []float64
	seen := make(map[float64]bool)
	for _, c := range list {
		for _, p := range c.Percentiles {
			if !seen[p.Percent] {
				seen[p.Percent] = true
				percents = append(percents, p.Percent)
				t.Head = append(t.Head, head{percentileName(p.Percent), right})
			}
		}
	}
	t.Head = append(t.Head, head{"Warnings", wide})
	for _, c := range list {
		row := []field{
			text(label(c).String()), number(output.Figure(c.RatePerSecond, cells.UnitPerSecond), c.RatePerSecond),
			number(fmt.Sprint(c.LateSends), float64(c.LateSends)),
		}
		for _, percent := range percents {
			row = append(row, percentileField(c, percent))
		}
		t.Rows = append(t.Rows, append(row, warningField(c)))
	}
	return t
}

func percentileField(c cell, percent float64) field {
	for _, p := range c.Percentiles {
		if p.Percent == percent {
			return number(fmt.Sprintf("%s (%s)", output.Figure(p.Value, c.Unit), output.Interval(p.CI95Low, p.CI95High, c.Unit)), p.Value)
		}
	}
	return text("–")
}
