package result

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/airhost/airhost/internal/bench/data/cells"
)

// ErrInvalid matches every error of [File.Validate] and [Read].
var ErrInvalid = errors.New("invalid result file")

// Validate checks everything about the file that its types do not ensure.
func (f *File) Validate() error {
	if f.Schema != Schema {
		return fmt.Errorf("%w: schema %d, want %d: write it again with this benchrunner", ErrInvalid, f.Schema, Schema)
	}
	seen := make(map[cells.Key]bool)
	for i, cell := range f.Cells {
		if err := cell.validate(); err != nil {
			return fmt.Errorf("%w: cell %d, %s: %w", ErrInvalid, i, cell.Key, err)
		}
		if seen[cell.Key] {
			return fmt.Errorf("%w: cell %d, %s: is there twice", ErrInvalid, i, cell.Key)
		}
		seen[cell.Key] = true
	}
	return nil
}

func (c Cell) validate() error {
	if err := c.Key.Check(); err != nil {
		return err
	}
	mode := cells.MustFind(c.Mode)
	switch {
	case c.Status == LeftOut && c.Figures != nil:
		return errors.New("left out, but has figures")
	case c.Status == LeftOut && c.Reason == "":
		return errors.New("left out without a reason")
	case c.Status == LeftOut:
		return nil
	case c.Status != Measured:
		return fmt.Errorf("unknown status %q", c.Status)
	case c.Figures == nil || len(c.Samples) == 0:
		return errors.New("measured, but has no samples")
	case cells.MoreIsBetter(mode.Unit) != cells.MoreIsBetter(c.Unit):
		return fmt.Errorf("mode %s in %s: want %s", c.Mode, c.Unit, mode.Unit)
	case mode.Tails:
		return errors.Join(c.Figures.validate(), c.validateTails())
	case c.Percentiles != nil || c.RatePerSecond != 0 || c.LateSends != 0:
		return fmt.Errorf("has percentiles, a rate or late sends, which cells of mode %s do not have", c.Mode)
	}
	return c.Figures.validate()
}

func (f *Figures) validate() error {
	switch {
	case !slices.Contains(cells.Units(), f.Unit):
		return fmt.Errorf("unknown unit %q", f.Unit)
	case f.Warnings == nil:
		return errors.New("warnings are missing, want a list")
	case (f.Target == nil) != (f.WithinTarget == ""):
		return errors.New("target and within_target must come together")
	case (f.TargetMultiple == nil) != (f.WithinMultiple == ""):
		return errors.New("target_multiple and within_target_multiple must come together")
	case f.TargetMultiple != nil && f.FloorMultiple == nil:
		return errors.New("there is a target_multiple, but no floor_multiple")
	case (f.Floor == nil) != (f.FloorMultiple == nil):
		return errors.New("floor and floor_multiple must come together")
	}
	return nil
}

// validateTails checks the fields that only cells with tails have.
func (f *Figures) validateTails() error {
	byPercent := func(a, b Percentile) int { return cmp.Compare(a.Percent, b.Percent) }
	switch {
	case len(f.Percentiles) == 0 || f.RatePerSecond <= 0 || f.LateSends < 0:
		return errors.New("want percentiles, a rate, and no negative number of late sends")
	case !slices.IsSortedFunc(f.Percentiles, byPercent):
		return errors.New("percentiles are not in ascending order")
	}
	return nil
}
