package host_test

import (
	"bytes"
	"context"
	"slices"
	"sync/atomic"

	"github.com/airhost/airhost/core"
)

// relaying is an engine whose instances take turns, around one whose do not. It is
// [core.Granter] and [core.Relayer] to the letter, and all in Go.
type relaying struct {
	core.Engine
	turns *atomic.Int64 // calls after the first of a relay
}

type relayingComponent struct {
	core.Component
	turns *atomic.Int64
}

func (e relaying) Compile(ctx context.Context, src core.Source, limits core.Limits) (core.Component, error) {
	c, err := e.Engine.Compile(ctx, src, limits)
	if err != nil {
		return nil, err
	}
	return relayingComponent{c, e.turns}, nil
}

func (c relayingComponent) Instantiate(ctx context.Context, env core.Environment) (core.Instance, error) {
	in := &relayingInstance{Services: env.Host, granter: env.Host.(core.Granter), id: env.ID, turns: c.turns}
	starting := env.Starting
	env.Host = relayingServices{in}
	env.Starting = func(inner core.Instance) {
		in.Instance = inner
		starting(in)
	}
	inner, err := c.Component.Instantiate(ctx, env)
	if err != nil {
		return nil, err
	}
	in.Instance = inner
	return in, nil
}

type relayingInstance struct {
	core.Instance
	core.Services
	granter core.Granter
	id      core.ComponentID
	turns   *atomic.Int64

	// Of the call in progress.
	grant    *core.Grant
	requests []core.RequestID // that are granted
	kind     core.RelayKind   // of what was sent by the grant, or RelayFirst for nothing
	sent     []byte
	timeout  uint64
	relay    *relayRun
}

// relayingServices are the Services that a guest sees.
type relayingServices struct{ in *relayingInstance }

func (in *relayingInstance) granted(target, message []byte) bool {
	return in.grant != nil && in.kind == core.RelayFirst && in.grant.Target == string(target) && len(message) <= in.grant.Largest
}

func (s relayingServices) SendMessage(target, message []byte) error {
	in := s.in
	if in.granted(target, message) && in.grant.Message {
		in.kind, in.sent = core.RelayMessage, bytes.Clone(message)
		return nil
	}
	in.ask()
	return in.Services.SendMessage(target, message)
}

func (s relayingServices) SendRequest(target, request []byte, timeout uint64) (core.RequestID, error) {
	in := s.in
	if in.granted(target, request) && len(in.requests) > 0 && timeout <= uint64(core.MaxTimeout.Milliseconds()) {
		in.kind, in.sent, in.timeout = core.RelayRequest, bytes.Clone(request), timeout
		return in.requests[0], nil
	}
	in.ask()
	return in.Services.SendRequest(target, request, timeout)
}

func (s relayingServices) CancelRequest(id core.RequestID) error {
	s.in.ask()
	return s.in.Services.CancelRequest(id)
}

func (s relayingServices) Log(level core.LogLevel, message []byte) {
	s.in.ask()
	s.in.Services.Log(level, message)
}

// Now is what a component calls before it takes long, so that the relay ends.
func (s relayingServices) Now() uint64 {
	s.in.ask()
	return s.in.Services.Now()
}

// ask does what comes before all that asks the host.
func (in *relayingInstance) ask() {
	if in.relay != nil {
		in.relay.settle()
	}
	in.redeem()
}

// redeem hands over what was sent by the grant, which is void.
func (in *relayingInstance) redeem() {
	kind, sent := in.kind, in.sent
	in.grant, in.requests, in.kind, in.sent = nil, nil, core.RelayFirst, nil
	switch kind {
	case core.RelayMessage:
		in.granter.SendGranted(sent)
	case core.RelayRequest:
		in.granter.RequestGranted(sent, in.timeout)
	}
}

func (in *relayingInstance) begin(ids []core.RequestID) {
	grant, id := in.granter.Grant()
	in.grant, in.requests = grant, nil
	if grant != nil && id != 0 {
		in.requests = append([]core.RequestID{id}, ids...)
	}
}

func (in *relayingInstance) HandleMessage(sender core.ComponentID, message []byte, response *[]byte) error {
	in.begin(nil)
	defer in.redeem()
	return in.Instance.HandleMessage(sender, message, response)
}

func (in *relayingInstance) HandleCallback(id core.RequestID, response []byte, failure *core.RequestError) error {
	in.begin(nil)
	defer in.redeem()
	return in.Instance.HandleCallback(id, response, failure)
}

// relayRun is a relay in progress.
type relayRun struct {
	*core.Relay
	sides   [2]*relayingInstance
	ended   [2]core.RelayCalls
	side    int
	kind    core.RelayKind
	payload []byte
	timeout uint64
	to      *[]byte // where the host wants the response
	settled bool
}

func (run *relayRun) settle() {
	if run.settled {
		return
	}
	run.settled = true
	run.sides[0].relay, run.sides[1].relay = nil, nil
	other := run.sides[1-run.side]
	other.grant, other.requests, other.kind, other.sent = nil, nil, core.RelayFirst, nil
	run.Ended, run.Side, run.Last = run.ended, run.side, run.kind
	run.Payload, run.TimeoutMillis = run.payload, run.timeout
	run.to = run.Settle()
	if run.payload != nil {
		clear(run.payload) // it was the host's until Settle returned
	}
}

// Relay implements [core.Relayer].
func (in *relayingInstance) Relay(d core.Delivery, r *core.Relay) error {
	run := &relayRun{Relay: r, sides: [2]*relayingInstance{in, r.Instances[1].(*relayingInstance)}}
	for side, s := range run.sides {
		s.begin(r.Requests[side][min(1, len(r.Requests[side])):])
		s.relay = run
	}
	var err error
	if m := d.Message; d.Outcome {
		err = in.Instance.HandleCallback(m.Correlation, m.Payload, m.Failure)
	} else {
		err = in.Instance.HandleMessage(m.Sender, m.Payload, nil)
	}
	var id core.RequestID
	var response []byte
	for n := 1; n <= r.Most && err == nil && !run.settled; n++ {
		x, y := run.sides[run.side], run.sides[1-run.side]
		kind := x.kind
		if run.kind == core.RelayRequest {
			if kind != core.RelayFirst {
				break
			}
			kind = core.RelayCallback
		} else if kind == core.RelayFirst || x.grant.Target != y.id.String() {
			break
		}
		switch run.kind {
		case core.RelayMessage:
			run.ended[run.side].Messages++
		case core.RelayRequest:
			run.ended[run.side].Requests++
		case core.RelayCallback:
			run.ended[run.side].Callbacks++
		}
		run.side, run.kind = 1-run.side, kind
		r.Progress.Store(uint32(2*n + run.side))
		in.turns.Add(1)
		run.payload, run.timeout, x.kind, x.sent = x.sent, x.timeout, core.RelayFirst, nil
		switch kind {
		case core.RelayMessage:
			err = y.Instance.HandleMessage(x.id, slices.Clone(run.payload), nil)
		case core.RelayRequest:
			id, x.requests = x.requests[0], x.requests[1:]
			response = nil
			err = y.Instance.HandleMessage(x.id, slices.Clone(run.payload), &response)
		case core.RelayCallback:
			err = y.Instance.HandleCallback(id, response, nil)
		}
	}
	run.settle()
	last := run.sides[run.side]
	last.redeem()
	if run.to != nil && err == nil {
		*run.to = append(*run.to, response...)
	}
	return err
}
