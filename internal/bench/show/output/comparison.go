package output

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/airhost/airhost/internal/bench/data/compare"
)

// comparisonHeader has the columns of a comparison.
var comparisonHeader = []column{
	{"cell", false}, {"base", true}, {"head", true}, {"change", true},
	{"95 % interval", true}, {"p", true}, {"verdict", false}, {"notes", false},
}

// Comparison prints a comparison for a terminal.
func Comparison(w io.Writer, c *compare.Comparison) error {
	var notes footnotes
	g := grid{header: comparisonHeader}
	for _, cell := range c.Cells {
		g.rows = append(g.rows, texts(comparisonRow(cell, &notes)...))
	}
	var text strings.Builder
	fmt.Fprintf(&text, "base: commit %s\nhead: commit %s\n\n", c.Base.Source(), c.Head.Source())
	g.print(&text, false)
	text.WriteString("\n" + comparisonSummary(c) + "\n")
	for i, note := range notes.notes {
		fmt.Fprintf(&text, "[%d] %s\n", i+1, note)
	}
	for _, line := range remarks(c) {
		text.WriteString(line + "\n")
	}
	_, err := io.WriteString(w, text.String())
	return err
}

// ComparisonMarkdown prints a comparison for a pull request.
func ComparisonMarkdown(w io.Writer, c *compare.Comparison) error {
	var notes footnotes
	var text strings.Builder
	fmt.Fprintf(&text, "### Benchmarks: %s\n\n", c.Headline())
	var names, rules []string
	for _, column := range comparisonHeader {
		names = append(names, column.name)
		rules = append(rules, map[bool]string{true: "--:", false: ":--"}[column.right])
	}
	lines := [][]string{names, rules}
	for _, cell := range c.Cells {
		row := comparisonRow(cell, &notes)
		if cell.Verdict != compare.Same {
			row[6] = "**" + row[6] + "**"
		}
		lines = append(lines, row)
	}
	for _, line := range lines {
		text.WriteString("| " + strings.Join(line, " | ") + " |\n")
	}
	fmt.Fprintf(&text, "\n%s Base is commit %s, head is %s.\n", comparisonSummary(c), c.Base.Source(), c.Head.Source())
	for i, note := range notes.notes {
		fmt.Fprintf(&text, "\n\\[%d] %s\n", i+1, note)
	}
	for _, line := range remarks(c) {
		text.WriteString("\n" + line + "\n")
	}
	_, err := io.WriteString(w, text.String())
	return err
}

// comparisonRow has the cell's fields, one for each column.
func comparisonRow(c compare.Cell, notes *footnotes) []string {
	return []string{
		c.Key.String(), Figure(c.Base, c.Unit), Figure(c.Head, c.Unit), compare.Percent(c.Change),
		compare.Percent(c.ChangeLow) + " to " + compare.Percent(c.ChangeHigh), compare.Chance(c.PAdjusted), c.Word(), notes.add(c.Warnings),
	}
}

// comparisonSummary says in two sentences how many cells changed, and by which
// rule.
func comparisonSummary(c *compare.Comparison) string {
	test := "Mann-Whitney's test between samples of two runs"
	if c.Paired {
		test = "Wilcoxon's signed-rank test within rounds"
	}
	text := c.Headline()
	return fmt.Sprintf("%s%s. A change is a difference above %.3g %% with p < %.2g by %s, adjusted for %s; ~ is no change found.",
		strings.ToUpper(text[:1]), text[1:], 100*c.Threshold, c.Level, test, compare.CellCount(len(c.Cells)))
}

// remarks are about the whole, and about cells that were not compared.
func remarks(c *compare.Comparison) []string {
	remarks := slices.Clone(c.Warnings)
	for _, skipped := range c.Skipped {
		remarks = append(remarks, fmt.Sprintf("not compared: %s: %s", skipped.Key, skipped.Reason))
	}
	return remarks
}
