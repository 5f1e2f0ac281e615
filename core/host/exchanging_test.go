package host_test

import (
	"bytes"
	"context"
	"slices"
	"sync/atomic"

	"github.com/airhost/airhost/core"
)

// exchanging is an engine that keeps a [core.Ledger], around one that does not. It
// does all that a ledger allows, and is written in Go alone.
type exchanging struct {
	core.Engine
	calls *atomic.Int64 // calls that followed the first one of an exchange; nil: it does not exchange
}

type exchangingComponent struct {
	core.Component
	calls *atomic.Int64
}

func (e exchanging) Compile(ctx context.Context, src core.Source, limits core.Limits) (core.Component, error) {
	c, err := e.Engine.Compile(ctx, src, limits)
	if err != nil {
		return nil, err
	}
	return exchangingComponent{c, e.calls}, nil
}

func (c exchangingComponent) Traits() core.Traits {
	traits := c.Component.Traits()
	traits.KeepsLedger, traits.Exchanges = true, c.calls != nil
	return traits
}

func (c exchangingComponent) Instantiate(ctx context.Context, env core.Environment) (core.Instance, error) {
	in := &exchangingInstance{Services: env.Host, ledger: env.Ledger, id: env.ID, calls: c.calls}
	starting := env.Starting
	env.Host, env.Ledger = exchangingServices{in}, nil
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

type exchangingInstance struct {
	core.Instance
	core.Services
	ledger *core.Ledger
	id     core.ComponentID
	calls  *atomic.Int64

	// Of the call in progress.
	credit   *core.Credit
	requests []core.RequestID // for the guest's requests by its credit
	open     core.Transfer    // the message or request that the guest has sent by its credit
	account  *account         // to be reconciled, or nil
}

// exchangingServices are the Services that a guest sees.
type exchangingServices struct{ in *exchangingInstance }

func (in *exchangingInstance) allows(target, message []byte) bool {
	return in.credit != nil && in.open.Kind == core.TransferNone && in.credit.Target == string(target) && len(message) <= in.credit.MaxSize
}

func (s exchangingServices) SendMessage(target, message []byte) error {
	in := s.in
	if in.allows(target, message) && in.credit.Messages {
		in.open = core.Transfer{Kind: core.TransferMessage, Payload: bytes.Clone(message)}
		return nil
	}
	in.reconcile()
	return in.Services.SendMessage(target, message)
}

func (s exchangingServices) SendRequest(target, request []byte, timeout uint64) (core.RequestID, error) {
	in := s.in
	if in.allows(target, request) && len(in.requests) > 0 && timeout <= uint64(core.MaxTimeout.Milliseconds()) {
		in.open = core.Transfer{Kind: core.TransferRequest, Payload: bytes.Clone(request), TimeoutMillis: timeout}
		return in.requests[0], nil
	}
	in.reconcile()
	return in.Services.SendRequest(target, request, timeout)
}

func (s exchangingServices) CancelRequest(id core.RequestID) error {
	s.in.reconcile()
	return s.in.Services.CancelRequest(id)
}

func (s exchangingServices) Log(level core.LogLevel, message []byte) {
	s.in.reconcile()
	s.in.Services.Log(level, message)
}

// Now asks the host, and so ends the exchange. A component calls it before it waits.
func (s exchangingServices) Now() uint64 {
	s.in.reconcile()
	return s.in.Services.Now()
}

// reconcile comes before each call of the host's Services.
func (in *exchangingInstance) reconcile() {
	if in.account != nil {
		in.account.reconcile()
	}
}

func (in *exchangingInstance) HandleMessage(sender core.ComponentID, message []byte, response *[]byte) error {
	return in.handle(response, func(response *[]byte) error { return in.Instance.HandleMessage(sender, message, response) })
}

func (in *exchangingInstance) HandleCallback(id core.RequestID, response []byte, failure *core.RequestError) error {
	return in.handle(nil, func(*[]byte) error { return in.Instance.HandleCallback(id, response, failure) })
}

// Save and Restore implement [core.StateKeeper] for a guest that is one.
func (in *exchangingInstance) Save(dst []byte) ([]byte, error) {
	return in.Instance.(core.StateKeeper).Save(dst)
}

func (in *exchangingInstance) Restore(state []byte) error {
	return in.Instance.(core.StateKeeper).Restore(state)
}

// Turn implements [core.Turner] for a guest that is one.
func (in *exchangingInstance) Turn() error {
	if turner, ok := in.Instance.(core.Turner); ok {
		return turner.Turn()
	}
	return nil
}

// account notes the calls that the engine makes by a ledger, until it reconciles
// them.
type account struct {
	*core.Ledger
	sides      [2]*exchangingInstance // the second is nil without a partner
	ended      [2]core.CallCounts
	side       int
	current    core.Transfer
	response   *[]byte // the place for the response to the current call
	reconciled bool
}

func (in *exchangingInstance) handle(response *[]byte, first func(response *[]byte) error) error {
	if in.ledger == nil {
		return first(response)
	}
	a := &account{Ledger: in.ledger, sides: [2]*exchangingInstance{in}, response: response}
	if a.Most > 0 {
		a.sides[1] = a.Sides[1].Instance.(*exchangingInstance)
	}
	for i, side := range a.sides {
		if side != nil {
			side.credit, side.requests, side.account = a.Sides[i].Credit, slices.Clone(a.Sides[i].Requests), a
		}
	}
	err := first(response)
	var id core.RequestID
	var answer []byte
	for n := 1; !a.reconciled && err == nil && n <= a.Most && a.goesOn(n); n++ {
		sender, receiver := a.sides[1-a.side], a.sides[a.side]
		payload := slices.Clone(a.current.Payload)
		switch a.current.Kind {
		case core.TransferMessage:
			err = receiver.Instance.HandleMessage(sender.id, payload, nil)
		case core.TransferRequest:
			id, sender.requests = sender.requests[0], sender.requests[1:]
			answer = nil
			err = receiver.Instance.HandleMessage(sender.id, payload, &answer)
		case core.TransferResponse:
			err = receiver.Instance.HandleCallback(id, answer, nil)
		}
	}
	if a.Most > 0 {
		a.reconcile()
	} else if !a.reconciled {
		a.end()
	}
	if a.current.Kind == core.TransferRequest && a.response != nil && err == nil {
		*a.response = append(*a.response, answer...)
	}
	return err
}

// goesOn begins call n after the first, if the exchange goes on.
func (a *account) goesOn(n int) bool {
	x, y := a.sides[a.side], a.sides[1-a.side]
	next := x.open
	if a.current.Kind == core.TransferRequest {
		if next.Kind != core.TransferNone {
			return false
		}
		next = core.Transfer{Kind: core.TransferResponse}
	} else if next.Kind == core.TransferNone || x.credit.Target != y.id.String() {
		return false
	}
	switch a.current.Kind {
	case core.TransferMessage:
		a.ended[a.side].Messages++
	case core.TransferRequest:
		a.ended[a.side].Requests++
	case core.TransferResponse:
		a.ended[a.side].Responses++
	}
	a.side, a.current, x.open = 1-a.side, next, core.Transfer{}
	a.Progress.Store(uint32(2*n + a.side))
	x.calls.Add(1)
	return true
}

func (a *account) reconcile() {
	if a.reconciled {
		return
	}
	a.end()
	if a.Most == 0 && a.Open.Kind == core.TransferNone {
		return // the engine did nothing by the ledger
	}
	a.Ended, a.Side, a.Current = a.ended, a.side, a.current
	if response := a.Reconcile(); a.current.Kind == core.TransferRequest {
		a.response = response
	}
	clear(a.current.Payload) // the host may use it only until Reconcile returns
}

// end ends all credit, and leaves the message of the last call to the host.
func (a *account) end() {
	a.reconciled = true
	for _, side := range a.sides {
		if side != nil {
			side.credit, side.requests, side.account = nil, nil, nil
		}
	}
	last := a.sides[a.side]
	if open := last.open; open.Kind != core.TransferNone {
		a.Open = core.Transfer{Kind: open.Kind, Payload: append(a.Open.Payload[:0], open.Payload...), TimeoutMillis: open.TimeoutMillis}
		last.open = core.Transfer{}
	}
}
