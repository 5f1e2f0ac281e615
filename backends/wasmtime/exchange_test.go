//go:build cgo && (linux || darwin) && (amd64 || arm64)

package wasmtime_test

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/airhost/airhost/backends/wasmtime"
	"github.com/airhost/airhost/core"
)

// The ids of the components of an exchange, by side. Entries call them a and b.
const (
	one   = "a/one"
	two   = "b/two"
	third = "c/three" // is not there
)

var (
	exchangeIDs = [2]string{one, two}
	sideNames   = [2]string{"a", "b"}
	kindNames   = [...]string{core.TransferNone: "first", core.TransferMessage: "message", core.TransferRequest: "request", core.TransferResponse: "response"}
)

// exchange is a call of a that may become an exchange with b, and its record.
type exchange struct {
	in    [2]core.Instance
	peer  core.Instance // b in a's ledger
	hosts [2]*ledgerHost
	most  int
	// The call: handle-message with a payload or, with an outcome, handle-callback.
	payload []byte
	outcome core.RequestID
	failure *core.RequestError
	request bool // the message is a request

	reconciling func(*exchange) // called by Reconcile, if not nil
	panicking   string          // the host panics at an entry that begins so, if not ""

	record   []string // the entries of both hosts, and results
	response []byte   // to the request that a or b handled last
	byTick   bool     // the engine's clock caused the last Reconcile
}

func (x *exchange) note(format string, args ...any) {
	entry := fmt.Sprintf(format, args...)
	x.record = append(x.record, entry)
	if x.panicking != "" && strings.HasPrefix(entry, x.panicking) {
		panic("boom")
	}
}

// calls are numbers of messages, requests and responses.
type calls [3]int

// reconciled is the entry of Reconcile: the current call's side, kind and payload, and
// the counts of the calls that ended, by side.
func reconciled(side int, current core.TransferKind, payload string, ended ...calls) string {
	ended = append(ended, calls{}, calls{})
	return fmt.Sprintf("reconciled: %s's %s %q, ended %v", sideNames[side], kindNames[current], payload, ended[:2])
}

// reconcile records the account of a's ledger.
func (x *exchange) reconcile() (response *[]byte) {
	l := x.hosts[0].ledger
	var ended [2]calls
	begun := 0
	for side, n := range l.Ended {
		ended[side] = calls{n.Messages, n.Requests, n.Responses}
		begun += n.Messages + n.Requests + n.Responses
	}
	if l.Current.Kind != core.TransferNone {
		begun++
	}
	if got, want := l.Progress.Load(), uint32(2*begun+l.Side); got != want {
		x.note("progress is %d, want %d", got, want)
	}
	if l.Current.Kind == core.TransferRequest && l.Current.TimeoutMillis != 5 {
		x.note("timeout is %d", l.Current.TimeoutMillis)
	}
	x.byTick = calledByTick()
	current, open := l.Current.Kind, sentEntry(l.Open) // as long as the ledger is not used again
	l.Open.Kind = core.TransferNone
	x.note("%s", reconciled(l.Side, current, string(l.Current.Payload), ended[:]...))
	if open != "" {
		x.hosts[l.Side].note("%s", open)
	}
	if x.reconciling != nil {
		x.reconciling(x)
	}
	if current == core.TransferRequest {
		return &x.response
	}
	return nil
}

// calledByTick reports whether Go was called because a millisecond of the engine's clock
// has passed: then each guest that runs asks its host.
func calledByTick() bool {
	callers := make([]uintptr, 30)
	frames := runtime.CallersFrames(callers[:runtime.Callers(1, callers)])
	for frame, more := frames.Next(); more; frame, more = frames.Next() {
		if strings.HasSuffix(frame.Function, ".airhostEpoch") {
			return true
		}
	}
	return false
}

