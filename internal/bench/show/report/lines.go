package report

import (
	"fmt"
	"html/template"
	"slices"

	"github.com/airhost/airhost/internal/bench/data/cells"
	"github.com/airhost/airhost/internal/bench/show/output"
	"github.com/airhost/airhost/internal/bench/show/plot"
)

// lineFigure is a plot of lines, its legend, and the table behind it.
type lineFigure struct {
	Title        string
	YName, XName string
	Plot         template.HTML
	Legend       []legendEntry
	Table        table
	Warnings     []string
}

type legendEntry struct {
	Swatch template.HTML
	Text   string
}

// series is a line: the values of cells that differ in one thing.
type series struct {
	name   string
	points []value
}

// value is a figure and its interval at a place on the x axis.
type value struct{ x, y, low, high float64 }

// seriesClass is the class of the i-th line's colour.
func seriesClass(i int) string { return fmt.Sprintf("s%d", i%plot.Marks) }

func legend(all []series) []legendEntry {
	var entries []legendEntry
	for i, s := range all {
		entries = append(entries, legendEntry{plot.Swatch(seriesClass(i), i), s.name})
	}
	return entries
}

const (
	lineHeight = 260
	lineTop    = 10
	lineBottom = lineHeight - 26
)

// linePlot is a plot with axes for lines. at returns the position of an x value.
type linePlot struct {
	*plot.Plot
	at func(x float64) float64
	y  plot.Scale
}

func newLinePlot(title, description string, at func(x float64) float64, y plot.Scale) linePlot {
	return linePlot{plot.New("lines", lineHeight, title, description), at, y}
}

func (l linePlot) down(v float64) float64 {
	return lineTop + (lineBottom-lineTop)*(1-l.y.At(v))
}

// axes draws the lines of the y axis, and the x axis's ticks.
func (l linePlot) axes(unit string, xs []float64, format func(float64) string) {
	for _, tick := range l.y.Ticks(6) {
		l.Line("grid", plot.Point{X: 0, Y: l.down(tick)}, plot.Point{X: 1, Y: l.down(tick)})
		l.Text("tick", plot.End, plot.Point{X: 0, Y: l.down(tick) + 4}, -8, tickText(tick, unit))
	}
	last := -1.0
	for _, x := range xs {
		at := l.at(x)
		l.Line("grid", plot.Point{X: at, Y: lineBottom}, plot.Point{X: at, Y: lineBottom + 5})
		if at-last >= 0.11 {
			l.Text("tick", plot.Middle, plot.Point{X: at, Y: lineHeight - 6}, 0, format(x))
			last = at
		}
	}
}

func (l linePlot) draw(all []series) {
	for i, s := range all {
		var points []plot.Point
		for _, v := range s.points {
			points = append(points, plot.Point{X: l.at(v.x), Y: l.down(v.y)})
			l.Line("interval "+seriesClass(i), plot.Point{X: l.at(v.x), Y: l.down(v.low)}, plot.Point{X: l.at(v.x), Y: l.down(v.high)})
		}
		l.Curve("series "+seriesClass(i), points)
		for _, point := range points {
			l.Mark("mark-fill "+seriesClass(i), i, point)
		}
	}
}

// lineScale is the scale of the y axis.
func lineScale(all []series) plot.Scale {
	var ends []float64
	for _, s := range all {
		for _, v := range s.points {
			ends = append(ends, v.low, v.high)
		}
	}
	return figureScale(false, ends)
}

// dimension is a number in which alone cells can differ.
type dimension struct {
	name, title string
	of          func(cells.Key) int
	without     func(cells.Key) cells.Key
	format      func(float64) string
}

func whole(x float64) string { return fmt.Sprintf("%.0f", x) }

var dimensions = []dimension{
	{"cores", "Over cores", func(k cells.Key) int { return k.Cores },
		func(k cells.Key) cells.Key { k.Cores = 0; return k }, whole},
	{"components that pass a message round", "Over components", func(k cells.Key) int { return k.Components },
		func(k cells.Key) cells.Key { k.Components = 0; return k }, whole},
	{"pairs or rings at the same time", "Over pairs", func(k cells.Key) int { return k.Pairs },
		func(k cells.Key) cells.Key { k.Pairs = 0; return k }, whole},
	{"payload", "Over payload sizes", func(k cells.Key) int { return k.PayloadBytes },
		func(k cells.Key) cells.Key { k.PayloadBytes = 0; return k }, func(x float64) string { return output.Size(int(x)) }},
}

