package output

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// footnotes numbers texts. Texts that differ in their numbers only share a note,
// which gives the range of each number. The results' JSON has the numbers of each
// cell.
type footnotes struct{ notes []note }

// note is a text without its numbers: words has one more element than numbers.
type note struct {
	words   []string
	numbers []span
}

// span is the range of a number, as it is written in the texts.
type span struct{ low, high string }

var numeral = regexp.MustCompile(`[+-]?\d+(\.\d+)?`)

func parseNote(text string) note {
	n := note{words: numeral.Split(text, -1)}
	for _, number := range numeral.FindAllString(text, -1) {
		n.numbers = append(n.numbers, span{number, number})
	}
	return n
}

// add returns the marks of the texts, such as "[1] [3]".
func (f *footnotes) add(texts []string) string {
	var marks []string
	for _, text := range texts {
		marks = append(marks, fmt.Sprintf("[%d]", f.number(parseNote(text))))
	}
	return strings.Join(marks, " ")
}

func (f *footnotes) number(n note) int {
	kind := strings.Join(n.words, "#")
	for i, known := range f.notes {
		if strings.Join(known.words, "#") == kind {
			known.widen(n)
			return i + 1
		}
	}
	f.notes = append(f.notes, n)
	return len(f.notes)
}

// widen makes n's ranges cover those of another note with the same words.
func (n note) widen(other note) {
	for i, s := range other.numbers {
		if value(s.low) < value(n.numbers[i].low) {
			n.numbers[i].low = s.low
		}
		if value(s.high) > value(n.numbers[i].high) {
			n.numbers[i].high = s.high
		}
	}
}

func value(number string) float64 {
	v, _ := strconv.ParseFloat(number, 64) // the pattern lets nothing else through
	return v
}

func (n note) String() string {
	text := n.words[0]
	for i, s := range n.numbers {
		text += s.String() + n.words[i+1]
	}
	return text
}

func (s span) String() string {
	switch {
	case s.low == s.high:
		return s.low
	case strings.ContainsAny(s.low[:1]+s.high[:1], "+-"):
		return s.low + " to " + s.high // a dash would read as another sign
	}
	return s.low + "–" + s.high
}

func (f *footnotes) print(text *strings.Builder) {
	if len(f.notes) > 0 {
		text.WriteByte('\n')
	}
	for i, note := range f.notes {
		fmt.Fprintf(text, "[%d] %s\n", i+1, note)
	}
}

// Kinds returns texts without repetition: texts that differ in their numbers only
// become one, which gives the range of each number.
func Kinds(texts []string) []string {
	var notes footnotes
	notes.add(texts)
	var kinds []string
	for _, note := range notes.notes {
		kinds = append(kinds, note.String())
	}
	return kinds
}
