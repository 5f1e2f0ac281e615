package result

import "github.com/airhost/airhost/internal/bench/data/cells"

// Goal is a target of a cell, with the median that it is for and its 95 % interval. All
// are in Unit: that of the cell, or [cells.UnitMultiple].
type Goal struct {
	Unit              string
	Target            float64
	Median, Low, High float64
	Within            Verdict
}

// Goals returns the cell's targets: that in its unit first, and then that in multiples
// of its floor. A cell can lack either of them. f may be nil.
func (f *Figures) Goals() []Goal {
	var goals []Goal
	if f != nil && f.Target != nil {
		goals = append(goals, Goal{f.Unit, *f.Target, f.Median, f.CI95Low, f.CI95High, f.WithinTarget})
	}
	if f != nil && f.TargetMultiple != nil {
		goals = append(goals, Goal{
			cells.UnitMultiple, *f.TargetMultiple, *f.FloorMultiple,
			f.CI95Low / *f.Floor, f.CI95High / *f.Floor, f.WithinMultiple,
		})
	}
	return goals
}

// SetFloor sets the floor, the multiple of it, and the target of the multiple, if the
// cell with this key has one. The cell's other target must have been set before.
func (f *Figures) SetFloor(key cells.Key, floor float64) {
	multiple := f.Median / floor
	f.Floor, f.FloorMultiple = &floor, &multiple
	f.aim(key)
}

// aim sets the target in multiples of the floor.
func (f *Figures) aim(key cells.Key) {
	if target, ok := cells.TargetMultiple(key); ok && f.Target != nil && f.Floor != nil {
		f.TargetMultiple = &target
		f.WithinMultiple = VerdictOf(f.CI95Low / *f.Floor, f.CI95High / *f.Floor, target)
	}
}
