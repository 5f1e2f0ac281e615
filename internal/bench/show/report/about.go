package report

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/airhost/airhost/internal/bench/data/machines"
	"github.com/airhost/airhost/internal/bench/data/result"
	"github.com/airhost/airhost/internal/bench/show/output"
)

// session is a list of shell commands and their purpose.
type session struct{ Title, Lead, Commands string }

// machineLine is about the last run of the machine.
func (m machine) machineLine() string {
	env := m.Environment()
	return fmt.Sprintf("%s, %s, %s, %s/%s, %s, commit %s",
		started(env.Started), env.CPU, counted(env.Cores, "core", "cores"), env.OS, env.Arch, env.Go, env.Source())
}

// started is the day of a run.
func started(at string) string {
	day, _, _ := strings.Cut(at, "T")
	return day
}

// alerts are about the whole report.
func (p pages) alerts() []string {
	var texts []string
	for _, r := range p.runs {
		if r.File.Cut {
			texts = append(texts, r.Name+": the run was cut short. Its cells hold what had been measured by then.")
		}
	}
	if len(p.machines) > 1 {
		texts = append(texts, fmt.Sprintf("The figures are of %d processors. Compare multiples of the floor between them, and nanoseconds only on one of them.", len(p.machines)))
	}
	for _, m := range p.machines {
		for _, r := range m.Runs[1:] {
			if r.File.Environment.Kernel != m.Runs[0].File.Environment.Kernel {
				texts = append(texts, r.Name+" was measured on another kernel than "+m.Runs[0].Name+", which may be a reason for a difference.")
			}
		}
		if first := p.machines[0]; m.Environment().Source() != first.Environment().Source() {
			texts = append(texts, fmt.Sprintf("%s has figures of commit %s, and %s of commit %s: a difference may be the code's.",
				first.Name, first.Environment().Source(), m.Name, m.Environment().Source()))
		}
	}
	return texts
}

// environment has a column for each run.
func (p pages) environment() table {
	t := table{Caption: "The machine and the build of each run", Head: []head{{"", narrow}}}
	rows := []struct {
		name string
		of   func(result.Environment) string
	}{
		{"Started", func(e result.Environment) string { return e.Started }},
		{"Processor", func(e result.Environment) string { return e.CPU }},
		{"Cores", func(e result.Environment) string { return fmt.Sprintf("%d, GOMAXPROCS %d", e.Cores, e.GOMAXPROCS) }},
		{"Governor of the frequency", func(e result.Environment) string { return e.Governor }},
		{"System", func(e result.Environment) string { return e.OS + "/" + e.Arch + ", kernel " + e.Kernel }},
		{"Go", func(e result.Environment) string { return e.Go }},
		{"Commit", func(e result.Environment) string { return e.Source() }},
		{"Flags", func(e result.Environment) string { return strings.Join(e.Flags, " ") }},
		{"Seed", func(e result.Environment) string { return fmt.Sprint(e.Seed) }},
	}
	for _, r := range p.runs {
		t.Head = append(t.Head, head{r.Name, narrow})
	}
	for _, r := range rows {
		fields := []field{text(r.name)}
		for _, run := range p.runs {
			fields = append(fields, text(r.of(run.File.Environment)))
		}
		t.Rows = append(t.Rows, fields)
	}
	return t
}

// modules has a row for each module that any of the runs was built with.
func (p pages) modules() table {
	t := table{Caption: "Modules that the runner was built with", Head: []head{{"Module", narrow}}}
	paths := make(map[string]bool)
	for _, r := range p.runs {
		t.Head = append(t.Head, head{r.Name, narrow})
		for path := range r.File.Environment.Modules {
			paths[path] = true
		}
	}
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		fields := []field{text(path)}
		for _, r := range p.runs {
			fields = append(fields, text(cmp.Or(r.File.Environment.Modules[path], "–")))
		}
		t.Rows = append(t.Rows, fields)
	}
	return t
}

