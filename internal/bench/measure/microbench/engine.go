package microbench

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"go.uber.org/fx"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/bench/data/cells"
	"github.com/airhost/airhost/internal/bench/measure/guests"
)

// The ids of the guests, and of the sender of their messages.
var (
	askerID    = core.MustComponentID("bench/ring0-0")
	answererID = core.MustComponentID("bench/ring0-1")
	doneID     = core.MustComponentID("bench/done")
)

// taker is a host that takes messages and requests and does nothing with them.
type taker struct {
	core.Services // nil: guests of the benchmark use only the services below

	sends    int
	requests int
	request  []byte // the last one
}

var _ core.Services = (*taker)(nil)

// SendMessage implements [core.Services].
func (t *taker) SendMessage(_, _ []byte) error {
	t.sends++
	return nil
}

// SendRequest implements [core.Services].
func (t *taker) SendRequest(_, request []byte, _ uint64) (core.RequestID, error) {
	t.requests++
	t.request = append(t.request[:0], request...)
	return core.RequestID(t.requests), nil
}

// CancelRequest implements [core.Services].
func (t *taker) CancelRequest(core.RequestID) error { return core.ErrRequestNotFound }

// Log implements [core.Services].
func (t *taker) Log(core.LogLevel, []byte) {}

// Now implements [core.Services].
func (t *taker) Now() uint64 { return uint64(time.Now().UnixNano()) }

// openEngine starts the engine of parts.
func (p *part) openEngine(ctx context.Context, module fx.Option, name string) (core.Engine, error) {
	var in struct {
		fx.In
		Engines []core.Engine `group:"engines"`
	}
	if err := p.start(ctx, module, fx.Populate(&in)); err != nil {
		return nil, err
	}
	for _, engine := range in.Engines {
		if engine.Name() == name {
			return engine, nil
		}
	}
	return nil, fmt.Errorf("the module provides no engine %q", name)
}

// limits are the ones that the guests of latency cells have.
func limits(payload int) core.Limits {
	return core.Limits{MessageSize: max(1<<20, 2*payload)}.WithDefaults()
}

// openComponent compiles the guest of a pattern.
func (p *part) openComponent(ctx context.Context, key cells.Key, parts Parts) (core.Component, error) {
	engine, err := p.openEngine(ctx, parts.Engine, parts.EngineName)
	if err != nil {
		return nil, err
	}
	component, err := engine.Compile(ctx, parts.Guest(key.Pattern), limits(key.PayloadBytes))
	if err != nil {
		return nil, err
	}
	p.onClose(func() error { return component.Close(context.Background()) })
	return component, nil
}

// newInstance makes a guest that is ready for messages.
func newInstance(ctx context.Context, component core.Component, key cells.Key, id, peer core.ComponentID, host core.Services) (core.Instance, error) {
	instance, err := component.Instantiate(ctx, core.Environment{ID: id, Host: host, Limits: limits(key.PayloadBytes)})
	if err != nil {
		return nil, err
	}
	config := []core.ConfigPair{{Key: "peer", Value: peer.String()}, {Key: "done", Value: doneID.String()}}
	if err := instance.Initialize(config); err != nil {
		_ = instance.Close() // the guest's refusal is the error to return
		return nil, err
	}
	return instance, nil
}

// openPair makes the two guests of a cell, which message each other.
func (p *part) openPair(ctx context.Context, key cells.Key, parts Parts, host core.Services) ([2]core.Instance, error) {
	var pair [2]core.Instance
	component, err := p.openComponent(ctx, key, parts)
	if err != nil {
		return pair, err
	}
	ids := [2]core.ComponentID{askerID, answererID}
	for i := range pair {
		if pair[i], err = newInstance(ctx, component, key, ids[i], ids[1-i], host); err != nil {
			return pair, err
		}
		p.onClose(pair[i].Close)
	}
	return pair, nil
}

// handled adds up the numbers of messages and callbacks that the guests have handled,
// by their own count.
func handled(instances ...core.Instance) (int, error) {
	sum := 0
	for _, instance := range instances {
		var response []byte
		if err := instance.HandleMessage(doneID, []byte{guests.OpCount}, &response); err != nil {
			return 0, err
		}
		counters, err := guests.ParseCounters(response)
		if err != nil {
			return 0, err
		}
		sum += int(counters.Handled + counters.Callbacks)
	}
	return sum, nil
}

// endless is a number of hops or rounds above that of any run.
const endless = 1 << 60

// exchange measures messages into two guests in turn. The guests send each message
// on, or do not send it, or return a response.
func (p *part) exchange(ctx context.Context, key cells.Key, parts Parts) error {
	host := new(taker)
	pair, err := p.openPair(ctx, key, parts, host)
	if err != nil {
		return err
	}
	op, perOp := guests.OpEcho, 1
	if key.Part == cells.BaseSend {
		op, perOp = guests.OpBall, 2
	}
	message := guests.NewMessage(op, endless, key.PayloadBytes)
	var response []byte
	var into *[]byte
	if key.Part == cells.BaseRespond {
		into, pair[1] = &response, pair[0] // a call is always into the same guest
	}
	p.chunk = manyOps
	p.do = func(_ context.Context, n int) (time.Duration, error) {
		start := time.Now()
		for i := range n {
			response = response[:0]
			if err := pair[i&1].HandleMessage(answererID, message, into); err != nil {
				return 0, err
			}
		}
		return time.Since(start), nil
	}
	return p.verifyBy(perOp, func() (int, error) {
		if into != nil && len(response) > 0 && !bytes.Equal(response, message) {
			return 0, errWrongResponse
		}
		in, err := handled(distinct(pair)...)
		return in + host.sends, err
	})
}

func distinct(pair [2]core.Instance) []core.Instance {
	if pair[0] == pair[1] {
		return pair[:1]
	}
	return pair[:]
}

// verifyBy verifies by a count that rises by perOp in each operation.
func (p *part) verifyBy(perOp int, count func() (int, error)) error {
	before, err := count()
	c := &counter{count, perOp, before}
	p.verify = c.verify
	return err
}

// round measures requests that one guest answers. Another guest takes the response
// and sends the next request.
func (p *part) round(ctx context.Context, key cells.Key, parts Parts) error {
	host := new(taker)
	pair, err := p.openPair(ctx, key, parts, host)
	if err != nil {
		return err
	}
	asker, answerer := pair[0], pair[1]
	if err := asker.HandleMessage(doneID, guests.NewMessage(guests.OpStart, endless, key.PayloadBytes), nil); err != nil {
		return err
	}
	p.chunk = manyOps
	var buffer, response []byte
	p.do = func(_ context.Context, n int) (time.Duration, error) {
		start := time.Now()
		for range n {
			// As in a host, the response takes the place of the request.
			buffer = append(buffer[:0], host.request...)
			response = buffer[:0]
			if err := answerer.HandleMessage(askerID, buffer, &response); err != nil {
				return 0, err
			}
			buffer = response
			if err := asker.HandleCallback(core.RequestID(host.requests), response, nil); err != nil {
				return 0, err
			}
		}
		return time.Since(start), nil
	}
	return p.verifyBy(3, func() (int, error) {
		in, err := handled(pair[:]...)
		return in + host.requests, err
	})
}
