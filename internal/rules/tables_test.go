package rules

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	tableHead = regexp.MustCompile(`^\|[ :|-]+\|$`)
	cellEnd   = regexp.MustCompile(`(?:^|[^\\])\|`)
)

// TestTablesAreWhole: each table of a document is shown as one.
func TestTablesAreWhole(t *testing.T) {
	for _, doc := range written(t, "*.md") {
		for _, broken := range brokenTables(string(contents(t, doc))) {
			t.Errorf("%s: %s", doc, broken)
		}
	}
}

// brokenTables returns the rows that stand alone, and those with more or fewer cells than the
// row above.
func brokenTables(text string) (broken []string) {
	text = fencePattern.ReplaceAllString(text, "")
	above := 0 // how many rows
	var cells int
	lines := append(strings.Split(text, "\n"), "")
	for i, line := range lines {
		if !strings.HasPrefix(line, "|") {
			above = 0
			continue
		}
		n := len(cellEnd.FindAllString(line, -1))
		switch {
		case above == 0 && !tableHead.MatchString(lines[i+1]):
			broken = append(broken, fmt.Sprintf("no table has the row %q", line))
		case above > 0 && n != cells:
			broken = append(broken, fmt.Sprintf("%d cells, want %d, in %q", n-1, cells-1, line))
		}
		cells = n
		above++
	}
	return broken
}

func TestBrokenTables(t *testing.T) {
	const head = "| a | b |\n|---|:-:|\n"
	for text, want := range map[string][]string{
		head + "| 1 | `x \\| y` |\n\ntext\n\n" + head: nil,
		"```\n| 1 |\n```\n":                           nil,
		head + "| 1 | 2 |\n\n| 3 | 4 |":               {`no table has the row "| 3 | 4 |"`},
		head + "| 1 |\n":                              {`1 cells, want 2, in "| 1 |"`},
	} {
		if got := brokenTables(text); !slices.Equal(got, want) {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}
