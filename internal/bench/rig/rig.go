// Package rig puts together what a cell measures: a host of its own with the
// cell's engine, broker and tracker, the guests on it, and the loop that keeps
// them busy. The guests count what they handle, send and get back, and a sample
// counts only if their counts are exactly what it claims.
//
// A [Rig] is for the modes latency, with one message in flight in each ring, and
// throughput, with [InFlight]; a [Load] is for the mode load.
package rig

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"time"

	"go.uber.org/fx"

	"github.com/airhost/airhost/airhostfx"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
	"github.com/airhost/airhost/internal/bench/guests"
	"github.com/airhost/airhost/internal/bench/openloop"
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
	// Clock is the time that the schedule of a load goes by; the machine's by
	// default.
	Clock openloop.Clock
}

// InFlight is how many messages, at least, are under way in a throughput cell,
// and how many there are at most in a load cell. A throughput cell with more
// components has one for each of them.
const InFlight = guests.MaxRuns

// nativeEngine is the name of the engine that components which are Go values
// run on.
const nativeEngine = "native"

// doneID is the component that is told of a run's end.
var doneID = core.MustComponentID("bench/done")

// Rig is a cell of mode latency or throughput that is ready to be measured. It
// is used by one goroutine at a time.
type Rig struct {
	key      result.Key
	app      *fx.App
	host     *host.Host
	rings    [][]core.ComponentID
	starts   []core.ComponentID // who begins; as often as it begins something
	reports  chan guests.Done
	patience time.Duration
	known    guests.Counters // the sum of the guests' after the last sample
}

// New starts the cell's host and deploys its guests. The caller closes the rig.
// More cores than there are processors are a [CoresError].
func New(ctx context.Context, key result.Key, parts Parts) (*Rig, error) {
	if most := runtime.GOMAXPROCS(0); key.Cores > most {
		return nil, fmt.Errorf("setting up %s: %w", key, &CoresError{key.Cores, most})
	}
	r := newRig(key, parts)
	// Room for everything that can be reported at once, so that the component
	// that reports never waits.
	r.reports = make(chan guests.Done, 2*len(r.starts)+2)
	if err := r.start(ctx, parts, r.report); err != nil {
		return nil, err
	}
	return r, nil
}

func newRig(key result.Key, parts Parts) *Rig {
	r := &Rig{key: key, rings: rings(key), patience: parts.Patience}
	r.starts = starts(key, r.rings)
	if r.patience == 0 {
		r.patience = time.Second
	}
	return r
}

// starts says who begins something: the first component of each ring, or for
// throughput each component, in turn, until enough is under way.
func starts(key result.Key, rings [][]core.ComponentID) []core.ComponentID {
	var all []core.ComponentID
	if key.Mode != result.Throughput {
		for _, ring := range rings {
			all = append(all, ring[0])
		}
		return all
	}
	for len(all) < InFlight {
		all = append(all, slices.Concat(rings...)...)
	}
	return all
}

// rings names the components of a cell: who passes messages round together.
func rings(key result.Key) [][]core.ComponentID {
	size := 2
	switch {
	case key.Components > 0:
		size = key.Components
	case key.Pattern == result.Call:
		size = 1
	}
	all := make([][]core.ComponentID, max(1, key.Pairs))
	for i := range all {
		for j := range size {
			all[i] = append(all[i], core.MustComponentID(fmt.Sprintf("bench/ring%d-%d", i, j)))
		}
	}
	return all
}

// start starts the host, on as many workers as the cell has cores, and deploys
// the guests, whose reports go to report.
func (r *Rig) start(ctx context.Context, parts Parts, report func(guests.Done)) error {
	if err := r.open(ctx, parts, report); err != nil {
		return fmt.Errorf("setting up %s: %w", r.key, errors.Join(err, r.Close()))
	}
	return nil
}

func (r *Rig) open(ctx context.Context, parts Parts, report func(guests.Done)) error {
	app := fx.New(
		fx.NopLogger, parts.Modules, airhostfx.Host,
		fx.Supply(host.Config{Workers: r.key.Cores, DrainTimeout: time.Second, Logger: parts.Logger}),
		fx.Populate(&r.host),
	)
	if err := app.Err(); err != nil {
		return err
	}
	if err := app.Start(ctx); err != nil {
		return err
	}
	r.app = app
	return r.deploy(ctx, parts, report)
}

func (r *Rig) deploy(ctx context.Context, parts Parts, report func(guests.Done)) error {
	done := func() guest.Component { return reporter{report} }
	err := r.host.Deploy(ctx, host.Deployment{
		ID: doneID, Engine: nativeEngine, Source: core.Source{Value: done},
		Limits: core.Limits{Mailbox: r.mailbox(), HandlerTime: handlerTime},
	})
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

// mailbox is room for all that can be under way to one component at once.
func (r *Rig) mailbox() int {
	return max(core.Limits{}.WithDefaults().Mailbox, 2*len(r.starts))
}

// handlerTime is a limit that is watched for each call and never exceeded, also
// where the machine gives this process no processor for a while.
const handlerTime = time.Minute

// plenty is a quota that is checked for each message and never exhausted.
const plenty = 1_000_000_000

// deployment grants id what the cell's loop needs and no more: to message its
// peer by the cell's pattern, and to report the end.
func (r *Rig) deployment(id, peer core.ComponentID, parts Parts) host.Deployment {
	d := host.Deployment{
		ID: id, Engine: parts.EngineName, Source: parts.Guest,
		Limits: core.Limits{MessageSize: max(1<<20, 2*r.key.PayloadBytes), Mailbox: r.mailbox(), HandlerTime: handlerTime},
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
