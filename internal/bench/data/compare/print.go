package compare

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/airhost/airhost/internal/bench/show/output"
)

// JSON prints the comparison as indented JSON.
func (c *Comparison) JSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", " ")
	return encoder.Encode(c)
}

// header has the names of the columns, and whether their fields are aligned to
// the right.
var header = []struct {
	name  string
	right bool
}{
	{"cell", false}, {"base", true}, {"head", true}, {"change", true}, {"95 % interval", true}, {"p", true}, {"verdict", false}, {"notes", false},
}

// Table prints the comparison for a terminal.
func (c *Comparison) Table(w io.Writer) error {
	notes := &notes{}
	names := make([]string, len(header))
	for i, column := range header {
		names[i] = column.name
	}
	lines := [][]string{names}
	for _, cell := range c.Cells {
		lines = append(lines, cell.row(notes))
	}
	var text strings.Builder
	fmt.Fprintf(&text, "base: commit %s\nhead: commit %s\n\n", c.Base.Source(), c.Head.Source())
	align(&text, lines)
	text.WriteString("\n" + c.Summary() + "\n")
	notes.print(&text, "[%d] %s\n")
	for _, line := range c.remarks() {
		text.WriteString(line + "\n")
	}
	_, err := io.WriteString(w, text.String())
	return err
}

// Markdown prints the comparison for a pull request.
func (c *Comparison) Markdown(w io.Writer) error {
	notes := &notes{}
	var text strings.Builder
	fmt.Fprintf(&text, "### Benchmarks: %s\n\n", c.Headline())
	var names, rules []string
	for _, column := range header {
		names = append(names, column.name)
		rules = append(rules, map[bool]string{true: "--:", false: ":--"}[column.right])
	}
	lines := [][]string{names, rules}
	for _, cell := range c.Cells {
		row := cell.row(notes)
		if cell.Verdict != Same {
			row[6] = "**" + row[6] + "**"
		}
		lines = append(lines, row)
	}
	for _, line := range lines {
		text.WriteString("| " + strings.Join(line, " | ") + " |\n")
	}
	fmt.Fprintf(&text, "\n%s Base is commit %s, head is %s.\n", c.Summary(), c.Base.Source(), c.Head.Source())
	notes.print(&text, "\n\\[%d] %s\n")
	for _, line := range c.remarks() {
		text.WriteString("\n" + line + "\n")
	}
	_, err := io.WriteString(w, text.String())
	return err
}

// row is the cell's line, without a border.
func (c *Cell) row(notes *notes) []string {
	return []string{
		c.Key.String(), output.Figure(c.Base, c.Unit), output.Figure(c.Head, c.Unit), percent(c.Change),
		percent(c.ChangeLow) + " to " + percent(c.ChangeHigh), chance(c.PAdjusted), c.Word(), notes.add(c.Warnings),
	}
}

// percent prints a change, without a sign where there is none.
func percent(share float64) string {
	text := fmt.Sprintf("%+.1f %%", 100*share)
	if text == "+0.0 %" || text == "-0.0 %" {
		return text[1:]
	}
	return text
}

func chance(p float64) string {
	if p < 0.001 {
		return "<0.001"
	}
	return fmt.Sprintf("%.3f", p)
}

// Headline says in a few words what was found.
func (c *Comparison) Headline() string {
	count := make(map[Verdict]int)
	for _, cell := range c.Cells {
		count[cell.Verdict]++
	}
	var parts []string
	for _, part := range []struct {
		verdict Verdict
		word    string
	}{{Worse, "worse"}, {Better, "better"}, {Undecided, "undecided"}} {
		if n := count[part.verdict]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, part.word))
		}
	}
	if len(parts) == 0 {
		return "no change found in " + cells(len(c.Cells))
	}
	return strings.Join(parts, ", ") + " of " + cells(len(c.Cells))
}

func cells(n int) string {
	if n == 1 {
		return "1 cell"
	}
	return fmt.Sprintf("%d cells", n)
}

// Summary says in two sentences what was found, and by which rule.
func (c *Comparison) Summary() string {
	test := "Mann-Whitney's test between samples of two runs"
	if c.Paired {
		test = "Wilcoxon's signed-rank test within rounds"
	}
	text := c.Headline()
	return fmt.Sprintf("%s%s. A change is a difference above %.3g %% with p < %.2g by %s, adjusted for %s; ~ is no change found.",
		strings.ToUpper(text[:1]), text[1:], 100*c.Threshold, c.Level, test, cells(len(c.Cells)))
}

// remarks are about the whole, and about what was not compared.
func (c *Comparison) remarks() []string {
	remarks := slices.Clone(c.Warnings)
	for _, skipped := range c.Skipped {
		remarks = append(remarks, fmt.Sprintf("not compared: %s: %s", skipped.Key, skipped.Reason))
	}
	return remarks
}

// notes numbers texts. Those that differ in their numbers only share a note, which
// gives the range of each.
type notes struct{ kinds [][]string }

// add returns the marks of the texts, such as "[1] [3]".
func (n *notes) add(texts []string) string {
	var marks []string
	for _, text := range texts {
		marks = append(marks, fmt.Sprintf("[%d]", n.number(text)))
	}
	return strings.Join(marks, " ")
}

func (n *notes) number(text string) int {
	for i, kind := range n.kinds {
		if len(output.Kinds([]string{kind[0], text})) == 1 {
			n.kinds[i] = append(kind, text)
			return i + 1
		}
	}
	n.kinds = append(n.kinds, []string{text})
	return len(n.kinds)
}

func (n *notes) print(text *strings.Builder, format string) {
	for i, kind := range n.kinds {
		fmt.Fprintf(text, format, i+1, output.Kinds(kind)[0])
	}
}

// align prints lines of fields in columns.
func align(text *strings.Builder, lines [][]string) {
	widths := make([]int, len(header))
	for _, line := range lines {
		for i, field := range line {
			widths[i] = max(widths[i], utf8.RuneCountInString(field))
		}
	}
	for _, line := range lines {
		var fields []string
		for i, field := range line {
			blanks := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(field))
			if header[i].right {
				fields = append(fields, blanks+field)
			} else {
				fields = append(fields, field+blanks)
			}
		}
		text.WriteString(strings.TrimRight(strings.Join(fields, "  "), " ") + "\n")
	}
}
