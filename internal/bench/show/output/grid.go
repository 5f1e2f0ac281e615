package output

import (
	"strings"
	"unicode/utf8"
)

type column struct {
	name  string
	right bool
}

// grid is rows under a header.
type grid struct {
	header []column
	rows   [][]field
}

// field is a text, and the style that a terminal shows it in.
type field struct {
	text  string
	style style
}

// style is a way to show text on a terminal: an ANSI code, or "".
type style string

const (
	ordinary style = ""
	bold     style = "1"
	dim      style = "2"
	red      style = "31"
	green    style = "32"
	yellow   style = "33"
)

// on returns the text in the style, if there are colours.
func (s style) on(text string, colours bool) string {
	if !colours || s == ordinary || text == "" {
		return text
	}
	return "\x1b[" + string(s) + "m" + text + "\x1b[0m"
}

func texts(all ...string) []field {
	fields := make([]field, len(all))
	for i, text := range all {
		fields[i].text = text
	}
	return fields
}

// print aligns the rows under the header.
func (g grid) print(text *strings.Builder, colours bool) {
	lines := append([][]field{g.names()}, g.rows...)
	widths := make([]int, len(g.header))
	for _, line := range lines {
		for i, f := range line {
			widths[i] = max(widths[i], utf8.RuneCountInString(f.text))
		}
	}
	for _, line := range lines {
		var padded strings.Builder
		for i, f := range line {
			if i > 0 {
				padded.WriteString("  ")
			}
			blanks := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(f.text))
			if g.header[i].right {
				padded.WriteString(blanks + f.style.on(f.text, colours))
			} else {
				padded.WriteString(f.style.on(f.text, colours) + blanks)
			}
		}
		text.WriteString(strings.TrimRight(padded.String(), " ") + "\n")
	}
}

func (g grid) names() []field {
	names := make([]field, len(g.header))
	for i, column := range g.header {
		names[i] = field{column.name, bold}
	}
	return names
}

// markdown prints the rows as a Markdown table.
func (g grid) markdown(text *strings.Builder) {
	rules := make([]field, len(g.header))
	for i, column := range g.header {
		rules[i].text = ":--"
		if column.right {
			rules[i].text = "--:"
		}
	}
	for _, line := range append([][]field{g.names(), rules}, g.rows...) {
		for _, f := range line {
			text.WriteString("| " + escape(f.text) + " ")
		}
		text.WriteString("|\n")
	}
}

// markup escapes the characters that Markdown reads as its own.
var markup = strings.NewReplacer(`\`, `\\`, "|", `\|`, "<", "&lt;", "*", `\*`, "_", `\_`, "`", "\\`", "[", `\[`)

func escape(text string) string { return markup.Replace(text) }