// scaling has a figure for each pattern and dimension in which cells differ.
func scaling(list []cell) []lineFigure {
	var figures []lineFigure
	for _, pattern := range group(list, func(c cell) cells.Pattern { return c.Pattern }) {
		for _, d := range dimensions {
			figures = append(figures, d.figures(pattern)...)
		}
	}
	return figures
}

// figures draw the cells that differ in the dimension alone: all in one figure, or
// one for each engine where one figure would have more lines than there are marks.
func (d dimension) figures(list []cell) []lineFigure {
	varied := d.varied(list)
	switch {
	case len(varied) == 0:
		return nil
	case len(varied) <= plot.Marks:
		return []lineFigure{d.figure(varied, "")}
	}
	var figures []lineFigure
	for _, engine := range group(slices.Concat(varied...), func(c cell) string { return c.Engine }) {
		figures = append(figures, d.figure(d.varied(engine), ", "+engine[0].Engine))
	}
	return figures
}

// varied returns the cells that differ in the dimension alone, in its order.
func (d dimension) varied(list []cell) [][]cell {
	var varied [][]cell
	for _, line := range group(list, func(c cell) cells.Key { return d.without(c.Key) }) {
		if len(line) < 2 || d.of(line[0].Key) == 0 {
			continue
		}
		slices.SortStableFunc(line, func(a, b cell) int { return d.of(a.Key) - d.of(b.Key) })
		varied = append(varied, line)
	}
	return varied
}

// leveled returns one cell of each line, with the same value of the dimension, so
// that names do not have the value.
func (d dimension) leveled(varied [][]cell) []cell {
	var level []cell
	for _, line := range varied {
		c := line[0]
		c.Key = d.without(c.Key)
		level = append(level, c)
	}
	return level
}

func (d dimension) values(list []cell) []value {
	var values []value
	for _, c := range list {
		values = append(values, value{float64(d.of(c.Key)), c.Median, c.CI95Low, c.CI95High})
	}
	return values
}

// figure draws lines. of is added to its title.
func (d dimension) figure(varied [][]cell, of string) lineFigure {
	level := d.leveled(varied)
	label := namer(level)
	all := make([]series, len(varied))
	for i, line := range varied {
		all[i] = series{label(level[i]).String(), d.values(line)}
	}
	first := varied[0][0]
	f := lineFigure{
		Title: title(string(first.Pattern)) + ": " + lower(d.title) + of,
		YName: unitName(first.Unit), XName: d.name, Legend: legend(all), Table: d.table(varied, all),
	}
	xs := places(all)
	across := plot.Scale{Low: xs[0], High: xs[len(xs)-1], Log: xs[len(xs)-1] > 8*xs[0]}
	at := func(x float64) float64 { return 0.04 + 0.92*across.At(x) }
	l := newLinePlot(f.Title, fmt.Sprintf("%s by %s, a line for each of: %s", f.YName, d.name, names(all)), at, lineScale(all))
	l.axes(first.Unit, xs, d.format)
	l.draw(all)
	f.Plot = l.SVG()
	f.Warnings = warningsOf(slices.Concat(varied...))
	return f
}

func (d dimension) table(varied [][]cell, all []series) table {
	t := table{Caption: "The figures of the plot", Head: []head{{"Back end", narrow}, {d.name, right}, {"Median", right}, {"95 % interval", right}, {"Warnings", wide}}}
	for i, line := range varied {
		for _, c := range line {
			x := float64(d.of(c.Key))
			t.Rows = append(t.Rows, []field{text(all[i].name), number(d.format(x), x), number(figure(c), c.Median), number(ci(c), c.CI95Low), warningField(c)})
		}
	}
	return t
}

// places are all x values, each once, in rising order.
func places(all []series) []float64 {
	var xs []float64
	for _, s := range all {
		for _, v := range s.points {
			xs = append(xs, v.x)
		}
	}
	slices.Sort(xs)
	return slices.Compact(xs)
}
