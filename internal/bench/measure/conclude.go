package measure

import (
	"fmt"
	"math"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/airhost/airhost/internal/bench/data/cells"
	"github.com/airhost/airhost/internal/bench/data/result"
	"github.com/airhost/airhost/internal/bench/data/stat"
	"github.com/airhost/airhost/internal/bench/measure/machine"
	"github.com/airhost/airhost/internal/bench/measure/sampling"
)

// conclude makes cells of each side's samples. busy is a warning for all of them, or
// ""; cut says that the run ended early.
func (b *bench) conclude(series []sampling.Series, busy string, cut bool) ([][]result.Cell, error) {
	all := make([][]result.Cell, len(b.places))
	for side, places := range b.places {
		for i, place := range places {
			key := b.spec.Sides[side].Keys[i]
			cell, err := b.cell(side, key, place, series)
			if err != nil {
				return nil, fmt.Errorf("concluding %s: %w", key, err)
			}
			if cell.Figures != nil {
				cell.Warnings = append(cell.Warnings, b.warnings(cell, waitShare(place, series), busy, cut)...)
			}
			all[side] = append(all[side], cell)
		}
	}
	return all, nil
}

func (b *bench) cell(side int, key cells.Key, place place, series []sampling.Series) (result.Cell, error) {
	leftOut := result.Cell{Key: key, Status: result.LeftOut, Reason: place.reason}
	if place.reason != "" {
		return leftOut, nil
	}
	own := combine(place.terms, series)
	if len(own.Samples) == 0 || place.floor != noFloor && len(series[place.floor].Samples) == 0 {
		leftOut.Reason = "the run was cut short before the first sample"
		return leftOut, nil
	}
	figures, err := b.figures(side, key, own)
	if err == nil {
		figures.Warnings, err = b.termWarnings(place.terms, series)
	}
	if err == nil && place.floor != noFloor {
		err = b.addFloor(key, figures, series[place.floor])
	}
	return result.Cell{Key: key, Status: result.Measured, Figures: figures}, err
}

// combine adds up the samples of a cell's terms, round by round.
func combine(terms []term, series []sampling.Series) sampling.Series {
	if len(terms) == 1 && terms[0].factor == 1 {
		return series[terms[0].subject]
	}
	sum := sampling.Series{Ops: math.MaxInt}
	rounds := math.MaxInt // that all terms have: a run may be cut within a round
	for _, t := range terms {
		rounds = min(rounds, len(series[t.subject].Samples))
	}
	sum.Samples = make([]float64, rounds)
	for _, t := range terms {
		s := series[t.subject]
		for i := range sum.Samples {
			sum.Samples[i] += t.factor * s.Samples[i]
		}
		sum.Ops = min(sum.Ops, s.Ops)
		sum.AllocsPerOp += t.factor * s.AllocsPerOp
		sum.BytesPerOp += t.factor * s.BytesPerOp
	}
	return sum
}

// waitShare is the largest share of a cell's terms.
func waitShare(place place, series []sampling.Series) float64 {
	share := 0.0
	for _, t := range place.terms {
		share = max(share, series[t.subject].WaitShare)
	}
	return share
}

func (b *bench) warnings(cell result.Cell, waitShare float64, busy string, cut bool) []string {
	var warnings []string
	if cut {
		warnings = append(warnings, fmt.Sprintf("cut short: %d samples of at least %d", len(cell.Samples), b.spec.Sampling.Samples))
	}
	for _, warning := range []string{busy, machine.WaitWarning(waitShare)} {
		if warning != "" {
			warnings = append(warnings, warning)
		}
	}
	return warnings
}

// inUnit returns samples in the unit. Samples of time are in nanoseconds.
func inUnit(samples []float64, unit string) []float64 {
	if unit != cells.UnitPerSecond {
		return samples
	}
	rates := make([]float64, len(samples))
	for i, ns := range samples {
		rates[i] = 1e9 / ns
	}
	return rates
}

func (b *bench) figures(side int, key cells.Key, own sampling.Series) (*result.Figures, error) {
	unit := cells.Unit(key)
	samples := inUnit(own.Samples, unit)
	summary, err := stat.Summarize(samples, b.spec.Sampling.Seed)
	if err != nil {
		return nil, err
	}
	f := &result.Figures{
		Unit: unit, Samples: samples, OpsPerSample: own.Ops,
		Median: summary.Median, CI95Low: summary.Low, CI95High: summary.High,
		Mean: summary.Mean, Stddev: summary.Stddev, MAD: summary.MAD,
		Q1: summary.Q1, Q3: summary.Q3, Outliers: summary.Outliers,
		AllocsPerOp: own.AllocsPerOp, BytesPerOp: own.BytesPerOp,
	}
	if target, ok := b.spec.Sides[side].Source.Target(key); ok {
		f.Target, f.WithinTarget = &target, result.VerdictOf(f.CI95Low, f.CI95High, target)
	}
	b.addTails(f, own.Tails)
	return f, nil
}

// termWarnings are the warnings of the series that a cell's figures were found from.
// The figure itself can be a difference about 0, of which no share means anything: it
// is as good as the series.
func (b *bench) termWarnings(terms []term, series []sampling.Series) ([]string, error) {
	all := []string{}
	for _, t := range terms {
		samples := inUnit(series[t.subject].Samples, b.units[t.subject])
		summary, err := stat.Summarize(samples, b.spec.Sampling.Seed)
		if err != nil {
			return nil, err
		}
		for _, warning := range stat.Warnings(samples, summary) {
			if len(terms) > 1 {
				warning = "of " + b.subjects[t.subject].Name() + ": " + warning
			}
			all = append(all, warning)
		}
	}
	return all, nil
}

// addTails adds the percentiles, the rate and the late sends of a load cell.
func (b *bench) addTails(f *result.Figures, tails []sampling.Tails) {
	if len(tails) == 0 {
		return
	}
	var windows []*hdrhistogram.Histogram
	for _, t := range tails {
		windows = append(windows, t.Latency)
		f.LateSends += t.Late
	}
	f.RatePerSecond = tails[0].PerSecond
	f.Percentiles = stat.Percentiles(windows, b.spec.Sampling.Seed)
}

func (b *bench) addFloor(key cells.Key, f *result.Figures, floor sampling.Series) error {
	summary, err := stat.Summarize(floor.Samples, b.spec.Sampling.Seed)
	if err != nil {
		return err
	}
	f.SetFloor(key, summary.Median)
	for _, warning := range stat.Warnings(floor.Samples, summary) {
		f.Warnings = append(f.Warnings, "of the floor: "+warning)
	}
	return nil
}
