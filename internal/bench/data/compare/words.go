package compare

import (
	"fmt"
	"strings"
)

// Headline says in a few words how many cells have changed.
func (c *Comparison) Headline() string {
	count := make(map[Verdict]int)
	for _, cell := range c.Cells {
		count[cell.Verdict]++
	}
	var parts []string
	for _, part := range []struct {
		verdict Verdict
		word    string
	}{{Worse, "worse"}, {Better, "better"}, {Undecided, "undecided"}} {
		if n := count[part.verdict]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, part.word))
		}
	}
	if len(parts) == 0 {
		return "no change found in " + CellCount(len(c.Cells))
	}
	return strings.Join(parts, ", ") + " of " + CellCount(len(c.Cells))
}

// CellCount is a number of cells in words.
func CellCount(n int) string {
	if n == 1 {
		return "1 cell"
	}
	return fmt.Sprintf("%d cells", n)
}

// Percent prints a change, and 0 without a sign.
func Percent(share float64) string {
	text := fmt.Sprintf("%+.1f %%", 100*share)
	if text == "+0.0 %" || text == "-0.0 %" {
		return text[1:]
	}
	return text
}

// Chance prints a p-value.
func Chance(p float64) string {
	if p < 0.001 {
		return "<0.001"
	}
	return fmt.Sprintf("%.3f", p)
}
