package report

import (
	"html/template"
	"slices"

	"github.com/airhost/airhost/internal/bench/data/result"
	"github.com/airhost/airhost/internal/bench/show/output"
	"github.com/airhost/airhost/internal/bench/show/plot"
)

// section is a part of the page. The page shows its content in the order of the
// fields.
type section struct {
	ID, Title, Lead string
	Warnings        []string
	Charts          []chart
	Lines           []lineFigure
	Cards           []cardGroup
	Tables          []table
	Sessions        []session
	Terms           []term
}

// chart is a table whose rows have a picture each, on a common axis.
type chart struct {
	Title, Lead string
	Of          string   // the kind of row, or "" for a back end
	Columns     []string // of the rows' values
	Axis        template.HTML
	AxisName    string
	Rows        []row
	More        []row // folded up below Rows
	MoreTitle   string
}

type row struct {
	Group, Name, Detail string // Group is a heading above the row, or ""
	Verdicts            []verdict
	Strip               template.HTML
	Values              []string
	Warnings            []string
}

// keyEntry explains the drawings of a class of the style sheet.
type keyEntry struct{ Class, Text string }

// verdict is a verdict for readers: a word, a sign, and the class of its colour.
type verdict struct{ Class, Sign, Word, Off string }

// verdictsOf are the verdicts on the cell's targets.
func verdictsOf(f *result.Figures) []verdict {
	var all []verdict
	for _, g := range f.Goals() {
		word := output.Word(g.Within)
		all = append(all, verdict{word, signs[g.Within], word, output.Off(g) + " " + output.Aim(g)})
	}
	return all
}

var signs = map[result.Verdict]string{result.Met: "✓", result.Missed: "✗", result.Undecided: "?"}

// axis is the axis that the rows of a chart share.
type axis struct {
	scale  plot.Scale
	ticks  []float64
	format func(float64) string
}

// stripHeight is the height of a row's picture, in pixels.
const stripHeight = 26

// strip begins a row's picture: with the lines of the axis.
func (a axis) strip(title, description string) *plot.Plot {
	p := plot.New("strip", stripHeight, title, description)
	a.grid(p)
	return p
}

func (a axis) grid(p *plot.Plot) {
	for _, tick := range a.ticks {
		x := a.scale.At(tick)
		p.Line("grid", plot.Point{X: x, Y: 0}, plot.Point{X: x, Y: stripHeight})
	}
}

// svg is the axis itself.
func (a axis) svg(name string) template.HTML { return a.plot(name).SVG() }

func (a axis) plot(name string) *plot.Plot {
	p := plot.New("strip axis", 20, "Axis", name)
	for _, tick := range a.ticks {
		x := a.scale.At(tick)
		p.Label("tick", plot.Point{X: x, Y: 12}, a.format(tick))
		p.Line("grid", plot.Point{X: x, Y: 16}, plot.Point{X: x, Y: 20})
	}
	return p
}

// unitAxis is an axis of figures in a unit, from 0 or logarithmic.
func unitAxis(scale plot.Scale, ticks int, unit string) axis {
	return axis{scale, scale.Ticks(ticks), func(v float64) string { return tickText(v, unit) }}
}

// figureScale is a scale for figures of any size, in bytes or in units of ten: from
// 0, or logarithmic where they differ by more than ten times.
func figureScale(binary bool, ends []float64) plot.Scale {
	if low, high := slices.Min(ends), slices.Max(ends); low <= 0 || high <= 10*low {
		return plot.Scale{Low: min(0, low), High: 1.06 * high, Binary: binary}
	}
	return plot.Logarithmic(binary, ends...)
}

// bar draws a figure from the axis's beginning, and its interval.
func (a axis) bar(p *plot.Plot, class string, median, low, high float64) {
	p.Rect(class, plot.Point{X: 0, Y: 7}, plot.Point{X: a.scale.At(median), Y: 19})
	a.whisker(p, low, high)
	if median > a.scale.High {
		p.Text("beyond", plot.End, plot.Point{X: 1, Y: 17}, -3, "beyond ▸")
	}
}

func (a axis) whisker(p *plot.Plot, low, high float64) {
	from, to := a.scale.At(low), a.scale.At(high)
	p.Line("whisker", plot.Point{X: from, Y: 13}, plot.Point{X: to, Y: 13})
	for _, x := range []float64{from, to} {
		p.Line("whisker", plot.Point{X: x, Y: 9}, plot.Point{X: x, Y: 17})
	}
}

// Folded is the chart of the rows that are folded up.
func (c chart) Folded() chart {
	c.Rows = c.More
	return c
}
