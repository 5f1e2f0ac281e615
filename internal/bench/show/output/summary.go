package output

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/airhost/airhost/internal/bench/data/cells"
	"github.com/airhost/airhost/internal/bench/data/result"
)

// printSummary prints the number of targets that are met, the targets that are not,
// and the fastest back end for each workload.
func printSummary(text *strings.Builder, all []result.Cell, colours bool) {
	lines := append(exceptions(all, colours), fastest(all)...)
	if headline := Headline(all); headline != "" {
		lines = append([]string{bold.on(headline, colours)}, lines...)
	}
	if len(lines) > 0 {
		text.WriteString("\n" + strings.Join(lines, "\n") + "\n")
	}
}

// exceptions has a line for each target that is not met.
func exceptions(all []result.Cell, colours bool) []string {
	var lines []string
	for _, c := range all {
		for _, g := range c.Goals() {
			if g.Within != result.Met {
				word := verdictStyles[g.Within].on(Word(g.Within), colours)
				lines = append(lines, fmt.Sprintf("  %s: %s, %s: %s %s", word, c.Key, Figure(g.Median, g.Unit), Off(g), Aim(g)))
			}
		}
	}
	return lines
}

// fastest has a line for each workload of the latency mode that was measured with
// more than one back end, other projects aside.
func fastest(all []result.Cell) []string {
	var lines []string
	var seen []cells.Key
	latency := slices.DeleteFunc(measured(all, cells.Latency), func(c result.Cell) bool { return c.Peer })
	for _, c := range latency {
		if workload := workloadOf(c); !slices.Contains(seen, workload) {
			seen = append(seen, workload)
			same := slices.DeleteFunc(slices.Clone(latency), func(other result.Cell) bool { return workloadOf(other) != workload })
			if len(same) > 1 {
				lines = append(lines, fastestLine(same))
			}
		}
	}
	return lines
}

// workloadOf is the cell's key without its back end.
func workloadOf(c result.Cell) cells.Key {
	k := c.Key
	k.Engine, k.Broker, k.Tracker = "", "", ""
	return k
}

// fastestLine names the fastest of at least two cells of one workload: the one whose
// interval lies below all others, if there is one.
func fastestLine(all []result.Cell) string {
	slices.SortStableFunc(all, func(a, b result.Cell) int { return cmp.Compare(a.Median, b.Median) })
	first, second := all[0], all[1]
	var nearest []string // the first, and those whose intervals overlap with its own
	for _, c := range all {
		if c.CI95Low <= first.CI95High {
			nearest = append(nearest, backEndName(c))
		}
	}
	what := Workload(first.Key) + ", " + Size(first.PayloadBytes)
	if len(nearest) > 1 {
		return fmt.Sprintf("%s: %s: no difference found", what, strings.Join(nearest, " or "))
	}
	return fmt.Sprintf("%s: %s is the fastest, %.2f times as fast as %s, the next (%.2f to %.2f)", what, backEndName(first),
		second.Median/first.Median, backEndName(second), second.CI95Low/first.CI95High, second.CI95High/first.CI95Low)
}

func backEndName(c result.Cell) string {
	return c.Engine + "/" + c.Broker + "/" + c.Tracker
}
