// Package machines puts the cells of several result files together, by the machines
// that measured them. Cells of different machines are never put in each other's
// place: beside each other they have multiples of their floors.
package machines

import (
	"slices"

	"github.com/airhost/airhost/internal/bench/data/cells"
	"github.com/airhost/airhost/internal/bench/data/result"
)

// Run is a result file and its name.
type Run struct {
	Name string
	File *result.File
}

// Machine is the content of all runs of one machine.
type Machine struct {
	// Name is that of its processor, with more where others have one of that name.
	Name    string
	Runs    []Run  // in their order
	Cells   []Cell // measured, in the order of their first appearance
	LeftOut []result.Cell
}

// Cell is a measured cell of the last run that has it, and the same cell of earlier
// runs of the machine.
type Cell struct {
	result.Cell
	Run     int // an index of the machine's runs
	Earlier []*result.Figures
}

// Split returns the machines of the runs, in the order of their first appearance.
func Split(runs []Run) []Machine {
	var all []Machine
	var known []result.Machine
	for _, run := range runs {
		machine := run.File.Environment.Machine()
		i := slices.Index(known, machine)
		if i < 0 {
			i = len(known)
			known = append(known, machine)
			all = append(all, Machine{})
		}
		all[i].Runs = append(all[i].Runs, run)
	}
	for i, name := range result.MachineNames(known) {
		all[i].Name = name
		all[i].merge()
	}
	return all
}

// merge takes each cell from the last run that measured it.
func (m *Machine) merge() {
	known := make(map[cells.Key]int)
	for run, r := range m.Runs {
		for _, c := range r.File.Cells {
			if c.Status != result.Measured {
				continue
			}
			i, ok := known[c.Key]
			if !ok {
				known[c.Key] = len(m.Cells)
				m.Cells = append(m.Cells, Cell{Cell: c, Run: run})
				continue
			}
			before := m.Cells[i]
			m.Cells[i] = Cell{c, run, append(before.Earlier, before.Figures)}
		}
	}
	m.leaveOut(known)
}

// leaveOut lists the cells that no run measured, each once, with the reason that the
// last run gives.
func (m *Machine) leaveOut(measured map[cells.Key]int) {
	place := make(map[cells.Key]int)
	for _, r := range m.Runs {
		for _, c := range r.File.Cells {
			_, known := measured[c.Key]
			if c.Status != result.LeftOut || known {
				continue
			}
			if i, again := place[c.Key]; again {
				m.LeftOut[i] = c
				continue
			}
			place[c.Key] = len(m.LeftOut)
			m.LeftOut = append(m.LeftOut, c)
		}
	}
}

// Environment is that of the machine's last run.
func (m *Machine) Environment() result.Environment {
	return m.Runs[len(m.Runs)-1].File.Environment
}
