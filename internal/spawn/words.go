package spawn

import (
	"bytes"
	"strings"
	"unicode"

	"github.com/airhost/airhost/core"
)

const (
	// maxWords bounds the last words that are kept of a plug-in's standard error,
	// and separately the report of a crash, in bytes.
	maxWords = core.MaxDetails
	// maxReason bounds the line with the reason of a plug-in's end, in bytes.
	maxReason = 512
)

// words keeps the last words of a plug-in's standard error. Only one goroutine at a
// time may use it.
type words struct {
	last  []byte // the last lines, and older ones
	crash []byte // the last crash report of a Go program, from its first line
}

// add adds a line, or a part of a very long one.
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

// beginsCrash reports whether line is the first line of a Go crash report. Such a
// report may be long; its beginning has the reason.
func beginsCrash(line []byte) bool {
	return bytes.HasPrefix(line, []byte("panic: ")) || bytes.HasPrefix(line, []byte("fatal error: ")) ||
		bytes.HasPrefix(line, []byte("SIG")) && bytes.Contains(line, []byte(": "))
}

// of returns the line with the reason of the plug-in's end and the lines around it,
// or empty texts. crashed says that the exit status is that of a Go crash.
func (w *words) of(crashed bool) (reason, details string) {
	text := w.last[max(0, len(w.last)-maxWords):]
	if len(text) < len(w.last) {
		text = text[bytes.IndexByte(text, '\n')+1:] // drop the cut line
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

// lastTelling returns the last line that is not part of a stack trace or of a
// runtime's trailer. If there is none, it returns the last line with a letter.
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

// isTrailer reports whether a line comes after the line with the reason: it is
// indented, as in a stack trace, or one of the last lines of Node.js or Rust.
func isTrailer(line string) bool {
	return strings.TrimLeft(line, " \t") != line || strings.HasPrefix(line, "Node.js v") ||
		strings.HasPrefix(line, "note: run with `RUST_BACKTRACE") || strings.HasPrefix(line, "stack backtrace:")
}

func valid(text string) string { return strings.ToValidUTF8(text, "\uFFFD") }
