package metertest

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

var reportEngines = []string{"compiler", "compiler, without fuel", "wasmtime", "interpreter"}

// writeReport writes the measurements to docs/costs.md.
func writeReport(t *testing.T, rows map[string]costRow) {
	t.Helper()
	var b bytes.Buffer
	fmt.Fprintf(&b, `# What fuel costs

Fuel bounds time only if no code takes much longer for its fuel than other code. So each
instruction and each shape of code (branches, calls and exceptions that carry values, bulk
operations of all sizes) was run straight, in a function that is called, and alone in a
loop, and its processor time was divided by its fuel. The host looks at a guest every
%d fuel at the latest, in the interpreter 6,024: a slice, and straight code without a
test. The last column says how long that takes on the slowest engine;
a test fails if it is more than 1,000 µs with the weights in [fuel.md](fuel.md).

    go test ./internal/meter/metertest -run TestCosts -args -measure

`, looksApart)
	reportTable(&b, "Instructions, the 25 dearest", rows, func(name string) bool { return rows[name].Statement }, 25)
	reportTable(&b, "Shapes, the 40 dearest", rows, func(name string) bool { return !rows[name].Statement }, 40)
	if err := os.WriteFile("../../../docs/costs.md", b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// reportTable writes the wanted rows, the dearest first.
func reportTable(b *bytes.Buffer, title string, rows map[string]costRow, want func(string) bool, most int) {
	names := slices.Collect(maps.Keys(rows))
	names = slices.DeleteFunc(names, func(name string) bool { return !want(name) })
	apart := func(name string) float64 {
		_, ns := rows[name].dearest(rows[name].Fuel)
		return ns / 1000
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(cmp.Compare(apart(b), apart(a)), strings.Compare(a, b)) })
	fmt.Fprintf(b, "## %s of %d\n\n| | fuel | %s | µs between looks |\n|---|---|%s---|\n", title, len(names),
		strings.Join(reportEngines, " | "), strings.Repeat("---|", len(reportEngines)))
	for _, name := range names[:min(most, len(names))] {
		fmt.Fprintf(b, "| %s | %d |", name, rows[name].Fuel)
		for _, e := range reportEngines {
			if ns, ok := rows[name].PerNS[e]; ok {
				fmt.Fprintf(b, " %.2f ns |", ns)
			} else {
				b.WriteString(" – |")
			}
		}
		fmt.Fprintf(b, " %.0f |\n", apart(name))
	}
	b.WriteString("\n")
}
