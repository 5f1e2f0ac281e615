// Package microbench measures each part of a message's way, and of a component's
// start, by itself: the engine with a guest and no host around it, the host with
// components that do nothing and no engine, a broker or a tracker alone. Messages of
// a whole cell run through the same code, which the package uses by its public
// interface.
package microbench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"time"

	"go.uber.org/fx"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/bench/data/cells"
	"github.com/airhost/airhost/internal/bench/measure/sampling"
)

// Parts are the parts that can be measured, each as an fx module. A part that the key
// does not name may be missing.
type Parts struct {
	Engine, Broker, Tracker fx.Option
	// EngineName is the engine's name.
	EngineName string
	// Cached is Engine with compiled code kept in a directory; nil for an engine
	// that keeps none.
	Cached func(dir string) fx.Option
	// Guest is the guest that a pattern needs.
	Guest func(cells.Pattern) core.Source
	// Logger takes the log of hosts.
	Logger *slog.Logger
}

// Subject is a part that is ready to be measured.
type Subject interface {
	sampling.Subject
	io.Closer
}

// New sets up the part that the key names: a part of a cold cell, or a measurement
// for parts of stages cells. The caller closes it. A part that this machine or engine
// does not have is a [cells.LeftOutError].
func New(ctx context.Context, key cells.Key, parts Parts) (Subject, error) {
	open, ok := openers[key.Part]
	if !ok {
		return nil, fmt.Errorf("setting up %s: there is no part %q", key, key.Part)
	}
	p := &part{name: key.String()}
	if err := open(p, ctx, key, parts); err != nil {
		return nil, fmt.Errorf("setting up %s: %w", key, errors.Join(err, p.Close()))
	}
	if p.value != nil {
		return valued{p}, nil
	}
	return p, nil
}

var openers = map[string]func(*part, context.Context, cells.Key, Parts) error{
	cells.BaseChecks:    (*part).checks,
	cells.BaseHost:      (*part).host,
	cells.BaseBroker:    (*part).broker,
	cells.BaseTracker:   (*part).tracker,
	cells.BaseSend:      (*part).exchange,
	cells.BaseHandle:    (*part).exchange,
	cells.BaseRespond:   (*part).exchange,
	cells.BaseRoundTrip: (*part).round,
	cells.Compile:       (*part).compile,
	cells.LoadCached:    (*part).loadCached,
	cells.Instantiate:   (*part).instantiate,
	cells.FirstMessage:  (*part).firstMessage,
	cells.Memory:        (*part).memory,
}

// part is a [Subject].
type part struct {
	name string
	// do does n operations, at most chunk, and returns the time that they took.
	do    func(ctx context.Context, n int) (time.Duration, error)
	chunk int
	// verify returns an error unless n operations were done since the call
	// before.
	verify func(n int) error
	// value is the result of the last Run of a part that is not measured in time; nil
	// for others.
	value   func() float64
	closers []func() error // called last to first
}

// manyOps is a chunk of operations that take about a microsecond or less each. They
// end before a host takes a component for one that does not return.
const manyOps = 2048

// Name implements [sampling.Subject].
func (p *part) Name() string { return p.name }

// Run implements [sampling.Subject].
func (p *part) Run(ctx context.Context, n int) (time.Duration, error) {
	var sum time.Duration
	for n > 0 {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		now := min(n, p.chunk)
		elapsed, err := p.do(ctx, now)
		if err != nil {
			return 0, err
		}
		sum += elapsed
		n -= now
	}
	return sum, nil
}

// Verify implements [sampling.Subject].
func (p *part) Verify(_ context.Context, n int) error { return p.verify(n) }

// Close releases what the part was made of.
func (p *part) Close() error {
	var errs []error
	for _, closer := range slices.Backward(p.closers) {
		errs = append(errs, closer())
	}
	p.closers = nil
	return errors.Join(errs...)
}

func (p *part) onClose(closer func() error) { p.closers = append(p.closers, closer) }

// valued is a part that is not measured in time.
type valued struct{ *part }

var _ sampling.Valued = valued{}

// Value implements [sampling.Valued].
func (g valued) Value() float64 { return g.value() }

// CountError says that a part did other operations than it claims.
type CountError struct{ Got, Want int }

// Error gives both numbers.
func (e *CountError) Error() string {
	return fmt.Sprintf("%d operations were counted, want %d", e.Got, e.Want)
}

func exactly(got, want int) error {
	if got != want {
		return &CountError{got, want}
	}
	return nil
}

// counter verifies by a count that only rises.
type counter struct {
	count    func() (int, error)
	perOp    int
	verified int
}

func (c *counter) verify(n int) error {
	now, err := c.count()
	if err != nil {
		return err
	}
	got := now - c.verified
	c.verified = now
	return exactly(got, n*c.perOp)
}

// closeTimeout bounds how long hosts, engines and brokers may take to end.
const closeTimeout = 15 * time.Second

// start starts an application of these modules. Closing the part stops it.
func (p *part) start(ctx context.Context, options ...fx.Option) error {
	app := fx.New(append(options, fx.NopLogger)...)
	if err := app.Err(); err != nil {
		return err
	}
	if err := app.Start(ctx); err != nil {
		return err
	}
	p.onClose(func() error {
		ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
		defer cancel()
		return app.Stop(ctx)
	})
	return nil
}
