package config_test

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/airhost/airhost/internal/config"
)

// TestStructureIsBounded reads small files that are made to take much memory or time. It
// bounds the sum of their allocations.
func TestStructureIsBounded(t *testing.T) {
	keys := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "    k%d: 1\n", i)
		}
		return b.String()
	}
	pairs := "x: &a\n" + keys(4000) + "components:\n" + strings.Repeat("  - {id: a/b, source: x, config: *a}\n", 900)
	for name, c := range map[string]struct{ text, want string }{
		"lists":              {"components: " + strings.Repeat("[", 200_000), "1:44: nested too deep: more than 32"},
		"lists in lists":     {"components: " + strings.Repeat("[", 34), "1:44: nested too deep: more than 32"},
		"mappings":           {strings.Repeat("{a: ", 40_000), "nested too deep"},
		"dashes":             {"components: \n  " + strings.Repeat("- ", 40_000), "2:65: nested too deep"},
		"questions":          {strings.Repeat("a: ", 10_000), "nested too deep"},
		"indentation":        {indented(100), "33:34: nested too deep"},
		"a long list":        {"[" + strings.Repeat("a,", 60_000), "1:50001: the file has more than 50000 words and signs"},
		"signs":              {strings.Repeat("# -\n", 200_000), "133334:3: the file has more than 400000 signs"},
		"many keys":          {keys(16_000), "these are 100 mistakes, what follows was not looked at"},
		"tabs":               {strings.Repeat("\ta: b\n", 10_000), "these are 100 mistakes"},
		"a laugh of aliases": {pairs, "have more than 200000 values"},
		"aliases":            {"a: &a b\nx: [" + strings.Repeat("*a, ", 1001) + "]", "more than 1000 aliases"},
		"a long key":         {strings.Repeat("x", 1_000_000) + ": 1\n", "unknown key"},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := config.Decode("f.yaml", []byte(c.text), built)
		runtime.ReadMemStats(&after)
		var mistakes config.Mistakes
		if !errors.As(err, &mistakes) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %.300v, want %s", name, err, c.want)
		}
		if allocated := after.TotalAlloc - before.TotalAlloc; allocated > 2<<30 || len(err.Error()) > 200<<10 {
			t.Errorf("%s: %d MiB were allocated, the error has %d bytes", name, allocated>>20, len(err.Error()))
		}
	}
}

func indented(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	return b.String()
}
