package result

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// ErrInvalid is what every error of [File.Validate] and [Read] matches.
var ErrInvalid = errors.New("invalid result file")

// Validate checks what the types cannot say.
func (f *File) Validate() error {
	if f.Schema != Schema {
		return fmt.Errorf("%w: schema %d, want %d: write it again with this benchrunner", ErrInvalid, f.Schema, Schema)
	}
	seen := make(map[Key]bool)
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
	if err := c.Key.validate(); err != nil {
		return err
	}
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
	case (c.Mode == Throughput) != MoreIsBetter(c.Unit):
		return fmt.Errorf("mode %s in %s: want throughput cells, and no others, in %s", c.Mode, c.Unit, UnitPerSecond)
	case c.Mode == Load:
		return errors.Join(c.Figures.validate(), c.validateLoad())
	case c.Percentiles != nil || c.RatePerSecond != 0 || c.LateSends != 0:
		return errors.New("has percentiles, a rate or late sends, which only load cells have")
	}
	return c.Figures.validate()
}

func (k Key) validate() error {
	switch {
	case !slices.Contains(Patterns(), k.Pattern):
		return fmt.Errorf("unknown pattern %q", k.Pattern)
	case !slices.Contains(Modes(), k.Mode):
		return fmt.Errorf("unknown mode %q", k.Mode)
	case k.Mode == Throughput && k.Cores < 1:
		return fmt.Errorf("%d cores: want at least 1 in mode throughput", k.Cores)
	case k.Mode != Throughput && k.Mode != Load && k.Cores != 0:
		return fmt.Errorf("%d cores: want none but in modes throughput and load", k.Cores)
	case (k.Mode == Load) != (k.LoadPercent > 0):
		return fmt.Errorf("a load of %d %%: want more than 0 in mode load, and 0 in others", k.LoadPercent)
	case (k.Mode == Cold || k.Mode == Stages) != (k.Part != ""):
		return fmt.Errorf("part %q: want one in modes cold and stages, and none in others", k.Part)
	}
	return nil
}

func (f *Figures) validate() error {
	switch {
	case !slices.Contains([]string{UnitNanoseconds, UnitPerSecond, UnitBytes}, f.Unit):
		return fmt.Errorf("unknown unit %q", f.Unit)
	case f.Warnings == nil:
		return errors.New("warnings are missing, want a list")
	case (f.Target == nil) != (f.WithinTarget == ""):
		return errors.New("target and within_target must come together")
	case (f.Floor == nil) != (f.FloorMultiple == nil):
		return errors.New("floor and floor_multiple must come together")
	}
	return nil
}

// validateLoad checks what only load cells have.
func (f *Figures) validateLoad() error {
	byPercent := func(a, b Percentile) int { return cmp.Compare(a.Percent, b.Percent) }
	switch {
	case len(f.Percentiles) == 0 || f.RatePerSecond <= 0 || f.LateSends < 0:
		return errors.New("a load cell has percentiles, a rate, and no negative number of late sends")
	case !slices.IsSortedFunc(f.Percentiles, byPercent):
		return errors.New("percentiles are not in ascending order")
	}
	return nil
}
