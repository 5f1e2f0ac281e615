// Package measure measures the cost of messages: it sets up cells, takes samples of
// them and of their floors side by side, and makes the cells of a result file. The
// packages below it do the parts: harness runs whole cells, microbench their parts,
// floor the engine alone, remote runs cells in other processes, sampling takes the
// samples, and session measures two builds in turns.
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

// Source sets up the subjects of cells: in this build ([Catalog]), in a process for
// each ([Isolated]), or in another program ([Peers]).
type Source interface {
	// Reason returns the reason why the cell cannot be measured, or "".
	Reason(key cells.Key) string
	// Target returns the most nanoseconds that one operation of the cell should take,
	// or false where it has no target.
	Target(key cells.Key) (float64, bool)
	// OutOfProcess reports whether the cell's messages leave the process. They may take
	// a thousand times as long then, so that their samples do without the TotalOps of
	// the run's Size.
	OutOfProcess(key cells.Key) bool
	// Open sets up a cell or, with floor, the floor of its engine. A cell that turns
	// out not to be measurable is a [cells.LeftOutError]. The caller closes the
	// subject.
	Open(ctx context.Context, key cells.Key, floor bool) (remote.Subject, error)
}

// Side is a list of cells from one source. The sides of a run are measured in the
// same rounds, so that they can be compared.
type Side struct {
	Source Source
	Keys   []cells.Key
}

// Spec says which cells a run measures, and how.
type Spec struct {
	Sides []Side
	// Sampling says how many samples are taken; its Waited and Progress are ignored.
	Sampling sampling.Options
	// Size is the size of a latency cell's samples. The sizes of other modes follow
	// from it.
	Size sampling.Size
	// Root is the system's root directory, which shows the machine's work.
	Root fs.FS
	// Progress, if not nil, is called before each sample.
	Progress func(result.Progress)
}

// Run measures the cells in spec and returns those of each side in its order, with
// the cells that were left out. When ctx ends before the run does, cells carry a
// warning that they were cut short, and the error is the context's. Where a subject
// failed there are no cells; where one could not be closed there are, with the error.
// A key that is not valid is an error before anything is measured.
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

// progress adds the name and the unit of the subject.
func (b *bench) progress(p sampling.Progress) result.Progress {
	unit := b.units[p.Subject]
	return result.Progress{
		Name: b.subjects[p.Subject].Name(), Round: p.Round, Rounds: p.Rounds, Left: p.Left, Unit: unit,
		Samples: func() []float64 { return inUnit(p.Samples, unit) },
	}
}
