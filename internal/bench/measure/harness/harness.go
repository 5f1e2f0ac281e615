// Package harness runs cells: each on a host of its own with the cell's engine,
// broker and tracker, the guests on it, and a loop that keeps them busy. The guests
// count the messages that they handle, send and get back. A sample counts only if
// their counts are exactly those that it claims.
//
// A [Harness] has one message in flight in each ring, or [InFlight] of them. A [Load]
// sends messages at a fixed rate.
package harness

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"time"

	"go.uber.org/dig"
	"go.uber.org/fx"

	"github.com/airhost/airhost/airhostfx"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
	"github.com/airhost/airhost/internal/bench/data/cells"
	"github.com/airhost/airhost/internal/bench/measure/guests"
)

// Parts are the parts of a cell's host.
type Parts struct {
	// Modules provide a broker, a tracker, the guests' engine, and the engine "native"
	// for the component that guests report to.
	Modules fx.Option
	// EngineName is the name of the guests' engine.
	EngineName string
	// Guest is the guest that the cell's pattern needs.
	Guest core.Source
	// Logger takes the host's log.
	Logger *slog.Logger
	// Patience is the time without a report of a sample after which the harness looks
	// for the cause; 1 s by default.
	Patience time.Duration
	// Clock is the time of a load's schedule; the machine's by default.
	Clock Clock
}

// InFlight is the least number of messages under way in a throughput cell, and the
// most in a load cell. A throughput cell with more components has one for each of
// them.
const InFlight = guests.MaxRuns

// nativeEngine is the name of the engine of components that are Go values.
const nativeEngine = "native"

// doneID is the component to which guests report the end of a run.
var doneID = core.MustComponentID("bench/done")

// Harness is a cell that is ready to be measured. One goroutine at a time uses it.
type Harness struct {
	key      cells.Key
	app      *fx.App
	host     *host.Host
	rings    [][]core.ComponentID
	starts   []core.ComponentID // each component as often as it begins a run
	run      func(ctx context.Context, n int) (time.Duration, error)
	reports  chan guests.Done
	patience time.Duration
	known    guests.Counters // the sum of the guests' after the last sample
}

// New starts the host of a cell with one message in flight in each ring, and
// deploys its guests. The caller closes the harness. More cores than there are
// processors are a [CoresError].
func New(ctx context.Context, key cells.Key, parts Parts) (*Harness, error) {
	h := newHarness(key, parts)
	h.run = h.runOne
	return h.begin(ctx, parts)
}

// NewMany is [New] for a cell with [InFlight] messages in flight.
func NewMany(ctx context.Context, key cells.Key, parts Parts) (*Harness, error) {
	h := newHarness(key, parts)
	h.run = h.runMany
	first := slices.Concat(h.rings...)
	for h.starts = nil; len(h.starts) < InFlight; {
		h.starts = append(h.starts, first...)
	}
	return h.begin(ctx, parts)
}

// newHarness returns a harness whose runs begin at the first component of each
// ring.
func newHarness(key cells.Key, parts Parts) *Harness {
	h := &Harness{key: key, rings: rings(key), patience: parts.Patience}
	for _, ring := range h.rings {
		h.starts = append(h.starts, ring[0])
	}
	if h.patience == 0 {
		h.patience = time.Second
	}
	return h
}

// begin starts the host with reports that await takes.
func (h *Harness) begin(ctx context.Context, parts Parts) (*Harness, error) {
	if most := runtime.GOMAXPROCS(0); h.key.Cores > most {
		return nil, fmt.Errorf("setting up %s: %w", h.key, &CoresError{h.key.Cores, most})
	}
	// The channel has room for all reports that can come at once, so that the
	// component that reports never waits.
	h.reports = make(chan guests.Done, 2*len(h.starts)+2)
	if err := h.start(ctx, parts, h.report); err != nil {
		return nil, err
	}
	return h, nil
}

// rings names the components of a cell. Those of one ring pass messages round.
func rings(key cells.Key) [][]core.ComponentID {
	size := 2
	switch {
	case key.Components > 0:
		size = key.Components
	case key.Pattern == cells.Call:
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
func (h *Harness) start(ctx context.Context, parts Parts, report func(guests.Done)) error {
	if err := h.open(ctx, parts, report); err != nil {
		return fmt.Errorf("setting up %s: %w", h.key, errors.Join(err, h.Close()))
	}
	return nil
}

func (h *Harness) open(ctx context.Context, parts Parts, report func(guests.Done)) error {
	app := fx.New(
		fx.NopLogger, parts.Modules, airhostfx.Host,
		fx.Supply(host.Config{Workers: h.key.Cores, DrainTimeout: time.Second, Logger: parts.Logger}),
		fx.Populate(&h.host),
	)
	if err := app.Err(); err != nil {
		return dig.RootCause(err) // without the path through the constructors
	}
	if err := app.Start(ctx); err != nil {
		return err
	}
	h.app = app
	return h.deploy(ctx, parts, report)
}

func (h *Harness) deploy(ctx context.Context, parts Parts, report func(guests.Done)) error {
	done := func() guest.Component { return reporter{report} }
	err := h.host.Deploy(ctx, host.Deployment{
		ID: doneID, Engine: nativeEngine, Source: core.Source{Value: done},
		Limits: core.Limits{Mailbox: h.mailbox(), HandlerTime: handlerTime},
	})
	if err != nil {
		return err
	}
	for _, ring := range h.rings {
		for i, id := range ring {
			if err := h.host.Deploy(ctx, h.deployment(id, ring[(i+1)%len(ring)], parts)); err != nil {
				return err
			}
		}
	}
	h.known, err = h.count(ctx)
	return err
}

// mailbox is the size of a mailbox with room for all messages that can be under way
// to one component at once.
func (h *Harness) mailbox() int {
	return max(core.Limits{}.WithDefaults().Mailbox, 2*len(h.starts))
}

// handlerTime is a limit that the host watches in each call. No call exceeds it, even
// where the machine gives this process no processor for a while.
const handlerTime = time.Minute

// plenty is a quota that the host checks for each message and that no cell uses up.
const plenty = 1_000_000_000

// deployment grants id the capabilities that the cell's loop needs and no more: to
// send to its peer by the cell's pattern, and to report the end.
func (h *Harness) deployment(id, peer core.ComponentID, parts Parts) host.Deployment {
	d := host.Deployment{
		ID: id, Engine: parts.EngineName, Source: parts.Guest,
		Limits: core.Limits{MessageSize: max(1<<20, 2*h.key.PayloadBytes), Mailbox: h.mailbox(), HandlerTime: handlerTime},
		Quota:  host.Quota{MessagesPerSecond: plenty, Burst: plenty},
	}
	switch h.key.Pattern {
	case cells.FireAndForget:
		d.Capabilities.Send = []core.IDPattern{exactly(peer), exactly(doneID)}
	case cells.RequestResponse:
		d.Capabilities.Send = []core.IDPattern{exactly(doneID)}
		d.Capabilities.Request = []core.IDPattern{exactly(peer)}
	case cells.Call:
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

// Close stops the host. A harness that was never started is closed already.
func (h *Harness) Close() error {
	if h.app == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	err := h.app.Stop(ctx)
	h.app = nil
	if err != nil {
		return fmt.Errorf("stopping the host of %s: %w", h.key, err)
	}
	return nil
}

// Name returns the cell's name.
func (h *Harness) Name() string { return h.key.String() }
