package machines

import (
	"cmp"
	"slices"

	"github.com/airhost/airhost/internal/bench/data/cells"
	"github.com/airhost/airhost/internal/bench/data/result"
)

// Row is a cell with targets and a floor, as each machine measured it.
type Row struct {
	cells.Key
	// First says that it is the first cell of its engine and pattern. The others are
	// those of other brokers and trackers.
	First bool
	// On has the cell of each machine, in the order of the machines. One that the
	// machine did not measure has no figures.
	On []result.Cell
}

// Firsts returns the rows that are the first of their engine and pattern: the headline
// figures.
func Firsts(all []Machine) []Row {
	return slices.DeleteFunc(Rows(all), func(r Row) bool { return !r.First })
}

// Rows returns the cells that any of the machines has with targets and a floor, by
// pattern, and of each pattern by engine.
func Rows(all []Machine) []Row {
	var rows []Row
	var engines []string
	seen := make(map[cells.Key]bool)
	first := make(map[[2]string]bool)
	for _, m := range all {
		for _, c := range m.Cells {
			if c.Floor == nil || len(c.Goals()) == 0 || seen[c.Key] {
				continue
			}
			seen[c.Key] = true
			kind := [2]string{c.Engine, string(c.Pattern)}
			rows = append(rows, Row{Key: c.Key, First: !first[kind], On: on(all, c.Key)})
			first[kind] = true
			if !slices.Contains(engines, c.Engine) {
				engines = append(engines, c.Engine)
			}
		}
	}
	slices.SortStableFunc(rows, func(a, b Row) int {
		return cmp.Or(
			cmp.Compare(slices.Index(cells.Patterns(), a.Pattern), slices.Index(cells.Patterns(), b.Pattern)),
			cmp.Compare(slices.Index(engines, a.Engine), slices.Index(engines, b.Engine)),
		)
	})
	return rows
}

// on returns the cell of each machine.
func on(all []Machine, key cells.Key) []result.Cell {
	var list []result.Cell
	for _, m := range all {
		list = append(list, m.find(key))
	}
	return list
}

func (m *Machine) find(key cells.Key) result.Cell {
	for _, c := range m.Cells {
		if c.Key == key {
			return c.Cell
		}
	}
	for _, c := range m.LeftOut {
		if c.Key == key {
			return c
		}
	}
	return result.Cell{Key: key, Status: result.LeftOut, Reason: "not measured"}
}
