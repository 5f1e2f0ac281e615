// Package lastwords keeps what a guest or a plug-in has written to its standard error
// last, so that its end can be told with it.
package lastwords

import (
	"bytes"
	"strings"

	"github.com/airhost/airhost/core"
)

// Lines is how many lines are kept; they have [core.MaxStderr] bytes at most.
const Lines = 4

// Words are the last lines that were added. Where a program has begun to say why it
// ends, they are the first of these lines instead: a stack trace comes after its
// reason, and is longer. The zero value is ready to use.
type Words struct {
	text   []byte // the lines, each with its end
	lines  int
	reason bool // text begins with why the program ends
}

// Add adds a line, without its end. It is not kept, but copied.
func (w *Words) Add(line []byte) {
	line = line[:min(len(line), core.MaxStderr-1)]
	switch {
	case isReason(line):
		w.Reset()
		w.reason = true
	case w.reason && (w.lines == Lines || len(w.text)+len(line) >= core.MaxStderr):
		w.lines = Lines // what follows has no place either
		return
	}
	w.text = append(append(w.text, line...), '\n')
	w.lines++
	for w.lines > Lines || len(w.text) > core.MaxStderr {
		_, rest, _ := bytes.Cut(w.text, []byte{'\n'})
		w.text = append(w.text[:0], rest...)
		w.lines--
	}
}

// isReason reports whether programs in Go or Rust begin so to say why they end.
func isReason(line []byte) bool {
	return bytes.HasPrefix(line, []byte("panic: ")) || bytes.HasPrefix(line, []byte("fatal error: ")) ||
		bytes.HasPrefix(line, []byte("thread ")) && bytes.Contains(line, []byte(" panicked at "))
}

// Reset forgets the lines.
func (w *Words) Reset() { w.text, w.lines, w.reason = w.text[:0], 0, false }

// Empty reports whether there is no line.
func (w *Words) Empty() bool { return w.lines == 0 }

// String returns the lines. It is UTF-8, of [core.MaxStderr] bytes at most.
func (w *Words) String() string {
	text := strings.TrimRight(strings.ToValidUTF8(string(w.text), "?"), "\r\n")
	return core.CutText(text, core.MaxStderr)
}

// Reason returns the line that says why the program ends, or "". Of Rust it is the
// line after the one that says where.
func (w *Words) Reason() string {
	if !w.reason {
		return ""
	}
	first, rest, _ := strings.Cut(w.String(), "\n")
	if second, _, _ := strings.Cut(rest, "\n"); strings.HasSuffix(first, ":") && second != "" {
		return first + " " + second
	}
	return first
}
