package core_test

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/airhost/airhost/core"
)

func TestCutText(t *testing.T) {
	long := strings.Repeat("x", 1000)
	for _, c := range []struct {
		text string
		most int
		want string
	}{
		{"", 0, ""},
		{"abc", 3, "abc"},
		{"abc", 2, "ab"},
		{"abc", 0, ""},
		{"abc", -1, ""},
		{"aé", 2, "a"}, // not in the middle of a character
		{"日本", 5, "日"},
		{long, 1000, long},
		{long, 999, long[:999-36] + "… (37 bytes more)"},
		{long, 36, long[:36]},
		{long, 37, "x… (999 bytes more)"},
		{strings.Repeat("日", 30), 45, "日日日… (81 bytes more)"},
		{strings.Repeat("\x80", 50), 40, "\x80… (49 bytes more)"}, // not UTF-8
	} {
		got := core.CutText(c.text, c.most)
		if got != c.want || core.CutText([]byte(c.text), c.most) != got {
			t.Errorf("%.40q of %d bytes, cut to %d: got %q, want %q", c.text, len(c.text), c.most, got, c.want)
		}
	}
}

func FuzzCutText(f *testing.F) {
	f.Add("some text", 5)
	f.Add(strings.Repeat("日本", 40), 50)
	f.Fuzz(func(t *testing.T, text string, most int) {
		got := core.CutText(text, most)
		switch {
		case len(text) <= most:
			if got != text {
				t.Errorf("a short text: got %q, want %q", got, text)
			}
		case len(got) > max(most, 0):
			t.Errorf("got %d bytes, want at most %d", len(got), most)
		case utf8.ValidString(text) && !utf8.ValidString(got):
			t.Errorf("a valid text became %q", got)
		case !strings.HasPrefix(text, strings.Split(got, "… (")[0]) && !strings.Contains(text, "… ("):
			t.Errorf("%q is no beginning of %q", got, text)
		}
		if cut := strings.LastIndex(got, "… ("); len(text) > most && cut >= 0 && !strings.Contains(text, "… (") {
			if want := fmt.Sprintf("… (%d bytes more)", len(text)-cut); got[cut:] != want {
				t.Errorf("the mark is %q, want %q", got[cut:], want)
			}
		}
	})
}
