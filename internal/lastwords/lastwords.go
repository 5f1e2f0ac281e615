// Package lastwords keeps the last lines of a guest's or plug-in's standard error,
// for the report of its end.
package lastwords

import (
	"bytes"
	"strings"

	"github.com/airhost/airhost/core"
)

// Lines is the most lines that are kept. Together they have at most [core.MaxStderr]
// bytes.
const Lines = 4

// Words holds the last lines that were added. After a line that begins a panic
// message it holds the first lines of that message instead, since a long stack trace
// follows the reason. The zero value is ready to use.
type Words struct {
	text   []byte // the lines, each with its line feed
	lines  int
	reason bool // text begins with a panic message
}

// Add adds a copy of a line, given without its line feed.
func (w *Words) Add(line []byte) {
	line = line[:min(len(line), core.MaxStderr-1)]
	switch {
	case isReason(line):
		w.Reset()
		w.reason = true
	case w.reason && (w.lines == Lines || len(w.text)+len(line) >= core.MaxStderr):
		w.lines = Lines // drop all later lines too
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

// isReason reports whether a line begins a panic message of Go or Rust, or tells what the
// JavaScript of componentize-js threw that is no error of the contract.
func isReason(line []byte) bool {
	return bytes.HasPrefix(line, []byte("panic: ")) || bytes.HasPrefix(line, []byte("fatal error: ")) ||
		bytes.HasPrefix(line, []byte("invalid variant tag value `")) ||
		bytes.HasPrefix(line, []byte("thread ")) && bytes.Contains(line, []byte(" panicked at "))
}

// Reset drops the lines.
func (w *Words) Reset() { w.text, w.lines, w.reason = w.text[:0], 0, false }

// Empty reports whether there are no lines.
func (w *Words) Empty() bool { return w.lines == 0 }

// String returns the lines as valid UTF-8, at most [core.MaxStderr] bytes.
func (w *Words) String() string {
	text := strings.TrimRight(strings.ToValidUTF8(string(w.text), "?"), "\r\n")
	return core.CutText(text, core.MaxStderr)
}

// Reason returns the line with the reason of a panic, or "". For Rust it joins the
// line with the place of the panic and the next one, which has the reason.
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