// exchangeCase is one exchange and its expected record.
type exchangeCase struct {
	name    string
	first   *script           // of the first call
	change  func(x *exchange) // before the first call
	code    [2]string         // by side; "" is the usual code
	limits  [2]core.Limits
	without [2]bool // a ledger

	want   []string // the entries of both hosts, in this order
	result string   // an error
	answer string   // to the request that was handled last
	// The state of both sides afterwards.
	ended    [2]bool             // the instance has ended
	told     [2]string           // the outcomes that callbacks got, as the guest keeps them
	requests [2][]core.RequestID // the ids of the requests that the guest has sent
}

// run runs the case.
func (c *exchangeCase) run(t *testing.T, components map[string]core.Component) (x *exchange) {
	t.Helper()
	x = &exchange{most: 32}
	if c.first != nil {
		x.payload = c.first.message()
	}
	for side := range x.in {
		in, err := components[c.code[side]].Instantiate(t.Context(), x.environment(c, side))
		must(t, err)
		defer func() { must(t, in.Close()) }()
		x.in[side] = in
	}
	x.peer = x.in[1]
	for side, in := range x.in { // this also begins a guest's time anew, so that it rarely ends below
		must(t, in.HandleMessage(self, new(script).later(new(script).send(exchangeIDs[1-side], "late")).message(), nil))
	}
	if c.change != nil {
		c.change(x)
	}
	x.record = nil
	err := x.call()
	x.note("result: %s, answer %q", errorText(err), x.response)
	for side := range x.in {
		x.after(side, len(c.requests[side]))
	}
	return x
}

// environment makes the host of one side.
func (x *exchange) environment(c *exchangeCase, side int) core.Environment {
	h, id := newLedgerHost(), core.RequestID(70+10*side)
	h.give(&core.Credit{Target: exchangeIDs[1-side], Messages: true, MaxSize: 1 << 20}, id, id+1, id+5)
	h.Calling = func(entry string) { x.note("%s %s", sideNames[side], entry) }
	x.hosts[side] = h
	env := h.environment(c.limits[side])
	env.Ended = func() { x.note("%s ends", sideNames[side]) }
	env.ID, env.Limits.HandlerTime = core.MustComponentID(exchangeIDs[side]), 1<<62
	if c.without[side] {
		env.Ledger = nil
	}
	return env
}

// call makes the call of a, with a ledger that allows the exchange.
func (x *exchange) call() (err error) {
	l := x.hosts[0].ledger
	l.Sides[0].Instance, l.Sides[1], l.Most = x.in[0], x.hosts[1].ledger.Sides[0], x.most
	l.Sides[1].Instance = x.peer
	x.hosts[0].reconciling = x.reconcile
	x.hosts[1].reconciling = func() *[]byte { x.note("the ledger of b"); return nil }
	defer func() {
		x.hosts[0].reconciling, x.hosts[1].reconciling, x.panicking = nil, nil, ""
		l.Most, l.Sides[1] = 0, core.Side{}
	}()
	var response *[]byte
	if x.request {
		response = &x.response
	}
	if x.outcome != 0 {
		return x.in[0].HandleCallback(x.outcome, x.payload, x.failure)
	}
	return x.in[0].HandleMessage(self, x.payload, response)
}

func errorText(err error) string {
	if err == nil {
		return "none"
	}
	return err.Error()
}

// after records the state of one side, which has sent so many requests.
func (x *exchange) after(side, requests int) {
	name, in := sideNames[side], x.in[side]
	if _, err := in.Health(); err != nil {
		x.note("%s has ended", name)
		return
	}
	var told []byte
	err := in.HandleMessage(self, new(script).step("k").message(), &told)
	x.note("%s was told %q, %v", name, told, err)
	s := new(script).send(exchangeIDs[1-side], "after")
	for n := range requests {
		s.cancelSent(n)
	}
	err = in.HandleMessage(self, s.message(), nil)
	x.hosts[side].ended()
	x.note("%s: %v", name, err)
}

