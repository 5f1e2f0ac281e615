package report

import (
	"github.com/airhost/airhost/internal/bench/data/cells"
	"github.com/airhost/airhost/internal/bench/data/result"
)

// merged is the content of several runs.
type merged struct {
	runs    []Run
	cells   []cell // measured, in the order of their first appearance
	leftOut []result.Cell
}

// cell is a measured cell, and the same cell of earlier runs.
type cell struct {
	result.Cell
	run     int
	earlier []earlier
}

type earlier struct {
	run int
	*result.Figures
}

// merge takes each cell from the last run that measured it.
func merge(runs []Run) merged {
	m := merged{runs: runs}
	known := make(map[cells.Key]int)
	for run, r := range runs {
		for _, c := range r.File.Cells {
			if c.Status != result.Measured {
				continue
			}
			i, ok := known[c.Key]
			if !ok {
				known[c.Key] = len(m.cells)
				m.cells = append(m.cells, cell{Cell: c, run: run})
				continue
			}
			before := m.cells[i]
			m.cells[i] = cell{c, run, append(before.earlier, earlier{before.run, before.Figures})}
		}
	}
	m.leftOut = leftOut(runs, known)
	return m
}

// leftOut returns the cells that no run measured, each once, with the reason
// that the last run gives.
func leftOut(runs []Run, measured map[cells.Key]int) []result.Cell {
	var list []result.Cell
	place := make(map[cells.Key]int)
	for _, r := range runs {
		for _, c := range r.File.Cells {
			_, known := measured[c.Key]
			if c.Status != result.LeftOut || known {
				continue
			}
			if i, again := place[c.Key]; again {
				list[i] = c
				continue
			}
			place[c.Key] = len(list)
			list = append(list, c)
		}
	}
	return list
}

// where returns the cells that match.
func (m merged) where(match func(cell) bool) []cell {
	var list []cell
	for _, c := range m.cells {
		if match(c) {
			list = append(list, c)
		}
	}
	return list
}

// mode returns the cells of a mode, without other projects' hosts.
func (m merged) mode(mode cells.ModeName) []cell {
	return m.where(func(c cell) bool { return c.Mode == mode && !c.Peer })
}

// group splits cells by a property, in the order of first appearance.
func group[K comparable](list []cell, by func(cell) K) [][]cell {
	var groups [][]cell
	place := make(map[K]int)
	for _, c := range list {
		i, ok := place[by(c)]
		if !ok {
			i = len(groups)
			place[by(c)] = i
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], c)
	}
	return groups
}
