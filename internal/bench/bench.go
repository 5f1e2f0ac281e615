// Package bench measures what messages cost: it sets up the cells that it is
// asked for, takes samples of them and of their floors side by side, and turns
// them into a result file. Its parts are packages of their own: cells chooses,
// rig and floor are what is measured, sampling measures, stat describes, result
// is the file, and output prints it.
package bench

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"time"

	"go.uber.org/fx"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/bench/machine"
	"github.com/airhost/airhost/internal/bench/result"
	"github.com/airhost/airhost/internal/bench/sampling"
)

// Floor is what an engine alone needs for an operation of a pattern.
type Floor interface {
	sampling.Subject
	Close() error
}

// Engine is an engine that cells can be measured on.
type Engine struct {
	// Module puts the engine into the value group "engines", under the name that
	// Deploy gives.
	Module fx.Option
	Deploy string
	// Native says that components are Go values in the host's process.
	Native bool
	// Guest is the guest that a pattern needs.
	Guest func(result.Pattern) core.Source
	// Floor makes the floor of a pattern and a payload in bytes.
	Floor func(ctx context.Context, pattern result.Pattern, payload int) (Floor, error)
}

// Catalog is what a build can measure, by the names that cells use.
type Catalog struct {
	Engines           map[string]Engine
	Brokers, Trackers map[string]fx.Option
	// Native is the engine of the component that guests report to, which is a Go
	// value, on hosts whose own engine is another.
	Native fx.Option
	// LeftOut says for names of engines, brokers and trackers that exist, but
	// cannot be measured by this build, why not.
	LeftOut map[string]string
}

// Reason returns why the cell cannot be measured, or "".
func (c Catalog) Reason(key result.Key) string {
	for _, part := range []string{key.Engine, key.Broker, key.Tracker} {
		if why, ok := c.LeftOut[part]; ok {
			return part + ": " + why
		}
	}
	return ""
}

// Spec is what a run measures, and how.
type Spec struct {
	Catalog  Catalog
	Keys     []result.Key
	Sampling sampling.Options
	// Root is the system's root directory, where what the machine is doing is
	// read from.
	Root fs.FS
	// Logger takes the log of the cells' hosts.
	Logger *slog.Logger
}

// Run measures the cells in spec and returns them in its order, those that were
// left out included. When ctx ends before the run does, cells carry a warning
// that they were cut short, and the error is the context's. Where a subject
// failed there are no cells at all; where only a host could not be stopped they
// come with the error.
func Run(ctx context.Context, spec Spec) ([]result.Cell, error) {
	b, err := assemble(ctx, spec)
	if err != nil {
		return nil, err
	}
	cells, err := b.measure(ctx)
	return cells, errors.Join(err, b.close())
}

func (b *bench) measure(ctx context.Context) ([]result.Cell, error) {
	options := b.spec.Sampling
	options.Waited = func() time.Duration { return machine.Waited(b.spec.Root) }
	load := machine.Watch(b.spec.Root)
	series, err := sampling.Run(ctx, b.subjects, options)
	if err != nil && ctx.Err() == nil {
		return nil, err
	}
	cells, err := b.conclude(series, load.Warning(), ctx.Err() != nil)
	return cells, errors.Join(err, ctx.Err())
}
