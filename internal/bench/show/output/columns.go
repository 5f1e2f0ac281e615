package output

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	"github.com/airhost/airhost/internal/bench/data/cells"
	"github.com/airhost/airhost/internal/bench/data/result"
)

// show is a column, and its field of a measured cell.
type show struct {
	column
	of func(result.Cell) field
}

// maker makes the columns of this name for a table of measured cells.
type maker func(name string, measured []result.Cell) []show

// columns make the columns that modes name. To add a column, add it here.
var columns = map[cells.Column]maker{
	"engine":        left(func(c result.Cell) string { return c.Engine }),
	"broker":        left(func(c result.Cell) string { return c.Broker }),
	"tracker":       left(func(c result.Cell) string { return c.Tracker }),
	"pattern":       left(func(c result.Cell) string { return Workload(c.Key) }),
	"payload":       right(func(c result.Cell) string { return Size(c.PayloadBytes) }),
	"part":          left(func(c result.Cell) string { return c.Part }),
	"cores":         right(func(c result.Cell) string { return count(c.Cores) }),
	"load":          right(func(c result.Cell) string { return count(c.LoadPercent) + " %" }),
	"rate":          right(func(c result.Cell) string { return Figure(c.RatePerSecond, cells.UnitPerSecond) }),
	"median":        styled(true, func(c result.Cell) field { return field{Figure(c.Median, c.Unit), bold} }),
	"95 % interval": right(func(c result.Cell) string { return Interval(c.CI95Low, c.CI95High, c.Unit) }),
	"floor":         right(floorOf),
	"multiple":      right(multipleOf),
	"target":        styled(false, target(cells.UnitNanoseconds)),
	"target of it":  styled(false, target(cells.UnitMultiple)),
	"percentiles":   percentileColumns,
	"95 % of p99.9": right(p999Interval),
	"late":          right(func(c result.Cell) string { return strconv.FormatInt(c.LateSends, 10) }),
	"allocs/op":     right(func(c result.Cell) string { return fmt.Sprintf("%.2f", c.AllocsPerOp) }),
}

func styled(right bool, of func(result.Cell) field) maker {
	return func(name string, _ []result.Cell) []show { return []show{{column{name, right}, of}} }
}

func left(of func(result.Cell) string) maker { return styled(false, orDash(of)) }

func right(of func(result.Cell) string) maker { return styled(true, orDash(of)) }

func orDash(of func(result.Cell) string) func(result.Cell) field {
	return func(c result.Cell) field { return field{text: cmp.Or(of(c), "-")} }
}

// columnsOf returns the columns of a mode's table, but for the notes.
func columnsOf(mode cells.Mode, measured []result.Cell) ([]show, error) {
	var all []show
	for _, name := range mode.Columns {
		columnsFor, ok := columns[name]
		if !ok {
			return nil, fmt.Errorf("mode %s: there is no column %q", mode.Name, name)
		}
		all = append(all, columnsFor(string(name), measured)...)
	}
	return all, nil
}

func floorOf(c result.Cell) string {
	if c.Floor == nil {
		return ""
	}
	return Figure(*c.Floor, c.Unit)
}

func multipleOf(c result.Cell) string {
	if c.FloorMultiple == nil {
		return ""
	}
	return Multiple(*c.FloorMultiple)
}

// percentileColumns makes a column for each percentile that any of the cells has.
func percentileColumns(_ string, measured []result.Cell) []show {
	var percents []float64
	for _, c := range measured {
		for _, p := range c.Percentiles {
			if !slices.Contains(percents, p.Percent) {
				percents = append(percents, p.Percent)
			}
		}
	}
	slices.Sort(percents)
	var all []show
	for _, percent := range percents {
		of := right(func(c result.Cell) string { return percentile(c, percent) })
		all = append(all, of(percentName(percent), measured)...)
	}
	return all
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
func modeGrid(mode cells.Mode, all []result.Cell, notes *footnotes) (grid, error) {
	rows := measured(all, mode.Name)
	columns, err := columnsOf(mode, rows)
	if err != nil {
		return grid{}, err
	}
	var g grid
	for _, c := range columns {
		g.header = append(g.header, c.column)
	}
	g.header = append(g.header, column{"notes", false})
	for _, cell := range rows {
		var row []field
		for _, c := range columns {
			row = append(row, c.of(cell))
		}
		g.rows = append(g.rows, append(row, field{notes.add(cell.Warnings), yellow}))
	}
	return g, nil
}

// headed is a table of cells and the question that they answer.
type headed struct {
	grid
	question string
}

// modeGrids returns a table for each mode that has measured cells.
func modeGrids(all []result.Cell, notes *footnotes) ([]headed, error) {
	var grids []headed
	for _, mode := range cells.Modes() {
		g, err := modeGrid(mode, all, notes)
		if err != nil {
			return nil, err
		}
		if len(g.rows) > 0 {
			grids = append(grids, headed{g, string(mode.Name) + ": " + mode.About})
		}
	}
	return grids, nil
}

// measured returns the measured cells of a mode.
func measured(all []result.Cell, mode cells.ModeName) []result.Cell {
	var found []result.Cell
	for _, c := range all {
		if c.Status == result.Measured && c.Mode == mode {
			found = append(found, c)
		}
	}
	return found
}

// Workload names a cell's pattern, and its number of components and pairs where that
// is not the usual one.
func Workload(key cells.Key) string {
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

// verdictStyles are the colours of the verdicts, which have words, too.
var verdictStyles = map[result.Verdict]style{result.Met: green, result.Missed: red, result.Undecided: yellow}

// target makes the column of targets in a unit.
func target(unit string) func(result.Cell) field {
	return func(c result.Cell) field {
		for _, g := range c.Goals() {
			if g.Unit == unit {
				return field{fmt.Sprintf("%s: %s", Aim(g), Word(g.Within)), verdictStyles[g.Within]}
			}
		}
		return field{text: "-"}
	}
}
