package lastwords_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/lastwords"
)

func said(lines string) *lastwords.Words {
	var w lastwords.Words
	for line := range strings.SplitSeq(lines, "|") {
		w.Add([]byte(line))
	}
	return &w
}

func TestWords(t *testing.T) {
	for _, c := range []struct{ lines, want, reason string }{
		{"one", "one", ""},
		{"1|2|3|4|5|6", "3\n4\n5\n6", ""},
		{"1|2|panic: boom||goroutine 1 [running]:|main.main()|\tmain.go:7", "panic: boom\n\ngoroutine 1 [running]:\nmain.main()", "panic: boom"},
		{"panic: first|panic: second|a|b|c|d", "panic: second\na\nb\nc", "panic: second"},
		{"thread 'main' panicked at src/lib.rs:3:5:|boom|note: run", "thread 'main' panicked at src/lib.rs:3:5:\nboom\nnote: run", "thread 'main' panicked at src/lib.rs:3:5: boom"},
		{"fatal error: out of memory", "fatal error: out of memory", "fatal error: out of memory"},
		{"x|invalid variant tag value `undefined` (received `Error: boom`)|Stack:|  f@a.js:1:2|mozalloc_abort",
			"invalid variant tag value `undefined` (received `Error: boom`)\nStack:\n  f@a.js:1:2\nmozalloc_abort",
			"invalid variant tag value `undefined` (received `Error: boom`)"},
		{"no panic: here", "no panic: here", ""},
		{"bad \xff", "bad ?", ""},
	} {
		w := said(c.lines)
		if w.String() != c.want || w.Reason() != c.reason {
			t.Errorf("%q: got %q, because of %q; want %q and %q", c.lines, w, w.Reason(), c.want, c.reason)
		}
	}
}

func TestWordsAreBound(t *testing.T) {
	long := strings.Repeat("ä\xff", 700)
	for _, lines := range []string{long, long + "|" + long, "panic: " + long + "|x", "panic: x|" + long, "short|" + long} {
		w := said(lines)
		if text := w.String(); len(text) > core.MaxStderr || text == "" || !utf8.ValidString(text) {
			t.Errorf("%.20q…: got %d bytes, want some and at most %d, in UTF-8", lines, len(text), core.MaxStderr)
		}
	}
	w := said("panic: x|" + long + "|y")
	if w.String() != "panic: x" {
		t.Errorf("got %q, want nothing after what had no place", w)
	}
	if w.Reset(); !w.Empty() || w.String() != "" || w.Reason() != "" {
		t.Errorf("after Reset: got %q", w)
	}
}
