package report

import (
	"cmp"
	"fmt"
	"html/template"
	"slices"
	"strconv"
	"strings"

	"github.com/airhost/airhost/internal/bench/data/cells"
	"github.com/airhost/airhost/internal/bench/show/output"
	"github.com/airhost/airhost/internal/bench/show/plot"
)

// cardGroup is the cells of one pattern, each on a card. The first cell of each
// engine is shown, the others are folded up.
type cardGroup struct {
	Title     string
	Cards     []card
	More      []card
	MoreTitle string
}

// card shows the samples of one cell.
type card struct {
	Name, Detail     string
	Verdicts         []verdict
	Median, Interval string
	Facts            [][2]string
	Density, Order   template.HTML
	Beyond           string // the samples outside of the axis, in words, or ""
	Warnings         []string
	Samples          string
}

// distributions has a card for each cell, grouped by pattern.
func distributions(list []cell) []cardGroup {
	var groups []cardGroup
	for _, same := range group(list, func(c cell) cells.Pattern { return c.Pattern }) {
		g := cardGroup{Title: title(string(same[0].Pattern))}
		label := namer(same)
		shown, folded := firsts(targetsFirst(same))
		for _, c := range shown {
			g.Cards = append(g.Cards, newCard(c, label(c)))
		}
		for _, c := range folded {
			g.More = append(g.More, newCard(c, label(c)))
		}
		if len(folded) > 0 {
			g.MoreTitle = counted(len(folded), "more cell", "more cells")
		}
		groups = append(groups, g)
	}
	return groups
}

// targetsFirst puts cells with targets before the others, which are compared with
// them.
func targetsFirst(list []cell) []cell {
	sorted := slices.Clone(list)
	slices.SortStableFunc(sorted, func(a, b cell) int {
		return cmp.Compare(without(a.Target), without(b.Target))
	})
	return sorted
}

// without is 1 where there is no figure, and 0 where there is.
func without(figure *float64) int {
	if figure == nil {
		return 1
	}
	return 0
}

func newCard(c cell, n name) card {
	d := newDistribution(c)
	return card{
		Name: n.Engine, Detail: n.Detail, Verdicts: verdictsOf(c.Figures),
		Median: figure(c), Interval: ci(c), Facts: facts(c),
		Density: d.density(n), Order: d.order(n), Beyond: d.beyond(),
		Warnings: c.Warnings, Samples: sampleList(c.Samples),
	}
}

// facts are the rows of the table behind a card's plots.
func facts(c cell) [][2]string {
	show := func(v float64) string { return output.Figure(v, c.Unit) }
	list := [][2]string{
		{"Median", show(c.Median)}, {"95 % interval of the median", ci(c)},
		{"Mean", show(c.Mean)}, {"Standard deviation", show(c.Stddev)},
		{"Median absolute deviation", show(c.MAD)}, {"Quartiles", show(c.Q1) + ", " + show(c.Q3)},
		{"Smallest, largest sample", show(slices.Min(c.Samples)) + ", " + show(slices.Max(c.Samples))},
		{"Samples", fmt.Sprintf("%d of %d operations each", len(c.Samples), c.OpsPerSample)},
		{"Outliers (kept)", fmt.Sprint(c.Outliers)},
		{"Allocations", fmt.Sprintf("%.2f of %.1f B for one operation", c.AllocsPerOp, c.BytesPerOp)},
	}
	if c.Floor != nil {
		list = append(list, [2]string{"Floor, and the median as its multiple", show(*c.Floor) + ", " + multiple(c)})
	}
	for _, g := range c.Goals() {
		list = append(list, [2]string{"Target", fmt.Sprintf("%s: %s, %s", output.Aim(g), output.Word(g.Within), output.Off(g))})
	}
	return list
}

func sampleList(samples []float64) string {
	texts := make([]string, len(samples))
	for i, s := range samples {
		texts[i] = fmt.Sprintf("%.1f", s)
	}
	return strings.Join(texts, ", ")
}

// distribution is the samples of a cell on an axis that holds most of them. Samples
// far outside are drawn at its ends, and named.
type distribution struct {
	cell
	scale plot.Scale
}

func newDistribution(c cell) distribution {
	low, high := slices.Min(c.Samples), slices.Max(c.Samples)
	reach := max(4*(c.Q3-c.Q1), 0.02*c.Median)
	low, high = max(low, c.Q1-reach), min(high, c.Q3+reach)
	if c.Target != nil && max(high, *c.Target)-min(low, *c.Target) <= 2*max(high-low, reach) {
		low, high = min(low, *c.Target), max(high, *c.Target)
	}
	margin := max(0.04*(high-low), 0.001*c.Median)
	return distribution{c, plot.Scale{Low: low - margin, High: high + margin}}
}

func (d distribution) isBeyond(sample float64) bool {
	return sample < d.scale.Low || sample > d.scale.High
}

func (d distribution) beyond() string {
	var far []string
	for _, s := range slices.Sorted(slices.Values(d.Samples)) {
		if d.isBeyond(s) {
			far = append(far, output.Figure(s, d.Unit))
		}
	}
	const most = 6
	if len(far) == 0 {
		return ""
	}
	text := strings.Join(far[max(0, len(far)-most):], ", ")
	if len(far) > most {
		text = fmt.Sprintf("the largest are %s", text)
	}
	return fmt.Sprintf("%s beyond the axis, drawn at its end as triangles: %s.", counted(len(far), "sample lies", "samples lie"), text)
}

