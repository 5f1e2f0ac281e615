// Package compare compares two files of results cell by cell, and says which cells
// have become slower or faster.
//
// Files of two separate runs are compared by their floor multiples, with the
// Mann-Whitney test. A difference is undecided where one of the runs was on a busy
// machine, or where both are of one build. Files of one session hold pairs of
// samples, taken of both builds in the same round: they are compared pair by pair,
// with Wilcoxon's signed-rank test. In either case p-values are adjusted for the
// number of cells, and a change has to be large enough to matter, too.
package compare

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/airhost/airhost/internal/bench/data/cells"
	"github.com/airhost/airhost/internal/bench/data/result"
	"github.com/airhost/airhost/internal/bench/data/stat"
)

// Level is the adjusted p-value below which a difference is more than chance.
const Level = 0.05

// DefaultThreshold is the smallest difference that is called a change, as a share of
// base, unless the caller asks for another.
const DefaultThreshold = 0.05

// ErrIncomparable matches the error of two files that cannot be compared.
var ErrIncomparable = errors.New("cannot be compared")

// Comparison is the comparison of all cells.
type Comparison struct {
	Schema    int                `json:"schema"`
	Base      result.Environment `json:"base"`
	Head      result.Environment `json:"head"`
	Paired    bool               `json:"paired"` // the files are of one session
	Level     float64            `json:"level"`
	Threshold float64            `json:"threshold"`
	Cells     []Cell             `json:"cells"`    // in base's order
	Skipped   []Skipped          `json:"skipped"`  // never null
	Warnings  []string           `json:"warnings"` // about the files as a whole; never null
}

// Skipped is a cell that was not compared: base has no figures of it, or it has
// figures without a ratio.
type Skipped struct {
	cells.Key
	Reason string `json:"reason"`
}

// Files compares two files. threshold is the smallest difference that is called a
// change, as a share of base. Files of different machines, files without a common
// cell, and a cell of base of which head has no figures, or figures in another unit,
// are an error that matches [ErrIncomparable].
func Files(base, head *result.File, threshold float64) (*Comparison, error) {
	if err := sameMachine(base.Environment, head.Environment); err != nil {
		return nil, err
	}
	c := &Comparison{
		Schema: result.Schema, Base: base.Environment, Head: head.Environment,
		Paired: sameSession(base.Environment, head.Environment), Level: Level, Threshold: threshold,
		Skipped: []Skipped{}, Warnings: environmentWarnings(base.Environment, head.Environment),
	}
	if source := c.source(); source != "" {
		c.Warnings = append(c.Warnings, "both files are of one "+source)
	}
	if err := c.match(base.Cells, head.Cells); err != nil {
		return nil, err
	}
	if len(c.Cells) == 0 {
		return nil, fmt.Errorf("%w: they have no measured cell in common", ErrIncomparable)
	}
	c.decide()
	return c, nil
}

// match compares the cells that have figures in both files, and lists the others.
func (c *Comparison) match(base, head []result.Cell) error {
	left := make(map[cells.Key]result.Cell)
	for _, cell := range head {
		left[cell.Key] = cell
	}
	var lost []string
	for _, b := range base {
		h, found := left[b.Key]
		delete(left, b.Key)
		switch {
		case b.Status == result.LeftOut:
			c.Skipped = append(c.Skipped, Skipped{b.Key, "left out of base: " + b.Reason})
		case !found:
			lost = append(lost, b.Key.String())
		case h.Status == result.LeftOut:
			lost = append(lost, b.Key.String()+" (left out: "+h.Reason+")")
		case b.Unit != h.Unit:
			return fmt.Errorf("%w: %s is in %s in base, and in %s in head", ErrIncomparable, b.Key, b.Unit, h.Unit)
		case slices.Min(b.Samples) <= 0 || slices.Min(h.Samples) <= 0:
			c.Skipped = append(c.Skipped, Skipped{b.Key, "not all samples are above 0, so that they have no ratio"})
		default:
			c.Cells = append(c.Cells, c.cell(b, h))
		}
	}
	for _, h := range head {
		if _, found := left[h.Key]; found {
			c.Skipped = append(c.Skipped, Skipped{h.Key, "base does not have it"})
		}
	}
	if len(lost) > 0 {
		return fmt.Errorf("%w: head has no figures of %s: measure the same cells of both", ErrIncomparable, strings.Join(lost, ", "))
	}
	return nil
}

// decide adjusts the cells' p-values for their number, and sets the verdicts.
func (c *Comparison) decide() {
	var p []float64
	for _, cell := range c.Cells {
		p = append(p, cell.P)
	}
	for i, adjusted := range stat.Holm(p) {
		cell := &c.Cells[i]
		cell.PAdjusted = adjusted
		cell.Verdict = cell.verdict(c.Threshold)
		c.doubt(cell)
		if cell.least*float64(len(c.Cells)) >= Level {
			cell.Warnings = append(cell.Warnings, fmt.Sprintf("too few samples for %s: no difference could be more than chance", CellCount(len(c.Cells))))
		}
	}
}

// doubt makes a change of the cell undecided where it need not be due to the build:
// the difference of separate runs includes the other work of a busy machine. Rounds
// that both builds share do not.
func (c *Comparison) doubt(cell *Cell) {
	switch {
	case c.sameSource():
		cell.doubt("both files are of one " + c.source() + ", so that the difference is not the build's")
	case cell.busy != "" && !c.Paired:
		cell.doubt(cell.busy + " measured on a busy machine, which may be all of the difference; compare --against measures both in turns")
	}
}

// sameSource reports whether the files are of one build or, for separate runs, of one
// commit. Builds of one commit that are measured in turns may differ on purpose, for
// example by their tags.
func (c *Comparison) sameSource() bool {
	return c.Base.SameBuild(c.Head) || c.Base.SameCommit(c.Head) && !c.Paired
}

// source is the kind of source that the files have in common: "build", "commit", or
// "".
func (c *Comparison) source() string {
	switch {
	case c.Base.SameBuild(c.Head):
		return "build"
	case c.Base.SameCommit(c.Head):
		return "commit"
	}
	return ""
}

// Undecided reports whether there is a difference that need not be due to the build.
func (c *Comparison) Undecided() bool {
	return !c.sameSource() && slices.ContainsFunc(c.Cells, func(cell Cell) bool { return cell.Verdict == Undecided })
}

// Changed returns the cells that have changed.
func (c *Comparison) Changed() []cells.Key {
	var keys []cells.Key
	for _, cell := range c.Cells {
		if cell.changed() {
			keys = append(keys, cell.Key)
		}
	}
	return keys
}

// Regressed reports whether any cell has become worse.
func (c *Comparison) Regressed() bool {
	return slices.ContainsFunc(c.Cells, func(cell Cell) bool { return cell.Verdict == Worse })
}

// Confirm takes back the changes that again, a second comparison of the changed
// cells, does not show. Each of these cells gets a warning.
func (c *Comparison) Confirm(again *Comparison) {
	second := make(map[cells.Key]Cell)
	for _, cell := range again.Cells {
		second[cell.Key] = cell
	}
	for i := range c.Cells {
		cell := &c.Cells[i]
		repeated, measured := second[cell.Key]
		if !cell.changed() || !measured {
			continue
		}
		cell.Again = &repeated.Change
		if repeated.Verdict != cell.Verdict {
			cell.Warnings = append(cell.Warnings, fmt.Sprintf("not confirmed: %s by %s at first, but %s with p = %s in a second run",
				cell.Word(), Percent(cell.Change), Percent(repeated.Change), Chance(repeated.PAdjusted)))
			cell.Verdict = Same
		}
	}
}
