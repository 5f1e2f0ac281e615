package output_test

import (
	"encoding/json"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/airhost/airhost/internal/bench/data/compare"
	"github.com/airhost/airhost/internal/bench/show/output"
	"github.com/airhost/airhost/internal/golden"
)

// The comparison in testdata has every kind of cell that outputs distinguish.
func TestComparisonGoldens(t *testing.T) {
	text, err := os.ReadFile("testdata/comparison.json")
	if err != nil {
		t.Fatal(err)
	}
	c := new(compare.Comparison)
	if err := json.Unmarshal(text, c); err != nil {
		t.Fatal(err)
	}
	for name, print := range map[string]func(io.Writer, *compare.Comparison) error{
		"comparison.txt": output.Comparison, "comparison.md": output.ComparisonMarkdown,
	} {
		var got strings.Builder
		if err := print(&got, c); err != nil {
			t.Fatal(err)
		}
		golden.Check(t, name, got.String())
	}
}