const (
	densityHeight = 128
	curveBottom   = 74 // of the density's curve
	dotsTop       = 80
	dotsBottom    = 102
)

// density draws how densely samples lie, and below each of them as a dot.
func (d distribution) density(n name) template.HTML {
	p := plot.New("density", densityHeight, "Distribution of the samples: "+n.String(),
		fmt.Sprintf("Density of %d samples from %s to %s, most about the median of %s with the interval %s",
			len(d.Samples), output.Figure(slices.Min(d.Samples), d.Unit), output.Figure(slices.Max(d.Samples), d.Unit), figure(d.cell), ci(d.cell)))
	d.ticks(p)
	const steps = 160
	points := []plot.Point{{X: 0, Y: curveBottom}}
	for i, density := range plot.Density(d.Samples, d.scale, steps) {
		points = append(points, plot.Point{X: float64(i) / (steps - 1), Y: curveBottom - 66*density})
	}
	points = append(points, plot.Point{X: 1, Y: curveBottom})
	p.Area("area", points)
	p.Curve("outline", points[1:len(points)-1])
	d.middle(p)
	d.dots(p)
	return p.SVG()
}

func (d distribution) ticks(p *plot.Plot) {
	for _, tick := range d.scale.Ticks(4) {
		x := d.scale.At(tick)
		p.Line("grid", plot.Point{X: x, Y: 0}, plot.Point{X: x, Y: dotsBottom + 6})
		p.Label("tick", plot.Point{X: x, Y: densityHeight - 6}, tickText(tick, d.Unit))
	}
}

// middle draws the median, its interval, and the target if that is on the axis.
func (d distribution) middle(p *plot.Plot) {
	p.Rect("band", plot.Point{X: d.scale.At(d.CI95Low), Y: 4}, plot.Point{X: d.scale.At(d.CI95High), Y: dotsBottom + 4})
	x := d.scale.At(d.Median)
	p.Line("median", plot.Point{X: x, Y: 4}, plot.Point{X: x, Y: dotsBottom + 4})
	if d.Target != nil && !d.isBeyond(*d.Target) {
		x := d.scale.At(*d.Target)
		p.Line("target", plot.Point{X: x, Y: 4}, plot.Point{X: x, Y: dotsBottom + 4})
	}
}

// dots spreads the samples over a few lines, so that more of them can be seen.
func (d distribution) dots(p *plot.Plot) {
	const lines = 5
	var points []plot.Point
	for i, s := range d.Samples {
		y := dotsTop + (dotsBottom-dotsTop)*float64(i*3%lines)/(lines-1)
		if d.isBeyond(s) {
			p.Mark("far", 2, plot.Point{X: d.scale.At(s), Y: y})
			continue
		}
		points = append(points, plot.Point{X: d.scale.At(s), Y: y})
	}
	p.Dots("dot", points)
}

const orderHeight = 92

// order draws the samples in the order in which they were taken.
func (d distribution) order(n name) template.HTML {
	p := plot.New("order", orderHeight, "Samples in the order taken: "+n.String(),
		"From the first sample on the left to the last on the right; a slope or a step is a drift of the machine or of the cell")
	down := func(v float64) float64 { return 6 + (orderHeight-22)*(1-d.scale.At(v)) }
	for _, tick := range d.scale.Ticks(3) {
		p.Line("grid", plot.Point{X: 0, Y: down(tick)}, plot.Point{X: 1, Y: down(tick)})
		p.Text("tick", plot.End, plot.Point{X: 0, Y: down(tick) + 4}, -8, tickText(tick, d.Unit))
	}
	p.Rect("band", plot.Point{X: 0, Y: down(d.CI95High)}, plot.Point{X: 1, Y: down(d.CI95Low)})
	p.Line("median", plot.Point{X: 0, Y: down(d.Median)}, plot.Point{X: 1, Y: down(d.Median)})
	var points []plot.Point
	for i, s := range d.Samples {
		at := plot.Point{X: 0.01 + 0.98*(float64(i)+0.5)/float64(len(d.Samples)), Y: down(s)}
		if d.isBeyond(s) {
			p.Mark("far", 2, at)
			continue
		}
		points = append(points, at)
	}
	p.Dots("dot", points)
	p.Text("tick", plot.Start, plot.Point{X: 0, Y: orderHeight - 3}, 0, "first sample")
	p.Text("tick", plot.End, plot.Point{X: 1, Y: orderHeight - 3}, 0, "last")
	return p.SVG()
}

// tickText prints a round figure without needless decimals.
func tickText(v float64, unit string) string {
	if unit == cells.UnitNanoseconds && v >= 1e3 && v < 1e4 {
		return strconv.FormatFloat(v/1e3, 'g', 3, 64) + " µs" // figures go on in ns
	}
	number, name, _ := strings.Cut(output.Figure(v, unit), " ")
	if strings.Contains(number, ".") {
		number = strings.TrimRight(strings.TrimRight(number, "0"), ".")
	}
	return number + " " + name
}