// plain is a word that a shell takes as it is.
var plain = regexp.MustCompile(`^[A-Za-z0-9_=.,/:%+@-]+$`)

func quoted(word string) string {
	if plain.MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// reproduction has the commands for each run, and then for this page.
func (p pages) reproduction() []session {
	var sessions []session
	report := "bin/benchrunner report"
	for _, r := range p.runs {
		sessions = append(sessions, runSession(r))
		report += " " + quoted(r.Name)
	}
	return append(sessions, session{Title: "This page", Commands: report})
}

func runSession(r machines.Run) session {
	env := r.File.Environment
	s := session{Title: r.Name, Lead: "The same code, flags and order of cells; nothing else should run on the machine."}
	if env.Modified {
		s.Lead = "The code had changes that are not in the commit: the run cannot be repeated exactly."
	}
	command := "bin/benchrunner run"
	for _, flag := range env.Flags {
		command += " " + quoted(flag)
	}
	lines := []string{"make build", fmt.Sprintf("%s --seed=%d --json=%s", command, env.Seed, quoted(r.Name))}
	if env.Commit != "" && env.Commit != "unknown" {
		lines = append([]string{"git checkout " + quoted(env.Commit)}, lines...)
	}
	s.Commands = strings.Join(lines, "\n")
	return s
}

// everyCell is the table of all measured cells.
func (m machine) everyCell() table {
	t := table{Caption: "All measured cells", Filterable: true}
	t.Head = append(t.Head, head{"Back end", narrow}, head{"Cell", wide}, head{"Mode", narrow})
	for _, h := range []string{"Median", "95 % interval", "Mean", "Std. dev.", "MAD", "Samples", "Outliers", "Floor", "Multiple"} {
		t.Head = append(t.Head, head{h, right})
	}
	t.Head = append(t.Head, head{"Targets", wide}, head{"Allocs/op", right}, head{"B/op", right}, head{"Run", narrow}, head{"Warnings", wide})
	for _, c := range m.Cells {
		t.Rows = append(t.Rows, m.cellFields(c))
	}
	return t
}

func (m machine) cellFields(c cell) []field {
	show := func(v float64) field { return number(output.Figure(v, c.Unit), v) }
	optional := func(v *float64) field {
		if v == nil {
			return text("–")
		}
		return show(*v)
	}
	factor := text("–")
	if c.FloorMultiple != nil {
		factor = number(multiple(c), *c.FloorMultiple)
	}
	var verdicts []string
	for _, v := range verdictsOf(c.Figures) {
		verdicts = append(verdicts, fmt.Sprintf("%s %s, %s", v.Sign, v.Word, v.Off))
	}
	return []field{
		text(c.Engine), text(fullName(c).Detail), text(string(c.Mode)),
		show(c.Median), number(ci(c), c.CI95Low), show(c.Mean), show(c.Stddev), show(c.MAD),
		number(fmt.Sprint(len(c.Samples)), float64(len(c.Samples))), number(fmt.Sprint(c.Outliers), float64(c.Outliers)),
		optional(c.Floor), factor, text(cmp.Or(strings.Join(verdicts, "; "), "–")),
		number(fmt.Sprintf("%.2f", c.AllocsPerOp), c.AllocsPerOp), number(fmt.Sprintf("%.1f", c.BytesPerOp), c.BytesPerOp),
		text(m.Runs[c.Run].Name), warningField(c),
	}
}

// leftOutTable names the cells that were not measured, with the reasons.
func (m machine) leftOutTable() table {
	t := table{Caption: "Cells that were left out", Head: []head{{"Back end", narrow}, {"Cell", narrow}, {"Reason", narrow}}}
	for _, c := range m.LeftOut {
		n := fullName(cell{Cell: c})
		t.Rows = append(t.Rows, []field{text(n.Engine), text(n.Detail), text(c.Reason)})
	}
	return t
}
