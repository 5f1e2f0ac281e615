package output

import (
	"fmt"
	"io"
	"strings"

	"github.com/airhost/airhost/internal/bench/data/result"
)

// Markdown prints the content of [Table] for a pull request: the summary and, folded
// up, the tables.
func Markdown(w io.Writer, file *result.File) error {
	var text strings.Builder
	headline := Headline(file.Cells)
	if headline == "" {
		headline = fmt.Sprintf("%d cells", len(file.Cells))
	}
	fmt.Fprintf(&text, "### Benchmarks: %s\n", headline)
	markdownList(&text, append(exceptions(file.Cells, false), fastest(file.Cells)...))
	var notes footnotes
	grids, err := modeGrids(file.Cells, &notes)
	if err != nil {
		return err
	}
	for _, g := range grids {
		fmt.Fprintf(&text, "\n<details><summary>%s</summary>\n\n", g.question)
		g.markdown(&text)
		text.WriteString("\n</details>\n")
	}
	for i, note := range notes.notes {
		fmt.Fprintf(&text, "\n\\[%d] %s\n", i+1, escape(note.String()))
	}
	var left []string
	for _, cell := range file.Cells {
		if cell.Status == result.LeftOut {
			left = append(left, fmt.Sprintf("left out: %s: %s", cell.Key, cell.Reason))
		}
	}
	markdownList(&text, left)
	fmt.Fprintf(&text, "\n%s\n", escape(machineLine(file.Environment)))
	_, err = io.WriteString(w, text.String())
	return err
}

func markdownList(text *strings.Builder, lines []string) {
	if len(lines) > 0 {
		text.WriteByte('\n')
	}
	for _, line := range lines {
		fmt.Fprintf(text, "- %s\n", escape(strings.TrimSpace(line)))
	}
}
