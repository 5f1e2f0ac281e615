// Package measure measures what messages cost: it sets up the cells that it is
// asked for, takes samples of them and of their floors side by side, and turns
// them into a result file. Its parts are packages of their own: cells chooses,
// rig, alone and floor are what is measured, remote has it in another process,
// sampling measures, stat describes, result is the file, and output prints it.
package measure

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"github.com/airhost/airhost/internal/bench/data/cells"
	"github.com/airhost/airhost/internal/bench/data/result"
	"github.com/airhost/airhost/internal/bench/measure/machine"
	"github.com/airhost/airhost/internal/bench/measure/remote"
	"github.com/airhost/airhost/internal/bench/measure/sampling"
)

// Source is where the subjects of cells come from: this build ([Catalog]), a
// process for each ([Isolated]), or another program ([Peers]).
type Source interface {
	// Reason returns why the cell cannot be measured, or "".
	Reason(key cells.Key) string
	// Target returns what the cell is held to, in nanoseconds for one operation,
	// or false.
	Target(key cells.Key) (float64, bool)
	// OutOfProcess reports whether the cell's messages leave the process. They may
	// take a thousand times as long then: its samples are as large as Time and Ops
	// of the run's Size say, without its TotalOps.
	OutOfProcess(key cells.Key) bool
	// Open sets up a cell or, with floor, what its engine alone needs. A cell
	// that turns out not to be measurable is a [cells.LeftOutError]. The caller
	// closes the subject.
	Open(ctx context.Context, key cells.Key, floor bool) (remote.Subject, error)
}

// Side is cells that come from one source. The sides of a run are measured in
// the same rounds, so that they can be compared.
type Side struct {
	Source Source
	Keys   []cells.Key
}

// Spec is what a run measures, and how.
type Spec struct {
	Sides []Side
	// Sampling says how many samples are taken; its Waited and Progress are not
	// looked at.
	Sampling sampling.Options
	// Size is the size of a latency cell's samples. Those of other modes follow
	// from it.
	Size sampling.Size
	// Root is the system's root directory, where what the machine is doing is
	// read from.
	Root fs.FS
	// Progress, if not nil, is called before each sample.
	Progress func(result.Progress)
}

// Run measures the cells in spec and returns those of each side in its order,
// the ones that were left out included. When ctx ends before the run does, cells
// carry a warning that they were cut short, and the error is the context's.
// Where a subject failed there are no cells at all; where only one could not be
// closed they come with the error.
func Run(ctx context.Context, spec Spec) ([][]result.Cell, error) {
	b, err := assemble(ctx, spec)
	if err != nil {
		return nil, err
	}
	all, err := b.measure(ctx)
	return all, errors.Join(err, b.close())
}

func (b *bench) measure(ctx context.Context) ([][]result.Cell, error) {
	options := b.spec.Sampling
	options.Waited = func() time.Duration { return machine.Waited(b.spec.Root) }
	options.Progress = nil
	if b.spec.Progress != nil {
		options.Progress = func(p sampling.Progress) { b.spec.Progress(b.progress(p)) }
	}
	load := machine.Watch(b.spec.Root)
	series, err := sampling.Run(ctx, b.subjects, options)
	if err != nil && ctx.Err() == nil {
		return nil, err
	}
	all, err := b.conclude(series, load.Warning(), ctx.Err() != nil)
	return all, errors.Join(err, ctx.Err())
}

// progress says of which subject, and in which unit, its samples are.
func (b *bench) progress(p sampling.Progress) result.Progress {
	unit := b.units[p.Subject]
	return result.Progress{
		Name: b.subjects[p.Subject].Name(), Round: p.Round, Rounds: p.Rounds, Left: p.Left, Unit: unit,
		Samples: func() []float64 { return inUnit(p.Samples, unit) },
	}
}
