package compare

import (
	"fmt"
	"math"
	"slices"

	"github.com/montanaflynn/stats"

	"github.com/airhost/airhost/internal/bench/data/cells"
	"github.com/airhost/airhost/internal/bench/data/result"
	"github.com/airhost/airhost/internal/bench/data/stat"
)

// Verdict is the outcome for a cell.
type Verdict string

// The verdicts. Same says that no change was found, not that there is none: the
// interval says how large one may be. Undecided says that there is a difference which
// need not be due to the build.
const (
	Same      Verdict = "same"
	Better    Verdict = "better"
	Worse     Verdict = "worse"
	Undecided Verdict = "undecided"
)

// Cell is the comparison of one cell.
type Cell struct {
	cells.Key
	Unit string  `json:"unit"` // of Base and Head: the result's, or cells.UnitMultiple
	Base float64 `json:"base"` // median
	Head float64 `json:"head"` // median
	// Change is the share by which head differs from base: 0.1 is a tenth more. Where
	// samples are paired it is the median of the pairs' changes, and may differ from
	// the change of the medians. ChangeLow to ChangeHigh is its 95 % interval. Again is
	// the change in a second run, nil without one.
	Change     float64  `json:"change"`
	ChangeLow  float64  `json:"change_low"`
	ChangeHigh float64  `json:"change_high"`
	Again      *float64 `json:"change_again,omitempty"`
	// P is the probability of so great a difference by chance alone. PAdjusted is the
	// same, adjusted for the number of cells.
	P         float64  `json:"p"`
	PAdjusted float64  `json:"p_adjusted"`
	Verdict   Verdict  `json:"verdict"`
	Warnings  []string `json:"warnings"` // of base, of head, and of their comparison; never null

	busy  string  // the sides, "base" and "head", that were measured on a busy machine, or ""
	least float64 // the smallest p-value that so many samples can have
}

// cell compares a cell that both have figures of, all above 0 and in one unit.
func (c *Comparison) cell(base, head result.Cell) Cell {
	cell := Cell{
		Key: base.Key, Unit: base.Unit, Base: base.Median, Head: head.Median,
		Warnings: append(named("base", base.Warnings), named("head", head.Warnings)...),
		busy:     busy(base, head),
	}
	switch {
	case c.Paired:
		cell.comparePairs(base.Samples, head.Samples, c.Head.Seed)
	case base.Floor != nil && head.Floor != nil:
		cell.Unit, cell.Base, cell.Head = cells.UnitMultiple, *base.FloorMultiple, *head.FloorMultiple
		cell.compareSets(times(base.Samples, 1 / *base.Floor), times(head.Samples, 1 / *head.Floor), c.Head.Seed)
	default:
		cell.compareSets(base.Samples, head.Samples, c.Head.Seed)
	}
	if more := head.AllocsPerOp - base.AllocsPerOp; math.Abs(more) >= 0.05 {
		cell.Warnings = append(cell.Warnings, fmt.Sprintf("allocations: %.2f an operation, %+.2f", head.AllocsPerOp, more))
	}
	return cell
}

// busy names the sides that were measured on a busy machine, or is "".
func busy(base, head result.Cell) string {
	ofBase := slices.ContainsFunc(base.Warnings, result.SaysBusy)
	ofHead := slices.ContainsFunc(head.Warnings, result.SaysBusy)
	switch {
	case ofBase && ofHead:
		return "base and head were"
	case ofBase:
		return "base was"
	case ofHead:
		return "head was"
	}
	return ""
}

func named(whose string, warnings []string) []string {
	all := make([]string, 0, 2*len(warnings))
	for _, warning := range warnings {
		all = append(all, whose+": "+warning)
	}
	return all
}

func times(samples []float64, factor float64) []float64 {
	scaled := make([]float64, len(samples))
	for i, sample := range samples {
		scaled[i] = factor * sample
	}
	return scaled
}

// compareSets compares samples of two separate runs.
func (c *Cell) compareSets(base, head []float64, seed uint64) {
	c.Change = median(head)/median(base) - 1
	low, high := stat.RatioInterval(base, head, seed)
	c.ChangeLow, c.ChangeHigh = low-1, high-1
	c.P = stat.MannWhitney(base, head)
	// Any samples that do not overlap give this value.
	c.least = stat.MannWhitney(base, times(head, 2*slices.Max(base)/slices.Min(head)))
}

// comparePairs compares samples of one session. Samples with the same index are of
// the same round.
func (c *Cell) comparePairs(base, head []float64, seed uint64) {
	ratios := startRatios(base, head)
	c.Change = math.Exp(median(ratios)) - 1
	low, high := stat.MedianInterval(ratios, seed)
	c.ChangeLow, c.ChangeHigh = math.Exp(low)-1, math.Exp(high)-1
	c.P = stat.SignedRank(ratios)
	c.least = 2 * math.Pow(0.5, float64(len(ratios)))
}

// Starts is how often a session starts each of its builds anew. The place of code
// and of memory in a process changes with each start, and so becomes chance, like
// everything else. With 16 starts, p-values get down to 2^-15.
const Starts = 16

// startRatios returns, for each start of the builds, the logarithm of head divided by
// base: the median of its rounds. The rounds of one start share the places of code
// and memory in their process, which alone make a few percent, and phases of the
// machine; so they count as one observation (Kalibera and Jones, "Rigorous
// benchmarking in reasonable time", 2013).
func startRatios(base, head []float64) []float64 {
	n := min(len(base), len(head))
	starts := min(Starts, n)
	ratios := make([]float64, starts)
	for i := range ratios {
		var rounds []float64
		for round := i * n / starts; round < (i+1)*n/starts; round++ {
			rounds = append(rounds, math.Log(head[round])-math.Log(base[round]))
		}
		ratios[i] = median(rounds)
	}
	return ratios
}

// median is the median of at least one value.
func median(values []float64) float64 {
	m, _ := stats.Median(values) // an error says that there are none
	return m
}

// changed reports whether the verdict is a change.
func (c *Cell) changed() bool { return c.Verdict == Better || c.Verdict == Worse }

// doubt makes a change undecided, for a reason.
func (c *Cell) doubt(reason string) {
	if c.changed() {
		c.Verdict = Undecided
		c.Warnings = append(c.Warnings, "undecided: "+reason)
	}
}

// verdict returns the cell's verdict, by its adjusted p-value.
func (c *Cell) verdict(threshold float64) Verdict {
	switch {
	case c.PAdjusted >= Level || math.Abs(c.Change) <= threshold:
		return Same
	case c.Change > 0 == cells.MoreIsBetter(c.Unit):
		return Better
	}
	return Worse
}

// Word is the verdict in a word that fits the unit: "slower", "faster", "larger",
// "smaller", "undecided", or "~" for no change.
func (c *Cell) Word() string {
	words := map[Verdict]string{Same: "~", Better: "faster", Worse: "slower", Undecided: "undecided"}
	if c.Unit == cells.UnitBytes {
		words = map[Verdict]string{Same: "~", Better: "smaller", Worse: "larger", Undecided: "undecided"}
	}
	return words[c.Verdict]
}
