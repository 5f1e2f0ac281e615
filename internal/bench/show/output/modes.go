package output

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	"github.com/airhost/airhost/internal/bench/data/result"
)

// show is a column, and what a measured cell has in it.
type show struct {
	column
	of func(result.Cell) field
}

func left(name string, of func(result.Cell) string) show {
	return show{column{name, false}, func(c result.Cell) field { return field{text: cmp.Or(of(c), "-")} }}
}

func right(name string, of func(result.Cell) string) show {
	return show{column{name, true}, func(c result.Cell) field { return field{text: cmp.Or(of(c), "-")} }}
}

// The columns of several modes.
var (
	backEnd = []show{
		left("engine", func(c result.Cell) string { return c.Engine }),
		left("broker", func(c result.Cell) string { return c.Broker }),
		left("tracker", func(c result.Cell) string { return c.Tracker }),
		left("pattern", func(c result.Cell) string { return Workload(c.Key) }),
		right("payload", func(c result.Cell) string { return Size(c.PayloadBytes) }),
	}
	part   = left("part", func(c result.Cell) string { return c.Part })
	median = show{column{"median", true}, func(c result.Cell) field { return field{Figure(c.Median, c.Unit), bold} }}
	limits = right("95 % interval", func(c result.Cell) string { return Interval(c.CI95Low, c.CI95High, c.Unit) })
	allocs = right("allocs/op", func(c result.Cell) string { return fmt.Sprintf("%.2f", c.AllocsPerOp) })
)

// modeColumns returns the columns of a mode's table, but for the notes.
func modeColumns(mode result.Mode, cells []result.Cell) []show {
	cores := right("cores", func(c result.Cell) string { return count(c.Cores) })
	switch mode {
	case result.Throughput:
		return slices.Concat(backEnd, []show{cores, median, limits, allocs})
	case result.Load:
		return slices.Concat(backEnd, []show{cores}, loadColumns(cells))
	case result.Cold:
		return []show{backEnd[0], part, median, limits, allocs}
	case result.Stages:
		return slices.Concat(backEnd, []show{part, median, limits})
	}
	return slices.Concat(backEnd, []show{
		median, limits,
		right("floor", func(c result.Cell) string {
			return optionally(c.Floor, func(v float64) string { return Figure(v, c.Unit) })
		}),
		right("multiple", func(c result.Cell) string {
			return optionally(c.FloorMultiple, func(v float64) string { return fmt.Sprintf("%.2f ×", v) })
		}),
		{column{"target", false}, target}, allocs,
	})
}

// loadColumns has a column for each percentile that any of the cells has. The
// interval is that of the median over the rounds, of what the samples are: the
// 99.9th percentile.
func loadColumns(cells []result.Cell) []show {
	columns := []show{
		right("load", func(c result.Cell) string { return count(c.LoadPercent) + " %" }),
		right("rate", func(c result.Cell) string { return Figure(c.RatePerSecond, result.UnitPerSecond) }),
	}
	var percents []float64
	for _, c := range measured(cells, result.Load) {
		for _, p := range c.Percentiles {
			if !slices.Contains(percents, p.Percent) {
				percents = append(percents, p.Percent)
			}
		}
	}
	slices.Sort(percents)
	for _, percent := range percents {
		columns = append(columns, right(percentName(percent), func(c result.Cell) string { return percentile(c, percent) }))
	}
	return append(columns, right("95 % of p99.9", func(c result.Cell) string { return p999Interval(c) }),
		right("late", func(c result.Cell) string { return strconv.FormatInt(c.LateSends, 10) }))
}

func percentName(percent float64) string {
	if percent == 100 {
		return "max"
	}
	return "p" + strconv.FormatFloat(percent, 'f', -1, 64)
}

func percentile(c result.Cell, percent float64) string {
	for _, p := range c.Percentiles {
		if p.Percent == percent {
			return Figure(p.Value, c.Unit)
		}
	}
	return ""
}

func p999Interval(c result.Cell) string {
	for _, p := range c.Percentiles {
		if p.Percent == 99.9 {
			return Interval(p.CI95Low, p.CI95High, c.Unit)
		}
	}
	return ""
}

// modeGrid is the table of a mode's measured cells. Their warnings become notes.
func modeGrid(mode result.Mode, cells []result.Cell, notes *footnotes) grid {
	columns := modeColumns(mode, cells)
	var g grid
	for _, c := range columns {
		g.header = append(g.header, c.column)
	}
	g.header = append(g.header, column{"notes", false})
	for _, cell := range measured(cells, mode) {
		var row []field
		for _, c := range columns {
			row = append(row, c.of(cell))
		}
		g.rows = append(g.rows, append(row, field{notes.add(cell.Warnings), yellow}))
	}
	return g
}

func measured(cells []result.Cell, mode result.Mode) []result.Cell {
	var found []result.Cell
	for _, c := range cells {
		if c.Status == result.Measured && c.Mode == mode {
			found = append(found, c)
		}
	}
	return found
}

// Workload names a cell's pattern, and what is special about its components.
func Workload(key result.Key) string {
	text := string(key.Pattern)
	if key.Components != 0 && key.Components != 2 {
		text += fmt.Sprintf(", ring of %d", key.Components)
	}
	if key.Pairs > 1 {
		text += fmt.Sprintf(", %d at once", key.Pairs)
	}
	return text
}

// Size prints a number of bytes in the largest unit that divides it.
func Size(bytes int) string {
	switch {
	case bytes >= 1<<20 && bytes%(1<<20) == 0:
		return fmt.Sprintf("%d MiB", bytes>>20)
	case bytes >= 1<<10 && bytes%(1<<10) == 0:
		return fmt.Sprintf("%d KiB", bytes>>10)
	}
	return fmt.Sprintf("%d B", bytes)
}

func optionally(v *float64, text func(float64) string) string {
	if v == nil {
		return ""
	}
	return text(*v)
}

// verdictStyles are the colours of the verdicts, which have words, too.
var verdictStyles = map[result.Verdict]style{result.Met: green, result.Missed: red, result.Undecided: yellow}

func target(c result.Cell) field {
	if c.Target == nil {
		return field{text: "-"}
	}
	return field{fmt.Sprintf("%s: %s", Figure(*c.Target, c.Unit), Word(c.WithinTarget)), verdictStyles[c.WithinTarget]}
}
