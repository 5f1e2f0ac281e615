package output

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/airhost/airhost/internal/bench/data/cells"
	"github.com/airhost/airhost/internal/bench/data/result"
)

// GoalKinds are the kinds of targets, by their units, in words.
var GoalKinds = []struct{ Unit, Name string }{
	{cells.UnitNanoseconds, "nanoseconds"},
	{cells.UnitMultiple, "multiples of the floor"},
}

// Word is the verdict in a word.
func Word(v result.Verdict) string {
	switch v {
	case result.Met:
		return "met"
	case result.Missed:
		return "missed"
	case result.Undecided:
		return "undecided"
	}
	return ""
}

// Aim prints a target, such as "280 ns" or "1.2 × floor".
func Aim(g result.Goal) string {
	if g.Unit == cells.UnitMultiple {
		return strconv.FormatFloat(g.Target, 'g', 3, 64) + " " + g.Unit
	}
	return Figure(g.Target, g.Unit)
}

// Off is the distance of the median from the target as a share of the target, such as
// "7.4 % below".
func Off(g result.Goal) string {
	share, side := 100*(g.Median/g.Target-1), "above"
	if share < 0 {
		share, side = -share, "below"
	}
	if share < 9.95 {
		return fmt.Sprintf("%.1f %% %s", share, side)
	}
	return fmt.Sprintf("%.0f %% %s", share, side)
}

// Multiple prints a factor, such as "2.78 ×".
func Multiple(x float64) string { return digits(x) + " ×" }

// Headline is the number of targets of each kind that are met, in a few words, or ""
// where there are none.
func Headline(all []result.Cell) string {
	var parts []string
	for _, kind := range GoalKinds {
		if text := kindLine(all, kind.Unit, kind.Name); text != "" {
			parts = append(parts, text)
		}
	}
	return strings.Join(parts, "; ")
}

func kindLine(all []result.Cell, unit, name string) string {
	count := make(map[result.Verdict]int)
	targets := 0
	for _, c := range all {
		for _, g := range c.Goals() {
			if g.Unit == unit {
				count[g.Within]++
				targets++
			}
		}
	}
	if targets == 0 {
		return ""
	}
	plural := "s"
	if targets == 1 {
		plural = ""
	}
	text := fmt.Sprintf("%d of %d target%s in %s met", count[result.Met], targets, plural, name)
	for _, v := range []result.Verdict{result.Missed, result.Undecided} {
		if count[v] > 0 {
			text += fmt.Sprintf(", %d %s", count[v], Word(v))
		}
	}
	return text
}
