package spawn

import (
	"bytes"
	"strings"
	"unicode"

	"github.com/airhost/airhost/core"
)

const (
	// maxWords is how much is kept of the end of a plug-in's standard error, and as
	// much again of the report of a crash, in bytes.
	maxWords = core.MaxDetails
	// maxReason bounds the line that says why a plug-in ended, in bytes.
	maxReason = 512
)

// words are what a plug-in has said last on its standard error. One goroutine at a
// time uses them.
type words struct {
	last  []byte // lines, of which the end counts
	crash []byte // the last report of a crash in Go, from its first line on
}

// add takes a line, or a part of one that is very long.
func (w *words) add(line []byte) {
	begins := beginsCrash(line)
	if begins {
		w.crash = w.crash[:0]
	}
	if begins || len(w.crash) > 0 && len(w.crash) < maxWords {
		w.crash = appendLine(w.crash, line)
	}
	w.last = appendLine(w.last, line)
	if len(w.last) > 4*maxWords {
		w.last = append(w.last[:0], w.last[len(w.last)-maxWords:]...)
	}
}

func appendLine(text, line []byte) []byte { return append(append(text, line...), '\n') }

// beginsCrash reports whether Go's runtime begins its report of a crash with line.
// The report of all goroutines may be long: what counts of it is the beginning.
func beginsCrash(line []byte) bool {
	return bytes.HasPrefix(line, []byte("panic: ")) || bytes.HasPrefix(line, []byte("fatal error: ")) ||
		bytes.HasPrefix(line, []byte("SIG")) && bytes.Contains(line, []byte(": "))
}

// of returns the line that says why the plug-in ended, and the lines about it, or
// empty texts. crashed says that its status is that of a crash in Go.
func (w *words) of(crashed bool) (reason, details string) {
	text := w.last[max(0, len(w.last)-maxWords):]
	if len(text) < len(w.last) {
		text = text[bytes.IndexByte(text, '\n')+1:] // whole lines
	}
	if crashed && len(w.crash) > 0 {
		text = w.crash[:min(len(w.crash), maxWords)]
		reason, _, _ = strings.Cut(string(text), "\n")
	} else {
		reason = lastTelling(string(text))
	}
	reason = strings.ReplaceAll(strings.TrimSpace(reason), "\r", " ")
	return valid(core.CutText(reason, maxReason)), valid(strings.TrimSpace(string(text)))
}

// lastTelling returns the last line that is no part of a stack trace or what a
// runtime adds below it, or the last that says anything.
func lastTelling(text string) string {
	lines := strings.Split(text, "\n")
	last := ""
	for i := len(lines) - 1; i >= 0; i-- {
		line := lines[i]
		if !strings.ContainsFunc(line, unicode.IsLetter) {
			continue
		}
		if last == "" {
			last = line
		}
		if !isTrailer(line) {
			return line
		}
	}
	return last
}

// isTrailer reports whether a line belongs below the one that says what happened:
// it is indented, as stack traces are, or what Node.js and Rust end with.
func isTrailer(line string) bool {
	return strings.TrimLeft(line, " \t") != line || strings.HasPrefix(line, "Node.js v") ||
		strings.HasPrefix(line, "note: run with `RUST_BACKTRACE") || strings.HasPrefix(line, "stack backtrace:")
}

func valid(text string) string { return strings.ToValidUTF8(text, "\uFFFD") }
