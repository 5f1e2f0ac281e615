package report

import (
	"fmt"
	"html/template"

	"github.com/airhost/airhost/internal/bench/data/result"
)

// page is what the template shows.
type page struct {
	Style      template.CSS
	Script     template.JS
	ScriptHash string

	Machine    string
	Alerts     []string
	Headline   string
	Summary    []string
	Verdicts   []chart
	VerdictKey []keyEntry
	Warned     string
	Sections   []section
}

func newPage(m merged) page {
	return page{
		Machine: m.machineLine(), Alerts: m.alerts(), Headline: m.headline(), Summary: m.summary(), Verdicts: m.verdicts(),
		VerdictKey: verdictKey, Warned: m.warned(), Sections: m.sections(),
	}
}

// warned says how many of the figures on top should not be relied on without
// reading on, or is "".
func (m merged) warned() string {
	cells, warned := m.targeted(), 0
	for _, c := range cells {
		warned += min(1, len(c.Warnings))
	}
	if warned == 0 {
		return ""
	}
	return fmt.Sprintf("%d of these %d figures come with a warning.", warned, len(cells))
}

// sections are those that the runs have something for.
func (m merged) sections() []section {
	changes, repetitions := m.changeSection(), section{}
	if len(m.runs) != 2 {
		changes, repetitions = repetitions, changes // only two runs are before and after
	}
	var kept []section
	for _, s := range []section{
		changes,
		{ID: "distributions", Title: "Samples", Cards: m.distributions(),
			Lead: "Every sample of every latency cell, none dropped. Above: how densely samples lie, each sample as a dot, the median and its 95 % interval. Below: the same samples in the order in which they were taken, where drift shows as a slope or a step."},
		{ID: "scaling", Title: "What more of it costs", Lines: m.scaling(result.Latency),
			Lead: "The time for one operation, where cells differ in one thing only."},
		{ID: "throughput", Title: "Throughput", Charts: m.throughput(), Lines: m.scaling(result.Throughput),
			Lead: "How many messages a second, with many in flight. More is better."},
		{ID: "load", Title: "Latency under load", Lines: m.load(),
			Lead: "Messages sent at a fixed rate, whether or not the one before is done. Latency counts from when a message should have been sent, so that a stall delays, and counts against, all messages behind it. Each step to the right is a rarer case."},
		{ID: "stages", Title: "Where the time goes", Charts: m.stages(),
			Lead: "The parts of one operation. A row begins where the one above it ends, and the first row has them all. What no stage explains is named the rest."},
		{ID: "cold", Title: "Cold start", Charts: m.cold(),
			Lead: "What a component costs until it has handled its first message. The axis is logarithmic: each step is several times the one before."},
		{ID: "peers", Title: "What others need", Charts: m.peers(),
			Lead: "Other projects, through their public packages, in the same run on the same machine. They do not all do the same: most have no capabilities, quotas or limits. The axis is logarithmic."},
		m.allocationSection(),
		repetitions,
		{ID: "cells", Title: "All cells", Tables: nonEmpty(m.everyCell()),
			Lead: "Everything that was measured. The samples themselves are in the result files; those of load cells are the 99.9th percentile of a round each."},
		{ID: "left-out", Title: "Left out", Tables: nonEmpty(m.leftOutTable()),
			Lead: "Cells that were asked for and could not be measured."},
		{ID: "environment", Title: "Machine and build", Tables: nonEmpty(m.environment(), m.modules())},
		{ID: "reproduce", Title: "Measure it again", Sessions: m.reproduction()},
		{ID: "glossary", Title: "What the words mean", Terms: glossary},
	} {
		if len(s.Charts)+len(s.Lines)+len(s.Cards)+len(s.Tables)+len(s.Sessions)+len(s.Terms) > 0 {
			kept = append(kept, s)
		}
	}
	return kept
}

func (m merged) allocationSection() section {
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
