// Package output prints results for people and for other programs: as a table,
// as Go benchmark text for benchstat, as CSV, and, while a run goes on, as one
// line on a terminal.
package output

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/airhost/airhost/internal/bench/result"
)

// Table prints one line about the machine, the measured cells as a table, the
// kinds of the cells' warnings as footnotes below it, and then the cells that
// were left out, each with its reason.
func Table(w io.Writer, file *result.File) error {
	var notes footnotes
	measured := table{header: []column{
		{"engine", false}, {"broker", false}, {"tracker", false}, {"pattern", false}, {"payload", true},
		{"median", true}, {"95 % interval", true}, {"floor", true}, {"multiple", true},
		{"target", false}, {"allocs/op", true}, {"notes", false},
	}}
	for _, cell := range file.Cells {
		if cell.Status == result.Measured {
			measured.rows = append(measured.rows, row(cell, notes.add(cell.Warnings)))
		}
	}
	var text strings.Builder
	text.WriteString(machineLine(file.Environment))
	if len(measured.rows) > 0 {
		text.WriteByte('\n')
		measured.print(&text)
	}
	notes.print(&text)
	printLeftOut(&text, file.Cells)
	_, err := io.WriteString(w, text.String())
	return err
}

func machineLine(env result.Environment) string {
	commit := env.Commit[:min(12, len(env.Commit))]
	if env.Modified {
		commit += " with changes"
	}
	return fmt.Sprintf("%s, %d cores, %s %s/%s, kernel %s, %s, commit %s, seed %d\n",
		env.CPU, env.Cores, env.Go, env.OS, env.Arch, env.Kernel, env.Governor+" governor", commit, env.Seed)
}

func row(cell result.Cell, notes string) []string {
	floor, multiple := "-", "-"
	if cell.Floor != nil {
		floor = nanoseconds(*cell.Floor)
		multiple = fmt.Sprintf("%.2f ×", *cell.FloorMultiple)
	}
	return []string{
		cell.Engine, cell.Broker, cell.Tracker, Workload(cell.Key), Size(cell.PayloadBytes),
		nanoseconds(cell.Median), interval(cell.Figures), floor, multiple,
		target(cell.Figures), fmt.Sprintf("%.2f", cell.AllocsPerOp), notes,
	}
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

func nanoseconds(ns float64) string {
	switch {
	case ns >= 1e6:
		return fmt.Sprintf("%.2f ms", ns/1e6)
	case ns >= 1e4:
		return fmt.Sprintf("%.2f µs", ns/1e3)
	}
	return fmt.Sprintf("%.1f ns", ns)
}

// interval prints the two sides of the median's interval, as shares of it.
func interval(f *result.Figures) string {
	if f.Median == 0 {
		return "-"
	}
	return fmt.Sprintf("%+.1f %+.1f %%", 100*(f.CI95Low/f.Median-1), 100*(f.CI95High/f.Median-1))
}

func target(f *result.Figures) string {
	if f.Target == nil {
		return "-"
	}
	words := map[result.Verdict]string{result.Met: "met", result.Missed: "missed", result.Undecided: "undecided"}
	return fmt.Sprintf("%.0f ns: %s", *f.Target, words[f.WithinTarget])
}

func printLeftOut(text *strings.Builder, cells []result.Cell) {
	before := "\n"
	for _, cell := range cells {
		if cell.Status == result.LeftOut {
			fmt.Fprintf(text, "%sleft out: %s: %s\n", before, cell.Key, cell.Reason)
			before = ""
		}
	}
}

type column struct {
	name  string
	right bool
}

// table aligns rows under a header.
type table struct {
	header []column
	rows   [][]string
}

func (t table) print(text *strings.Builder) {
	widths := make([]int, len(t.header))
	names := make([]string, len(t.header))
	for i, column := range t.header {
		names[i] = column.name
	}
	lines := append([][]string{names}, t.rows...)
	for _, line := range lines {
		for i, field := range line {
			widths[i] = max(widths[i], utf8.RuneCountInString(field))
		}
	}
	for _, line := range lines {
		var fields []string
		for i, field := range line {
			fields = append(fields, pad(field, widths[i], t.header[i].right))
		}
		text.WriteString(strings.TrimRight(strings.Join(fields, "  "), " ") + "\n")
	}
}

func pad(field string, width int, right bool) string {
	blanks := strings.Repeat(" ", width-utf8.RuneCountInString(field))
	if right {
		return blanks + field
	}
	return field + blanks
}