// expected is the whole record that x should have.
func (c *exchangeCase) expected(x *exchange) []string {
	result := c.result
	if result == "" {
		result = "none"
	}
	all := append(slices.Clone(c.want), fmt.Sprintf("result: %s, answer %q", result, c.answer))
	for side, name := range sideNames {
		if c.ended[side] {
			all = append(all, name+" has ended")
			continue
		}
		sent := "sent message"
		if credit := x.hosts[side].ledger.Sides[0].Credit; c.without[side] || credit == nil || credit.Target != exchangeIDs[1-side] {
			sent = "send " + exchangeIDs[1-side]
		}
		all = append(all, fmt.Sprintf("%s send %s \"late\"", name, exchangeIDs[1-side]),
			fmt.Sprintf("%s was told %q, <nil>", name, c.told[side]), fmt.Sprintf("%s %s \"after\"", name, sent))
		for _, id := range c.requests[side] {
			all = append(all, fmt.Sprintf("%s cancel %d", name, id))
		}
		all = append(all, name+": <nil>")
	}
	return all
}

// check runs the case. A tick of the engine's clock ends an exchange wherever a guest is
// then: a case that this has changed runs again, with other instances.
func (c *exchangeCase) check(t *testing.T, components map[string]core.Component) {
	t.Helper()
	for range 100 {
		x := c.run(t, components)
		want := c.expected(x)
		if slices.Equal(x.record, want) {
			return
		}
		if !x.byTick {
			t.Errorf("%s: got\n%.300q\nwant\n%.300q", c.name, x.record, want)
			return
		}
	}
	t.Errorf("%s: the clock ticks in each call", c.name)
}

// exchangeComponents are the code of exchangeCase's sides.
func exchangeComponents(t *testing.T) map[string]core.Component {
	t.Helper()
	e := newEngine(t, wasmtime.Config{})
	return map[string]core.Component{
		"":                 compile(t, e, scriptWasm, core.Limits{}),
		"misplaces later":  compile(t, e, withRealloc(t, 6, func(byte) []byte { return []byte{0x41, 0} }), core.Limits{}),
		"traps later":      compile(t, e, withRealloc(t, 6, func(byte) []byte { return []byte{0x00} }), core.Limits{}),
		"misplaces":        compile(t, e, withRealloc(t, 4, func(byte) []byte { return []byte{0x41, 0} }), core.Limits{}),
		"fuel":             compile(t, e, scriptWasm, core.Limits{Fuel: 1}),
		"another engine's": compile(t, newEngine(t, wasmtime.Config{}), scriptWasm, core.Limits{}),
	}
}

// TestExchanges runs the cases of one engine's instances.
func TestExchanges(t *testing.T) {
	components := exchangeComponents(t)
	if size := buffer(t); size != 2048 {
		t.Fatalf("AIRHOST_SMALL is %d; the cases are for 2048", size)
	}
	alive := wasmtime.Alive()
	for i := range exchangeCases {
		exchangeCases[i].check(t, components)
	}
	equal(t, "instances that are alive", wasmtime.Alive(), alive)
}

// TestNoExchange: a call that cannot become an exchange gives the other side back to the
// host before it begins, and is then a call without a credit.
func TestNoExchange(t *testing.T) {
	components := exchangeComponents(t)
	alive := wasmtime.Alive()
	for _, c := range noExchangeCases {
		for _, isOutcome := range []bool{false, true} {
			change := c.change
			c := c
			c.change = func(x *exchange) {
				if change != nil {
					change(x)
				}
				if isOutcome {
					outcome(x)
				}
			}
			c.first = to(1, quiet)
			c.want = []string{reconciled(0, core.TransferNone, ""), `a send b/two "."`}
			if isOutcome {
				c.told[0] = told(0, "!"+text(c.first))
			}
			c.check(t, components)
		}
	}
	for _, c := range noExchangeCalls {
		c.check(t, components)
	}
	equal(t, "instances that are alive", wasmtime.Alive(), alive)
}
