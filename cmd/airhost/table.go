package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"
)

// table is text in columns. Numbers are aligned on the right.
type table struct {
	right []bool // by column
	rows  [][]string
}

// newTable makes a table with these headings; a heading that begins with > is of numbers.
func newTable(headings ...string) *table {
	t := &table{}
	for i, h := range headings {
		name, number := strings.CutPrefix(h, ">")
		t.right, headings[i] = append(t.right, number), name
	}
	t.rows = append(t.rows, headings)
	return t
}

// add adds a row. Text in it that a guest wrote becomes printable.
func (t *table) add(cells ...string) {
	for i := range cells {
		cells[i] = printable(cells[i])
	}
	t.rows = append(t.rows, cells)
}

// String returns the lines of the table.
func (t *table) String() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	widths := make([]int, len(t.right))
	for _, row := range t.rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, row := range t.rows {
		for i, cell := range row {
			if t.right[i] {
				row[i] = strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)) + cell
			}
		}
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	_ = w.Flush() // into memory
	lines := strings.Split(b.String(), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n")
}

// encoder writes JSON to standard output, a document a line.
func (p *program) encoder() *json.Encoder {
	encoder := json.NewEncoder(escaper{p.stdout})
	encoder.SetEscapeHTML(false)
	return encoder
}

// writeJSON writes one document for people and programs.
func (p *program) writeJSON(value any) error {
	encoder := p.encoder()
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}

// writeText writes a result to standard output.
func (p *program) writeText(text string) error {
	_, err := io.WriteString(p.stdout, text)
	return err
}

// timeText writes a time for a reader, in the local time zone.
func timeText(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05") }

// seconds writes how long something took, in three digits or so.
func seconds(s float64) string {
	d := time.Duration(s * float64(time.Second))
	switch {
	case d >= time.Minute:
		return d.Round(time.Second).String()
	case d >= time.Second:
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(time.Millisecond).String()
}

// some writes a number of bytes, and nothing of none.
func some(bytes int64) string {
	if bytes <= 0 {
		return "-"
	}
	return bytesText(uint64(bytes))
}

// rate writes a number of messages each second.
func rate(perSecond float64) string {
	if perSecond < 100 {
		return fmt.Sprintf("%.1f", perSecond)
	}
	return fmt.Sprintf("%.0f", perSecond)
}
