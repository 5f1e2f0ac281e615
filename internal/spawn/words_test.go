package spawn

import (
	"strings"
	"testing"

	"github.com/airhost/airhost/core"
)

const crashInGo = `panic: boom

goroutine 1 [running]:
main.main()
	/src/main.go:7 +0x25`

func TestWords(t *testing.T) {
	long := strings.Repeat("x", 3*maxReason)
	for name, c := range map[string]struct {
		text    string
		crashed bool
		reason  string
		details string // part of the details
	}{
		"nothing":            {"", false, "", ""},
		"one line":           {"no such disk", false, "no such disk", "no such disk"},
		"blank lines":        {"no such disk\n\n  \n", false, "no such disk", ""},
		"Go":                 {crashInGo, true, "panic: boom", "main.go:7"},
		"Go, many lines":     {crashInGo + strings.Repeat("\nmain.f(0x1)", 10_000), true, "panic: boom", "main.go:7"},
		"Go, two panics":     {"panic: first\n\n" + crashInGo, true, "panic: boom", "main.go:7"},
		"Go, a fatal error":  {"fatal error: all goroutines are asleep - deadlock!\n\ngoroutine 1 [select (no cases)]:", true, "fatal error: all goroutines are asleep - deadlock!", "select"},
		"Go, a signal":       {"SIGQUIT: quit\nPC=0x1", true, "SIGQUIT: quit", "PC="},
		"a word of a panic":  {"panic: recovered\nno such disk", false, "no such disk", "recovered"},
		"crash without text": {"no such disk", true, "no such disk", ""},
		"Python":             {"Traceback (most recent call last):\n  File \"x.py\", line 1, in <module>\nValueError: boom", false, "ValueError: boom", "Traceback"},
		"Node.js":            {"x.js:1\nthrow new Error('boom')\n^\n\nError: boom\n    at x.js:1:7\n\nNode.js v20.1.0", false, "Error: boom", "x.js:1:7"},
		"Rust":               {"thread 'main' panicked at src/main.rs:2:5:\nboom\nnote: run with `RUST_BACKTRACE=1` environment variable to display a backtrace", false, "boom", "main.rs:2:5"},
		"Java":               {"Exception in thread \"main\" java.lang.Error: boom\n\tat X.main(X.java:3)", false, `Exception in thread "main" java.lang.Error: boom`, "X.java:3"},
		"trailers alone":     {"  indented", false, "indented", ""},
		"a long line":        {long, false, core.CutText(long, maxReason), "xxx"},
		"no UTF-8":           {"bad \xff", false, "bad \uFFFD", "bad"},
		"many lines":         {strings.Repeat("again\n", 100_000) + "the end", false, "the end", "again"},
	} {
		t.Run(name, func(t *testing.T) {
			var w words
			for line := range strings.SplitSeq(c.text, "\n") {
				w.add([]byte(line))
			}
			reason, details := w.of(c.crashed)
			if reason != c.reason || !strings.Contains(details, c.details) || len(details) > maxWords {
				t.Errorf("got %q and details %q, want %q and details with %q", reason, details, c.reason, c.details)
			}
			if kept := cap(w.last) + cap(w.crash); kept > 32*maxWords {
				t.Errorf("%d bytes are kept", kept)
			}
		})
	}
}
