package report

import (
	"github.com/airhost/airhost/internal/bench/data/cells"
	"github.com/airhost/airhost/internal/bench/data/machines"
)

// machine is the part of the page that is about one machine.
type machine struct{ machines.Machine }

type cell = machines.Cell

// pages is the content of a page: all runs, and those of each machine.
type pages struct {
	runs     []machines.Run
	machines []machine
	rows     []machines.Row
}

func newPages(runs []machines.Run) pages {
	all := machines.Split(runs)
	p := pages{runs: runs, rows: machines.Rows(all)}
	for _, m := range all {
		p.machines = append(p.machines, machine{m})
	}
	return p
}

// where returns the cells that match.
func (m machine) where(match func(cell) bool) []cell {
	var list []cell
	for _, c := range m.Cells {
		if match(c) {
			list = append(list, c)
		}
	}
	return list
}

// mode returns the cells of a mode, without other projects' hosts.
func (m machine) mode(mode cells.ModeName) []cell {
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
