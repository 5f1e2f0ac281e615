package microbench

import (
	"context"
	"errors"
	"time"

	"go.uber.org/fx"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/bench/data/cells"
)

var errWrongResponse = errors.New("a response is not the request")

// arrivals is a component that passes each message to a channel.
type arrivals struct {
	at chan *core.Message // has the messages that arrive
}

// Deliver implements [core.Receiver].
func (a *arrivals) Deliver(m *core.Message) error {
	a.at <- m
	return nil
}

// home is a host that expects nothing back.
type home struct{}

// Respond implements [core.Origin].
func (home) Respond(m *core.Message) { m.Release() }

// Undelivered implements [core.Origin].
func (home) Undelivered(m *core.Message, _ error) { m.Release() }

// broker measures messages over a route that their sender has found before, one at a
// time, each until it has arrived.
func (p *part) broker(ctx context.Context, key cells.Key, parts Parts) error {
	var broker core.Broker
	if err := p.start(ctx, parts.Broker, take(&broker, "brokers")); err != nil {
		return err
	}
	if err := broker.Open(ctx, home{}); err != nil {
		return err
	}
	p.onClose(func() error {
		ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
		defer cancel()
		return broker.Close(ctx)
	})
	to := &arrivals{make(chan *core.Message, 1)}
	if err := broker.Attach(answererID, to); err != nil {
		return err
	}
	route, err := broker.Route(answererID)
	if err != nil {
		return err
	}
	if route == core.Receiver(to) {
		return p.direct(key.PayloadBytes)
	}
	return p.carried(route, to, key.PayloadBytes)
}

// sink takes messages where a route is the receiver itself.
type sink struct{ taken int }

// Deliver implements [core.Receiver].
func (s *sink) Deliver(*core.Message) error {
	s.taken++
	return nil
}

// direct measures a broker whose route is the attached receiver itself: all that is
// left is the call of the receiver.
func (p *part) direct(payload int) error {
	to := new(sink)
	receivers := []core.Receiver{to}
	m := core.NewMessage(make([]byte, payload))
	p.onClose(func() error { m.Release(); return nil })
	p.chunk = manyOps
	p.do = func(_ context.Context, n int) (time.Duration, error) {
		start := time.Now()
		for range n {
			if err := receivers[0].Deliver(m); err != nil {
				return 0, err
			}
		}
		return time.Since(start), nil
	}
	return p.verifyBy(1, func() (int, error) { return to.taken, nil })
}

// carried measures messages that a broker carries.
func (p *part) carried(route core.Receiver, to *arrivals, payload int) error {
	m := core.NewMessage(make([]byte, payload))
	m.Sender, m.Target = askerID, answererID
	arrived := 0
	p.chunk = manyOps
	p.do = func(_ context.Context, n int) (time.Duration, error) {
		start := time.Now()
		for range n {
			if err := route.Deliver(m); err != nil {
				return 0, err
			}
			m = <-to.at
			arrived++
		}
		return time.Since(start), nil
	}
	return p.verifyBy(1, func() (int, error) { return arrived, nil })
}

// tracker measures the registration and the resolution of a request, with no other
// pending.
func (p *part) tracker(ctx context.Context, _ cells.Key, parts Parts) error {
	var tracker core.Tracker
	if err := p.start(ctx, parts.Tracker, take(&tracker, "trackers")); err != nil {
		return err
	}
	p.onClose(tracker.Close)
	w := new(waiter)
	resolved := 0
	p.chunk = manyOps
	p.do = func(_ context.Context, n int) (time.Duration, error) {
		start := time.Now()
		for range n {
			id, err := tracker.Register(w, requestTimeout)
			if err != nil {
				return 0, err
			}
			if who, ok := tracker.Resolve(id); ok && who == core.Waiter(w) {
				resolved++
			}
		}
		return time.Since(start), nil
	}
	return p.verifyBy(1, func() (int, error) { return resolved, nil })
}

// requestTimeout is the time that a host takes for a guest's timeout of 0.
const requestTimeout = 5 * time.Second

// waiter waits for requests that do not expire. It has a size, so that each waiter
// has an address of its own.
type waiter struct{ _ byte }

// Expired implements [core.Waiter].
func (*waiter) Expired(core.RequestID, *core.RequestError) {}

// take stores the one part of a value group in into.
func take[T any](into *T, group string) fx.Option {
	return fx.Invoke(fx.Annotate(func(all []T) { *into = all[0] }, fx.ParamTags(`group:"`+group+`"`)))
}
