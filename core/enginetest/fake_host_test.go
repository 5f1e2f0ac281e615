package enginetest

import (
	"errors"

	"github.com/airhost/airhost/core"
)

// fakeHost is the [ActorHost] of an instance.
type fakeHost fakeInstance

func (h *fakeHost) has(flaw string) bool { return h.engine.has(flaw) }

func (h *fakeHost) told(err error) error {
	if err == nil || h.has("refusals are no errors") {
		return nil
	}
	told := core.AsMessagingError(err)
	switch {
	case h.has("refusals lose their text"):
		return &core.MessagingError{Case: told.Case}
	case h.has("only plain messaging-errors") && errors.Unwrap(err) != nil:
		return &core.MessagingError{Case: core.CaseUnavailable, Text: err.Error()}
	case h.has("other errors lose their text") && !errors.As(err, new(*core.MessagingError)):
		return core.ErrUnavailable
	}
	return told
}

// covered returns the ledger if its credit covers a message to target.
func (h *fakeHost) covered(target string, message []byte) *core.Ledger {
	l := h.env.Ledger
	if l == nil || !h.creditLeft || h.has("asks nevertheless") {
		return nil
	}
	credit := l.Sides[0].Credit
	if credit == nil || target != credit.Target && !h.has("all targets are covered") || len(message) > credit.MaxSize && !h.has("all sizes are covered") {
		return nil
	}
	return l
}

func (h *fakeHost) open(kind core.TransferKind, message []byte, timeoutMillis uint64) {
	open := &h.env.Ledger.Open
	if h.has("open in memory of its own") {
		open.Payload = nil
	}
	h.creditLeft = h.has("answers twice")
	open.Kind, open.Payload, open.TimeoutMillis = kind, append(open.Payload[:0], message...), timeoutMillis
}

// turnToHost comes before each call of the host.
func (h *fakeHost) turnToHost(sends bool) {
	l := h.env.Ledger
	h.creditLeft = h.creditLeft && h.has("the credit survives other services")
	if l == nil || l.Open.Kind == core.TransferNone || h.has("does not reconcile") || !sends && h.has("reconciles before messages only") {
		return
	}
	l.Reconcile()
}

func (h *fakeHost) Send(target string, message []byte) error {
	if h.has("targets are cut") {
		target = target[:len(target)/2]
	}
	if l := h.covered(target, message); l != nil && (l.Sides[0].Credit.Messages || h.has("messages are always covered")) {
		h.open(core.TransferMessage, message, 0)
		return nil
	}
	h.turnToHost(true)
	return h.told(h.env.Host.SendMessage([]byte(target), message))
}

func (h *fakeHost) Request(target string, request []byte, timeoutMillis uint64) (core.RequestID, error) {
	if h.has("timeouts have 32 bits") {
		timeoutMillis = uint64(uint32(timeoutMillis))
	}
	l, longest := h.covered(target, request), uint64(core.MaxTimeout.Milliseconds())
	if l != nil && len(l.Sides[0].Requests) > 0 && (timeoutMillis <= longest || h.has("long timeouts are covered")) {
		h.open(core.TransferRequest, request, timeoutMillis)
		return l.Sides[0].Requests[0], nil
	}
	h.turnToHost(true)
	id, err := h.env.Host.SendRequest([]byte(target), request, timeoutMillis)
	if h.has("ids have 32 bits") {
		id = core.RequestID(uint32(id))
	}
	return id, h.told(err)
}

func (h *fakeHost) Publish(topic string, message []byte) (err error) {
	switch {
	case h.has("topics are cut"):
		topic = topic[:len(topic)/2]
	case h.has("publications are cut"):
		message = message[:min(len(message), 1000)]
	case h.has("panics of publish are errors"):
		defer func() {
			if recover() != nil {
				err = core.ErrUnavailable
			}
		}()
	}
	if !h.has("publish leaves the ledger alone") {
		h.turnToHost(false)
	}
	if h.env.Publisher == nil && h.has("invents topics") {
		return nil
	}
	err = core.PublisherOf(&h.env).Publish([]byte(topic), message)
	if h.has("publish is never refused") {
		return nil
	}
	return h.told(err)
}

