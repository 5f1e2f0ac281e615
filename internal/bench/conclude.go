package bench

import (
	"fmt"

	"github.com/airhost/airhost/internal/bench/cells"
	"github.com/airhost/airhost/internal/bench/machine"
	"github.com/airhost/airhost/internal/bench/result"
	"github.com/airhost/airhost/internal/bench/sampling"
	"github.com/airhost/airhost/internal/bench/stat"
)

// conclude turns what was sampled into cells. busy is a warning for all of
// them, or ""; cut says that the run did not get to its end.
func (b *bench) conclude(series []sampling.Series, busy string, cut bool) ([]result.Cell, error) {
	all := make([]result.Cell, len(b.places))
	for i, place := range b.places {
		cell := result.Cell{Key: b.spec.Keys[i], Status: result.LeftOut, Reason: place.reason}
		switch {
		case place.reason != "":
		case len(series[place.cell].Samples) == 0 || place.floor != noFloor && len(series[place.floor].Samples) == 0:
			cell.Reason = "the run was cut short before the first sample"
		default:
			figures, err := b.figures(cell.Key, place, series)
			if err != nil {
				return nil, fmt.Errorf("concluding %s: %w", cell.Key, err)
			}
			figures.Warnings = append(figures.Warnings, b.warnings(series[place.cell], busy, cut)...)
			cell.Status, cell.Figures = result.Measured, figures
		}
		all[i] = cell
	}
	return all, nil
}

func (b *bench) warnings(s sampling.Series, busy string, cut bool) []string {
	var warnings []string
	if cut {
		warnings = append(warnings, fmt.Sprintf("cut short: %d samples of at least %d", len(s.Samples), b.spec.Sampling.Samples))
	}
	for _, warning := range []string{busy, machine.WaitWarning(s.WaitShare)} {
		if warning != "" {
			warnings = append(warnings, warning)
		}
	}
	return warnings
}

func (b *bench) figures(key result.Key, place place, series []sampling.Series) (*result.Figures, error) {
	own := series[place.cell]
	summary, err := stat.Summarize(own.Samples, b.spec.Sampling.Seed)
	if err != nil {
		return nil, err
	}
	f := &result.Figures{
		Unit: result.UnitNanoseconds, Samples: own.Samples, OpsPerSample: own.Ops,
		Median: summary.Median, CI95Low: summary.Low, CI95High: summary.High,
		Mean: summary.Mean, Stddev: summary.Stddev, MAD: summary.MAD,
		Q1: summary.Q1, Q3: summary.Q3, Outliers: summary.Outliers,
		AllocsPerOp: own.AllocsPerOp, BytesPerOp: own.BytesPerOp,
		Warnings: append([]string{}, stat.Warnings(own.Samples, summary)...),
	}
	if target, ok := cells.Target(key, b.spec.Catalog.Engines[key.Engine].Native); ok {
		f.Target, f.WithinTarget = &target, cells.Verdict(f.CI95Low, f.CI95High, target)
	}
	if place.floor == noFloor {
		return f, nil
	}
	return f, b.addFloorFigures(f, series[place.floor])
}

func (b *bench) addFloorFigures(f *result.Figures, floor sampling.Series) error {
	summary, err := stat.Summarize(floor.Samples, b.spec.Sampling.Seed)
	if err != nil {
		return err
	}
	multiple := f.Median / summary.Median
	f.Floor, f.FloorMultiple = &summary.Median, &multiple
	for _, warning := range stat.Warnings(floor.Samples, summary) {
		f.Warnings = append(f.Warnings, "of the floor: "+warning)
	}
	return nil
}
