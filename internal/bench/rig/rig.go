// Package rig puts together what a cell measures: a host of its own with the
// cell's engine, broker and tracker, the guests on it, and the loop that keeps
// them busy. The guests count what they handle, send and get back, and a sample
// counts only if their counts are exactly what it claims.
package rig

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"go.uber.org/fx"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
	"github.com/airhost/airhost/internal/bench/guests"
	"github.com/airhost/airhost/internal/bench/result"
)

// Parts are what a cell's host is made of.
type Parts struct {
	// Modules provide a broker, a tracker, the guests' engine, and the engine
	// "native" for the component that is told of a run's end.
	Modules fx.Option
	// EngineName is what the guests' engine calls itself.
	EngineName string
	// Guest is the guest that the cell's pattern needs.
	Guest core.Source
	// Logger takes the host's log.
	Logger *slog.Logger
	// Patience is for how long nothing may be heard of a sample before it is
	// looked into; 1 s by default.
	Patience time.Duration
}

// nativeEngine is the name of the engine that components which are Go values
// run on.
const nativeEngine = "native"

// doneID is the component that is told of a run's end.
var doneID = core.MustComponentID("bench/done")

// Rig is a cell that is ready to be measured. It is used by one goroutine at a
// time.
type Rig struct {
	key      result.Key
	app      *fx.App
	host     *host.Host
	rings    [][]core.ComponentID
	reports  chan guests.Done
	patience time.Duration
	known    guests.Counters // the sum of the guests' after the last sample
}

// New starts the cell's host and deploys its guests. The caller closes the rig.
func New(ctx context.Context, key result.Key, parts Parts) (*Rig, error) {
	r := &Rig{
		key:      key,
		rings:    rings(key),
		patience: parts.Patience,
	}
	if r.patience == 0 {
		r.patience = time.Second
	}
	// Room for everything that can be reported at once, so that the component
	// that reports never waits.
	r.reports = make(chan guests.Done, 2*len(r.rings)+2)
	if err := r.start(ctx, parts); err != nil {
		return nil, fmt.Errorf("setting up %s: %w", key, errors.Join(err, r.Close()))
	}
	return r, nil
}

// rings names the components of a cell: who passes messages round together.
func rings(key result.Key) [][]core.ComponentID {
	size := 2
	switch {
	case key.Pattern == result.Call:
		size = 1
	case key.Components > 0:
		size = key.Components
	}
	all := make([][]core.ComponentID, max(1, key.Pairs))
	for i := range all {
		for j := range size {
			all[i] = append(all[i], core.MustComponentID(fmt.Sprintf("bench/ring%d-%d", i, j)))
		}
	}
	return all
}

func (r *Rig) start(ctx context.Context, parts Parts) error {
	app := fx.New(
		fx.NopLogger, parts.Modules, host.Module,
		fx.Supply(host.Config{DrainTimeout: time.Second, Logger: parts.Logger}),
		fx.Populate(&r.host),
	)
	if err := app.Err(); err != nil {
		return err
	}
	if err := app.Start(ctx); err != nil {
		return err
	}
	r.app = app
	return r.deploy(ctx, parts)
}

func (r *Rig) deploy(ctx context.Context, parts Parts) error {
	done := func() guest.Component { return reporter{r.reports} }
	err := r.host.Deploy(ctx, host.Deployment{ID: doneID, Engine: nativeEngine, Source: core.Source{Value: done}})
	if err != nil {
		return err
	}
	for _, ring := range r.rings {
		for i, id := range ring {
			if err := r.host.Deploy(ctx, r.deployment(id, ring[(i+1)%len(ring)], parts)); err != nil {
				return err
			}
		}
	}
	r.known, err = r.count(ctx)
	return err
}

// plenty is a quota that is checked for each message and never exhausted.
const plenty = 1_000_000_000

// deployment grants id what the cell's loop needs and no more: to message its
// peer by the cell's pattern, and to report the end.
func (r *Rig) deployment(id, peer core.ComponentID, parts Parts) host.Deployment {
	d := host.Deployment{
		ID: id, Engine: parts.EngineName, Source: parts.Guest,
		Limits: core.Limits{MessageSize: max(1<<20, 2*r.key.PayloadBytes)},
		Quota:  host.Quota{MessagesPerSecond: plenty, Burst: plenty},
	}
	switch r.key.Pattern {
	case result.FireAndForget:
		d.Capabilities.Send = []core.IDPattern{exactly(peer), exactly(doneID)}
	case result.RequestResponse:
		d.Capabilities.Send = []core.IDPattern{exactly(doneID)}
		d.Capabilities.Request = []core.IDPattern{exactly(peer)}
	case result.Call:
		return d
	}
	d.Config = []core.ConfigPair{{Key: "peer", Value: peer.String()}, {Key: "done", Value: doneID.String()}}
	return d
}

// exactly is the pattern of one id, which is always a valid pattern.
func exactly(id core.ComponentID) core.IDPattern {
	pattern, err := core.ParseIDPattern(id.String())
	if err != nil {
		panic(err)
	}
	return pattern
}

// closeTimeout bounds how long a host may take to stop.
const closeTimeout = 15 * time.Second

// Close stops the host. A rig that was never started is closed already.
func (r *Rig) Close() error {
	if r.app == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	err := r.app.Stop(ctx)
	r.app = nil
	if err != nil {
		return fmt.Errorf("stopping the host of %s: %w", r.key, err)
	}
	return nil
}

// Name returns the cell's name.
func (r *Rig) Name() string { return r.key.String() }