func (h *fakeHost) Cancel(id core.RequestID) error {
	if h.has("cancels another") {
		id++
	}
	h.turnToHost(false)
	return h.told(h.env.Host.CancelRequest(id))
}

func (h *fakeHost) SelfID() string {
	if h.has("no self-id") {
		return ""
	}
	return h.env.ID.String()
}

func (h *fakeHost) Log(level core.LogLevel, message string) {
	if h.has("logs at info only") {
		level = core.LogInfo
	}
	h.turnToHost(false)
	h.env.Host.Log(level, []byte(message))
}

func (h *fakeHost) Now() uint64 {
	if h.has("clock stands still") {
		return 0
	}
	h.turnToHost(false)
	return h.env.Host.Now()
}

func (h *fakeHost) Call(function string, argument []byte) (result []byte, err error) {
	switch {
	case h.has("functions are cut"):
		function = function[:len(function)/2]
	case h.has("arguments are cut"):
		argument = argument[:min(len(argument), 1000)]
	case h.has("functions get no argument"):
		argument = []byte("none")
	case h.has("panics of functions are errors"):
		defer func() {
			if recover() != nil {
				err = core.ErrCallFailed
			}
		}()
	}
	if !h.has("functions leave the ledger alone") {
		h.turnToHost(false)
	}
	if h.env.Functions == nil && h.has("invents functions") {
		return nil, nil
	}
	result, err = core.FunctionsOf(&h.env).CallFunction([]byte(function), argument)
	if err != nil && !h.has("functions never fail") {
		return nil, h.toldCall(err)
	}
	return h.resultOf(result), nil
}

func (h *fakeHost) resultOf(result []byte) []byte {
	switch {
	case h.has("results are cut"):
		return result[:len(result)/2]
	case h.has("large results are cut"):
		return result[:min(len(result), 1<<20)]
	case h.has("no empty result") && len(result) == 0:
		return []byte("nothing")
	}
	return result
}

func (h *fakeHost) toldCall(err error) error {
	told := core.AsCallError(err)
	switch {
	case h.has("call-errors lose their case"):
		return &core.CallError{Case: core.CallFailed, Text: told.Text}
	case h.has("call-errors lose their text"):
		return &core.CallError{Case: told.Case}
	case h.has("only plain call-errors") && errors.Unwrap(err) != nil:
		return &core.CallError{Case: core.CallUnavailable, Text: err.Error()}
	case h.has("other call-errors lose their text") && !errors.As(err, new(*core.CallError)):
		return core.ErrCallUnavailable
	}
	return told
}

// fakeTimers are the [core.Timers] of an instance.
type fakeTimers fakeInstance

func (h *fakeTimers) has(flaw string) bool { return h.engine.has(flaw) }

// host returns the host's timers, before a call of which it is the host's turn.
func (h *fakeTimers) host() core.Timers {
	if !h.has("timers leave the ledger alone") {
		(*fakeHost)(h).turnToHost(false)
	}
	if h.env.Timers == nil && h.has("invents timers") {
		return &Services{Running: true}
	}
	return core.TimersOf(&h.env)
}

func (h *fakeTimers) After(milliseconds uint64, payload []byte) (core.TimerID, error) {
	if h.has("milliseconds have 32 bits") {
		milliseconds = uint64(uint32(milliseconds))
	}
	if h.has("payloads are cut") {
		payload = payload[:min(len(payload), 1000)]
	}
	id, err := h.host().After(milliseconds, payload)
	if h.has("timer ids have 32 bits") {
		id = core.TimerID(uint32(id))
	}
	if h.has("timers are never refused") {
		err = nil
	}
	return id, (*fakeHost)(h).told(err)
}

func (h *fakeTimers) CancelTimer(id core.TimerID) bool {
	if h.has("cancels another timer") {
		id++
	}
	running := h.host().CancelTimer(id)
	return running || h.has("every timer was running")
}
