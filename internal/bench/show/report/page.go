package report

import (
	"fmt"
	"html/template"
	"slices"

	"github.com/airhost/airhost/internal/bench/data/cells"
)

// page is the data of the template.
type page struct {
	Style      template.CSS
	Script     template.JS
	ScriptHash string

	Machines   []string // a line about each
	Alerts     []string
	Headline   string
	Summary    []string
	Verdicts   []chart
	VerdictKey []keyEntry
	Warned     string
	Parts      []part
	About      part // what is about all runs
}

// part is a list of sections. Title is that of a machine, or "".
type part struct {
	Title    string
	Sections []section
}

func (p pages) page() (page, error) {
	made := page{
		Alerts: p.alerts(), Headline: p.headline(), Summary: p.summary(), Verdicts: p.verdicts(),
		VerdictKey: verdictKey, Warned: p.warned(), About: p.about(),
	}
	for i, m := range p.machines {
		made.Machines = append(made.Machines, m.machineLine())
		sections, err := m.sections()
		if err != nil {
			return page{}, err
		}
		of := part{Sections: sections}
		if len(p.machines) > 1 {
			of.on(m, i)
		}
		made.Parts = append(made.Parts, of)
	}
	return made, nil
}

// on makes the part that of one of several machines. All its names have the machine's
// number.
func (p *part) on(m machine, number int) {
	suffix := fmt.Sprintf("-%d", number+1)
	p.Title = m.Name
	for i := range p.Sections {
		p.Sections[i].ID += suffix
	}
}

// warned is the number of figures on top that have warnings, in words, or "".
func (p pages) warned() string {
	all, warned := 0, 0
	for i := range p.machines {
		for _, c := range p.targeted(i) {
			if c.Figures != nil {
				all++
				warned += min(1, len(c.Warnings))
			}
		}
	}
	if warned == 0 {
		return ""
	}
	return fmt.Sprintf("%d of these %d figures come with a warning.", warned, all)
}

// about has the sections about all runs.
func (p pages) about() part {
	return part{Sections: []section{
		{ID: "environment", Title: "Machine and build", Tables: nonEmpty(p.environment(), p.modules())},
		{ID: "reproduce", Title: "Measure it again", Sessions: p.reproduction()},
		{ID: "glossary", Title: "What the words mean", Terms: glossary()},
	}}
}

// sections are all sections of a machine with content. Those of the modes come in the
// order of the table of modes.
func (m machine) sections() ([]section, error) {
	changes, repetitions := m.changeSection(), section{}
	if len(m.Runs) != 2 {
		changes, repetitions = repetitions, changes // only two runs are before and after
	}
	all := []section{changes}
	for _, mode := range cells.Modes() {
		ofMode, err := m.modeSections(mode)
		if err != nil {
			return nil, err
		}
		all = append(all, ofMode...)
	}
	all = append(all,
		section{ID: "peers", Title: "What others need", Charts: m.peers(),
			Lead: "Other projects, through their public packages, in the same run on the same machine. They do not all do the same: most have no capabilities, quotas or limits. The axis is logarithmic."},
		m.allocationSection(),
		repetitions,
		section{ID: "cells", Title: "All cells", Tables: nonEmpty(m.everyCell()),
			Lead: "Everything that was measured. The samples themselves are in the result files; those of load cells are the 99.9th percentile of a round each."},
		section{ID: "left-out", Title: "Left out", Tables: nonEmpty(m.leftOutTable()),
			Lead: "Cells that were asked for and could not be measured."},
	)
	return slices.DeleteFunc(all, section.empty), nil
}

// figures draw the cells of a mode into a section, by the names that modes use.
var figures = map[cells.Figure]func(s *section, list []cell){
	"distributions": func(s *section, list []cell) { s.Cards = append(s.Cards, distributions(list)...) },
	"scaling":       func(s *section, list []cell) { s.Lines = append(s.Lines, scaling(list)...) },
	"highest":       func(s *section, list []cell) { s.Charts = append(s.Charts, highest(list)...) },
	"percentiles":   func(s *section, list []cell) { s.Lines = append(s.Lines, percentileFigures(list)...) },
	"by part":       func(s *section, list []cell) { s.Charts = append(s.Charts, byPart(list)...) },
	"stack":         func(s *section, list []cell) { s.Charts = append(s.Charts, stacks(list)...) },
}

// modeSections are the sections of a mode, with the figures of its cells.
func (m machine) modeSections(mode cells.Mode) ([]section, error) {
	var all []section
	for _, of := range mode.Sections {
		s := section{ID: of.ID, Title: of.Title, Lead: of.Lead}
		for _, name := range of.Figures {
			draw, ok := figures[name]
			if !ok {
				return nil, fmt.Errorf("mode %s: there is no figure %q", mode.Name, name)
			}
			draw(&s, m.mode(mode.Name))
		}
		all = append(all, s)
	}
	return all, nil
}

// empty reports whether the section has nothing to show.
func (s section) empty() bool {
	return len(s.Charts)+len(s.Lines)+len(s.Cards)+len(s.Tables)+len(s.Sessions)+len(s.Terms) == 0
}

func (m machine) allocationSection() section {
	s := section{ID: "allocations", Title: "Allocations",
		Lead: "What one operation takes from Go's heap, which the garbage collector has to give back later."}
	if c, ok := m.allocations(); ok {
		s.Charts = []chart{c}
	}
	return s
}

func nonEmpty(tables ...table) []table {
	var kept []table
	for _, t := range tables {
		if len(t.Rows) > 0 {
			kept = append(kept, t)
		}
	}
	return kept
}
