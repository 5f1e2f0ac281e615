package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Mistake is one thing that is wrong with a configuration file.
type Mistake struct {
	File string
	// Line and Column count from 1, columns in characters. Line is 0 for a mistake of
	// the whole file.
	Line, Column int
	// Path is the key or value, such as "components[1].limits.memory"; empty if the
	// mistake is about no single key.
	Path string
	// Text names the mistake, the expected value, and the nearest valid word.
	Text string
	// Excerpt is the line of the file and below it a caret; empty without Line. The values of
	// config, env and secrets are stars in it, and names and passwords in addresses.
	Excerpt string

	order int // of the file
}

// Error returns the place and the text in one line, and the excerpt below it.
func (m *Mistake) Error() string {
	text := m.Summary()
	if m.Excerpt != "" {
		text += "\n" + m.Excerpt
	}
	return text
}

// Summary returns the first line of Error.
func (m *Mistake) Summary() string {
	var b strings.Builder
	b.WriteString(m.File)
	if m.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", m.Line, m.Column)
	}
	for _, part := range []string{m.Path, m.Text} {
		if part != "" {
			b.WriteString(": " + part)
		}
	}
	return printable(b.String())
}

// maxPart is how many characters a path or text has at most: a key of the file may
// have a megabyte.
const maxPart = 1000

// newMistake returns a mistake at a place of a file.
func newMistake(file *text, at place, path, text string) *Mistake {
	m := &Mistake{File: file.name, Line: at.line, Column: at.column, Path: clipTo(path, maxPart), Text: clipTo(text, maxPart), order: file.order}
	m.quote(file.lines)
	return m
}

// quoteWidth is how many characters of a line an excerpt shows: a line that is
// wrapped would leave the caret in the wrong place.
const quoteWidth = 100

// quote sets the excerpt from the file's lines.
func (m *Mistake) quote(lines []string) {
	if m.Line < 1 || m.Line > len(lines) {
		return
	}
	runes := []rune(printable(strings.ReplaceAll(withoutUserInfo(maskLine(lines, m.Line-1)), "\t", "→"))) // makes tabs visible
	column := min(max(m.Column, 1), len(runes)+1)
	first := max(0, column-quoteWidth*3/4)
	last := min(len(runes), first+quoteWidth)
	caret := strings.Repeat(" ", column-1-first) + "^"
	if first > 0 {
		runes[first] = '…'
	}
	if last < len(runes) {
		runes[last-1] = '…'
	}
	m.Excerpt = fmt.Sprintf("%5d | %s\n      | %s", m.Line, string(runes[first:last]), caret)
}

// printable replaces each character that a terminal would obey by one other.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case r == utf8.RuneError, !unicode.IsPrint(r):
			return '�'
		}
		return r
	}, text)
}

// Mistakes are all mistakes of a file and of those that it includes, in the order of the files
// and their lines.
type Mistakes []*Mistake

// Sorted sorts the mistakes and returns them as an error, or nil if the list is empty.
func (m Mistakes) Sorted() error {
	if len(m) == 0 {
		return nil
	}
	slices.SortStableFunc(m, func(a, b *Mistake) int {
		return cmp.Or(cmp.Compare(a.order, b.order), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return m
}

// Error returns all mistakes, one below the other. An excerpt that several share
// is shown once, below the last of them.
func (m Mistakes) Error() string {
	texts := make([]string, len(m))
	for i, mistake := range m {
		texts[i] = mistake.Error()
		if i+1 < len(m) && mistake.Excerpt == m[i+1].Excerpt {
			texts[i] = mistake.Summary()
		}
	}
	return strings.Join(texts, "\n")
}

// Unwrap returns each mistake as an error.
func (m Mistakes) Unwrap() []error {
	errs := make([]error, len(m))
	for i, mistake := range m {
		errs[i] = mistake
	}
	return errs
}
