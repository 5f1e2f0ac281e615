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
	"github.com/airhost/airhost/internal/sandbox"
)

// The two that take turns, by side.
const (
	one   = "a/one"
	two   = "b/two"
	third = "c/three" // is not there
)

var (
	sideIDs   = [2]string{one, two}
	sideNames = [2]string{"a", "b"}
	kindNames = [...]string{core.RelayFirst: "first", core.RelayMessage: "message", core.RelayRequest: "request", core.RelayCallback: "callback"}
)

// relayed is one relay and all that comes of it.
type relayed struct {
	relay     core.Relay
	in        [2]core.Relayer
	hosts     [2]*sideHost
	delivery  core.Delivery
	settling  func(*relayed) // what Settle does, if not nil
	panicking string         // the beginning of the entry at which the host panics, if not ""
	alone     bool           // grants are not looked at
	response  []byte
	struck    bool // the relay was settled since the guest's time was up

	seen []string // what the hosts were asked, and what Relay and later calls gave
}

// sideHost is the host of one side. It grants the other one as the target.
type sideHost struct {
	*granter
	r    *relayed
	side int
}

func newSideHost(r *relayed, side int) *sideHost {
	h := &sideHost{granter: newGranter(), r: r, side: side}
	h.grant = &core.Grant{Target: sideIDs[1-side], Message: true, Largest: 1 << 20}
	h.reserved = core.RequestID(70 + 10*side)
	r.relay.Requests[side] = []core.RequestID{h.reserved, h.reserved + 1, h.reserved + 5}
	h.Calling = func(entry string) { r.see("%s %s", sideNames[side], entry) }
	return h
}

func (h *sideHost) Grant() (*core.Grant, core.RequestID) {
	if !h.r.alone {
		h.r.see("%s grants", sideNames[h.side])
	}
	return h.granter.Grant()
}

func (r *relayed) see(format string, args ...any) {
	entry := fmt.Sprintf(format, args...)
	r.seen = append(r.seen, entry)
	if r.panicking != "" && strings.HasPrefix(entry, r.panicking) {
		panic("boom")
	}
}

// calls are messages, requests and callbacks.
type calls [3]int

// settled is how it is seen that a relay is settled: in or after the call of that
// side, for what was sent, where so many calls had ended since the first.
func settled(side int, last core.RelayKind, sent string, ended ...calls) string {
	ended = append(ended, calls{}, calls{})
	return fmt.Sprintf("settled: %s's %s %q, ended %v", sideNames[side], kindNames[last], sent, ended[:2])
}

// settle is Settle.
func (r *relayed) settle() *[]byte {
	b := &r.relay
	var ended [2]calls
	begun := 0
	for side, n := range b.Ended {
		ended[side] = calls{n.Messages, n.Requests, n.Callbacks}
		begun += n.Messages + n.Requests + n.Callbacks
	}
	if b.Last != core.RelayFirst {
		begun++
	}
	if got, want := b.Progress.Load(), uint32(2*begun+b.Side); got != want {
		r.see("progress is %d, want %d", got, want)
	}
	if b.Last == core.RelayRequest && b.TimeoutMillis != 5 {
		r.see("timeout is %d", b.TimeoutMillis)
	}
	r.struck = outOfTime()
	r.see("%s", settled(b.Side, b.Last, string(b.Payload), ended[:]...))
	if r.settling != nil {
		r.settling(r)
	}
	if b.Last == core.RelayRequest {
		return &r.response
	}
	return nil
}

// outOfTime reports whether its caller was called since a millisecond of the
// engine's clock has passed, at which every guest that runs asks its host.
func outOfTime() bool {
	callers := make([]uintptr, 30)
	frames := runtime.CallersFrames(callers[:runtime.Callers(1, callers)])
	for frame, more := frames.Next(); more; frame, more = frames.Next() {
		if strings.HasSuffix(frame.Function, ".airhostEpoch") {
			return true
		}
	}
	return false
}

// relayCase is what happens in one relay.
type relayCase struct {
	name   string
	first  *script          // what the first call does
	change func(r *relayed) // before it
	code   [2]string        // of the sides; "" is the usual code
	limits [2]core.Limits
	plain  [2]bool // whose host does not grant
	// What the hosts are asked, in this order, and what Relay returns.
	asked  []string
	result string // an error
	answer string // to the request that is last
	// How both are then.
	over [2]bool             // which of them has ended
	told [2]string           // what callbacks were told, as the guest has it
	ids  [2][]core.RequestID // under which each has sent requests
}

// run has the case happen; r.seen is all that is seen of it.
func (c *relayCase) run(t *testing.T, components map[string]core.Component) (r *relayed) {
	t.Helper()
	r = &relayed{}
	r.relay.Settle, r.relay.Most = r.settle, 32
	for side := range r.in {
		r.hosts[side] = newSideHost(r, side)
		env := core.Environment{ID: core.MustComponentID(sideIDs[side]), Host: r.hosts[side], Limits: c.limits[side]}
		env.Limits.HandlerTime = 1 << 62
		if c.plain[side] {
			env.Host = struct{ core.Services }{r.hosts[side]}
		}
		in, err := components[c.code[side]].Instantiate(t.Context(), env)
		must(t, err)
		defer func() { must(t, in.Close()) }()
		r.in[side] = in.(core.Relayer)
	}
	r.relay.Instances = r.in
	message := core.NewMessage(nil)
	message.Sender = self
	if c.first != nil {
		message.Payload = c.first.message()
	}
	r.delivery.Message = message
	for side, in := range r.in { // its time begins anew, and so rarely is up in what follows
		must(t, in.HandleMessage(self, new(script).later(new(script).send(sideIDs[1-side], "late")).message(), nil))
	}
	if c.change != nil {
		c.change(r)
	}
	r.seen = nil
	err := r.in[0].Relay(r.delivery, &r.relay)
	r.panicking, r.alone = "", true
	r.see("result: %s, answer %q", said(err), r.response)
	for side := range r.in {
		r.after(side, len(c.ids[side]))
	}
	return r
}

func said(err error) string {
	if err == nil {
		return "none"
	}
	return err.Error()
}

// after tries what is left of a side.
func (r *relayed) after(side, requests int) {
	name, in := sideNames[side], r.in[side]
	if _, err := in.Health(); err != nil {
		r.see("%s is over", name)
		return
	}
	var told []byte
	err := in.HandleMessage(self, new(script).step("k").message(), &told)
	r.see("%s was told %q, %v", name, told, err)
	s := new(script).send(sideIDs[1-side], "after")
	for n := range requests {
		s.cancelSent(n)
	}
	r.see("%s: %v", name, in.HandleMessage(self, s.message(), nil))
}

// want is what is to be seen of r.
func (c *relayCase) want(r *relayed) []string {
	result := c.result
	if result == "" {
		result = "none"
	}
	all := append(slices.Clone(c.asked), fmt.Sprintf("result: %s, answer %q", result, c.answer))
	for side, name := range sideNames {
		if c.over[side] {
			all = append(all, name+" is over")
			continue
		}
		sent := "granted send"
		if grant := r.hosts[side].grant; c.plain[side] || grant == nil || grant.Target != sideIDs[1-side] {
			sent = "send " + sideIDs[1-side]
		}
		all = append(all, fmt.Sprintf("%s send %s \"late\"", name, sideIDs[1-side]),
			fmt.Sprintf("%s was told %q, <nil>", name, c.told[side]), fmt.Sprintf("%s %s \"after\"", name, sent))
		for _, id := range c.ids[side] {
			all = append(all, fmt.Sprintf("%s cancel %d", name, id))
		}
		all = append(all, name+": <nil>")
	}
	return all
}

// text is a script as it is sent.
func text(s *script) string { return string(s.message()) }

var (
	quiet  = new(script)
	nobody = &core.Grant{Target: third, Message: true, Largest: largest}
)

// to has its guest send a script to a side.
func to(side int, then *script) *script { return new(script).send(sideIDs[side], text(then)) }

// ask has its guest request something of a side.
func ask(side int, then *script) *script { return new(script).request(sideIDs[side], text(then), 5) }

// hops is a script of a side: so many messages to and fro, and then what the last
// one says.
func hops(n, side int, last *script) *script {
	if n == 0 {
		return last
	}
	return to(1-side, hops(n-1, 1-side, last))
}

// asks is a script of a side: so many requests, each but the first out of the
// callback of the one before; the last one's response is given.
func asks(n, side int, last string) *script {
	if n == 1 {
		return ask(1-side, new(script).echo(last))
	}
	return ask(1-side, new(script).echo("!"+text(asks(n-1, side, last))))
}

// long is a script that responds with more bytes than it has: 2n+more.
func long(n, more int) *script {
	s := new(script).echo(strings.Repeat("x", n))
	s.steps, s.names = append(s.steps, s.steps...), append(s.names, s.names[0]+len(s.steps))
	return s.echo(strings.Repeat("x", more))
}

// told is how the guest keeps what a callback was told: the n-th request's
// response, of which it keeps the beginning.
func told(n int, response string) string {
	response = response[:min(len(response), 100)]
	return string([]byte{byte(n), 0, byte(len(response))}) + response
}

// outcome has the first call be a callback, of the request that was sent as 0-th, with
// the script as its response.
func outcome(r *relayed) {
	if err := r.in[0].HandleMessage(self, new(script).request(third, "x", 5).message(), nil); err != nil {
		panic(err)
	}
	r.delivery.Outcome, r.delivery.Message.Correlation = true, r.hosts[0].ID
	r.delivery.Message.Payload = append([]byte("!"), r.delivery.Message.Payload...)
}

func most(n int) func(*relayed) { return func(r *relayed) { r.relay.Most = n } }

// ids has a side have these ids for its requests.
func ids(side int, all ...core.RequestID) func(*relayed) {
	return func(r *relayed) { r.relay.Requests[side], r.hosts[side].reserved = all, all[0] }
}

func grants(side int, grant *core.Grant) func(*relayed) {
	return func(r *relayed) { r.hosts[side].grant = grant }
}

func panics(entry string) func(*relayed) { return func(r *relayed) { r.panicking = entry } }

// interrupts has Settle interrupt whose call is the last, or the other one.
func interrupts(last bool) func(*relayed) {
	return func(r *relayed) {
		r.settling = func(r *relayed) {
			side := r.relay.Side
			if !last {
				side = 1 - side
			}
			r.in[side].Interrupt()
		}
	}
}

// responds has the first one respond to a request before.
func responds(r *relayed) {
	if err := r.in[0].HandleMessage(self, quiet.message(), &r.response); err != nil {
		panic(err)
	}
}

// closesLast has Settle try to close the one whose call is the last.
func closesLast(r *relayed) {
	r.settling = func(r *relayed) { r.see("%s: %v", sideNames[r.relay.Side], r.in[r.relay.Side].Close()) }
}

// closes has Settle close the one whose call is not the last.
func closes(r *relayed) {
	r.settling = func(r *relayed) {
		if err := r.in[1-r.relay.Side].Close(); err != nil {
			r.see("close: %v", err)
		}
	}
}

// after is what both hosts are asked before the first call, and then what follows.
func after(then ...string) []string { return append([]string{"a grants", "b grants"}, then...) }

const (
	trapped = "trapped: fault: unreachable"
	stopped = "trapped: handler-time: the host interrupted it"
	boom    = "trapped: fault: the host panicked: boom"
)

// relayCases are relays of one engine's instances. Those which are settled within a
// call are settled before the host is asked for what that call asks for.
var relayCases = []relayCase{
	{name: "nothing is sent", first: new(script).step("ni"), asked: after(settled(0, core.RelayFirst, ""))},
	{name: "a message", first: to(1, quiet), asked: after(settled(1, core.RelayMessage, "."))},
	{name: "an empty message", first: new(script).send(two, ""), asked: after(settled(1, core.RelayMessage, ""))},
	{name: "a message to and fro", first: hops(2, 0, quiet),
		asked: after(settled(0, core.RelayMessage, ".", calls{}, calls{1, 0, 0}))},
	{name: "messages to and fro", first: hops(5, 0, quiet),
		asked: after(settled(1, core.RelayMessage, ".", calls{2, 0, 0}, calls{2, 0, 0}))},
	{name: "the sender of the first", first: new(script).before("l", len("bench/guest")),
		asked: after(settled(0, core.RelayFirst, ""), `a log info "bench/guest"`)},
	{name: "the senders of the others", first: to(1, to(0, new(script).before("l", len(two)))),
		asked: after(settled(0, core.RelayMessage, text(new(script).before("l", len(two))), calls{}, calls{1, 0, 0}), `a log info "b/two"`)},
	{name: "the sender of a request", first: ask(1, new(script).before("e", len(one))),
		asked: after(settled(0, core.RelayCallback, "", calls{}, calls{0, 1, 0})),
		told:  [2]string{told(0, one)}, ids: [2][]core.RequestID{{70}}},
	{name: "what is answered in C", first: new(script).step("ni").send(two, text(new(script).step("ni").send(one, text(new(script).step("ni"))))),
		asked: after(settled(0, core.RelayMessage, text(new(script).step("ni")), calls{}, calls{1, 0, 0}))},

	{name: "no call more", first: hops(4, 0, quiet), change: most(0),
		asked: after(settled(0, core.RelayFirst, ""), fmt.Sprintf("a granted send %q", text(hops(3, 1, quiet))))},
	{name: "one call more", first: hops(4, 0, quiet), change: most(1),
		asked: after(settled(1, core.RelayMessage, text(hops(3, 1, quiet))), fmt.Sprintf("b granted send %q", text(hops(2, 0, quiet))))},
	{name: "two calls more", first: hops(4, 0, quiet), change: most(2),
		asked: after(settled(0, core.RelayMessage, text(hops(2, 0, quiet)), calls{}, calls{1, 0, 0}), fmt.Sprintf("a granted send %q", text(hops(1, 1, quiet))))},
	{name: "no call more for a request", first: asks(1, 0, "yes"), change: most(0), ids: [2][]core.RequestID{{70}},
		asked: after(settled(0, core.RelayFirst, ""), fmt.Sprintf("a granted request %q 5 ms", text(new(script).echo("yes"))))},
	{name: "no call more for a response", first: asks(1, 0, "yes"), change: most(1), ids: [2][]core.RequestID{{70}},
		asked: after(settled(1, core.RelayRequest, text(new(script).echo("yes")))), answer: "yes"},

	{name: "a request", first: asks(1, 0, "yes"), ids: [2][]core.RequestID{{70}}, told: [2]string{told(0, "yes")},
		asked: after(settled(0, core.RelayCallback, "", calls{}, calls{0, 1, 0}))},
	{name: "a request without a response's bytes", first: ask(1, quiet), ids: [2][]core.RequestID{{70}}, told: [2]string{told(0, "")},
		asked: after(settled(0, core.RelayCallback, "", calls{}, calls{0, 1, 0}))},
	{name: "a request of the other one", first: to(1, asks(1, 1, "yes")), ids: [2][]core.RequestID{nil, {80}}, told: [2]string{"", told(0, "yes")},
		asked: after(settled(1, core.RelayCallback, "", calls{0, 1, 0}, calls{1, 0, 0}))},
	{name: "several requests", first: asks(3, 0, "yes"), ids: [2][]core.RequestID{{70, 71, 75}},
		told:  [2]string{told(0, "!"+text(asks(2, 0, "yes"))) + told(1, "!"+text(asks(1, 0, "yes"))) + told(2, "yes")},
		asked: after(settled(0, core.RelayCallback, "", calls{0, 0, 2}, calls{0, 3, 0}))},
	{name: "requests of both", first: ask(1, new(script).echo("!"+text(to(1, asks(1, 1, "yes"))))), ids: [2][]core.RequestID{{70}, {80}},
		told:  [2]string{told(0, "!"+text(to(1, asks(1, 1, "yes")))), told(0, "yes")},
		asked: after(settled(1, core.RelayCallback, "", calls{0, 1, 1}, calls{1, 1, 0}))},
	{name: "one request more than ids", first: asks(3, 0, "yes"), change: ids(0, 72, 73), ids: [2][]core.RequestID{{72, 73, 7}},
		told: [2]string{told(0, "!"+text(asks(2, 0, "yes"))) + told(1, "!"+text(asks(1, 0, "yes")))},
		asked: after(settled(0, core.RelayCallback, "", calls{0, 0, 1}, calls{0, 2, 0}),
			fmt.Sprintf("a request b/two %q 5 ms", text(new(script).echo("yes"))))},
	{name: "no ids", first: asks(1, 0, "yes"), change: func(r *relayed) { r.hosts[0].reserved, r.relay.Requests[0] = 0, nil },
		ids:   [2][]core.RequestID{{7}},
		asked: after(settled(0, core.RelayFirst, ""), fmt.Sprintf("a request b/two %q 5 ms", text(new(script).echo("yes"))))},
	{name: "a message out of a callback", first: ask(1, new(script).echo("!"+text(to(1, quiet)))), ids: [2][]core.RequestID{{70}},
		told:  [2]string{told(0, "!"+text(to(1, quiet)))},
		asked: after(settled(1, core.RelayMessage, ".", calls{0, 0, 1}, calls{0, 1, 0}))},

	{name: "an answer that is an error", first: ask(1, new(script).step("f")), ids: [2][]core.RequestID{{70}},
		asked: after(settled(1, core.RelayRequest, text(new(script).step("f")))), result: failed},
	{name: "a message that fails", first: to(1, to(0, new(script).step("f"))),
		asked: after(settled(0, core.RelayMessage, text(new(script).step("f")), calls{}, calls{1, 0, 0})), result: failed},
	{name: "a first call that fails", first: to(1, quiet).step("f"),
		asked: after(settled(0, core.RelayFirst, ""), `a granted send "."`), result: failed},
	{name: "a callback that fails", first: ask(1, new(script).echo("!f")), ids: [2][]core.RequestID{{70}}, told: [2]string{told(0, "!f")},
		asked: after(settled(0, core.RelayCallback, "", calls{}, calls{0, 1, 0})), result: failed},

	{name: "the largest response that C holds", first: ask(1, long(1000, 48)), ids: [2][]core.RequestID{{70}}, told: [2]string{told(0, strings.Repeat("x", 2048))},
		asked: after(settled(0, core.RelayCallback, "", calls{}, calls{0, 1, 0}))},
	{name: "a larger one", first: ask(1, long(1000, 49)), ids: [2][]core.RequestID{{70}},
		asked: after(settled(1, core.RelayRequest, text(long(1000, 49)))), answer: strings.Repeat("x", 2049)},
	{name: "a response as large as either may have", first: ask(1, long(100, 0)), limits: limits(200, 200), ids: [2][]core.RequestID{{70}},
		asked: after(settled(0, core.RelayCallback, "", calls{}, calls{0, 1, 0})), told: [2]string{told(0, strings.Repeat("x", 100))}},
	{name: "a response larger than the other one's may be", first: ask(1, long(50, 1)), limits: limits(1000, 100), ids: [2][]core.RequestID{{70}},
		asked: after(settled(1, core.RelayRequest, text(long(50, 1)))), result: "failed: the response has 101 bytes, allowed are 100 (quota.message_size)"},
	{name: "a response larger than its own may be", first: ask(1, long(50, 1)), limits: limits(100, 1000), ids: [2][]core.RequestID{{70}},
		asked: after(settled(1, core.RelayRequest, text(long(50, 1)))), answer: strings.Repeat("x", 101)},

	{name: "a response that nobody wants", first: to(1, long(1000, 49).send(one, ".")),
		asked: after(settled(0, core.RelayMessage, ".", calls{}, calls{1, 0, 0}))},

	{name: "a response that nobody wants any more", first: long(1000, 49).send(two, "."), change: responds,
		asked: after(settled(1, core.RelayMessage, "."))},
	{name: "a relay that was used before", first: quiet, asked: after(settled(0, core.RelayFirst, "")), change: func(r *relayed) {
		r.relay.Payload, r.relay.Side, r.relay.Last, r.relay.Ended[1].Messages = []byte("x"), 1, core.RelayRequest, 1
	}},

	{name: "a message out of a request", first: ask(1, to(0, quiet).echo("yes")), ids: [2][]core.RequestID{{70}},
		asked: after(settled(1, core.RelayRequest, text(to(0, quiet).echo("yes"))), `b granted send "."`), answer: ok + "yes"},
	{name: "a request out of a request", first: ask(1, ask(0, quiet).echo("yes")), ids: [2][]core.RequestID{{70}, {80}},
		asked:  after(settled(1, core.RelayRequest, text(ask(0, quiet).echo("yes"))), `b granted request "." 5 ms`),
		answer: request(80) + "yes"},
	{name: "a second message", first: to(1, quiet).send(two, "again"),
		asked: after(settled(0, core.RelayFirst, ""), `a granted send "."`, `a send b/two "again"`)},
	{name: "a second request", first: ask(1, quiet).request(two, "again", 5), ids: [2][]core.RequestID{{70, 7}},
		asked: after(settled(0, core.RelayFirst, ""), `a granted request "." 5 ms`, `a request b/two "again" 5 ms`)},
	{name: "a second message of the other one", first: to(1, to(0, quiet).send(one, "again")),
		asked: after(settled(1, core.RelayMessage, text(to(0, quiet).send(one, "again"))), `b granted send "."`, `b send a/one "again"`)},
	{name: "a log line", first: to(1, quiet).log("x"),
		asked: after(settled(0, core.RelayFirst, ""), `a granted send "."`, `a log info "x"`)},
	{name: "a log line of the other one", first: to(1, to(0, quiet).log("x")),
		asked: after(settled(1, core.RelayMessage, text(to(0, quiet).log("x"))), `b granted send "."`, `b log info "x"`)},
	{name: "a log line of a callback", first: ask(1, new(script).echo("!"+text(new(script).log("x")))), ids: [2][]core.RequestID{{70}},
		told:  [2]string{told(0, "!"+text(new(script).log("x")))},
		asked: after(settled(0, core.RelayCallback, "", calls{}, calls{0, 1, 0}), `a log info "x"`)},
	{name: "a response after a log line", first: ask(1, new(script).log("x").echo("yes")), ids: [2][]core.RequestID{{70}},
		asked: after(settled(1, core.RelayRequest, text(new(script).log("x").echo("yes"))), `b log info "x"`), answer: "yes"},
	{name: "a request that is canceled", first: ask(1, quiet).cancelSent(0), ids: [2][]core.RequestID{{70}},
		asked: after(settled(0, core.RelayFirst, ""), `a granted request "." 5 ms`, `a cancel 70`)},
	{name: "the other one closed meanwhile", first: to(1, new(script).log("x").send(one, "y")), change: closes, over: [2]bool{true, false},
		asked: after(settled(1, core.RelayMessage, text(new(script).log("x").send(one, "y"))), `b log info "x"`, `b send a/one "y"`)},
	{name: "the other one closed at the end", first: hops(2, 0, quiet), change: closes, over: [2]bool{false, true},
		asked: after(settled(0, core.RelayMessage, ".", calls{}, calls{1, 0, 0}))},

	{name: "closed within its own call", first: to(1, new(script).log("x")), change: closesLast,
		asked: after(settled(1, core.RelayMessage, text(new(script).log("x"))), "b: wasmtime: close an instance: "+sandbox.ErrReentered.Error(), `b log info "x"`)},

	{name: "a third one", first: new(script).send(third, "x"), asked: after(settled(0, core.RelayFirst, ""), `a send c/three "x"`)},
	{name: "a third one of the other one's", first: to(1, new(script).send(third, "x")),
		asked: after(settled(1, core.RelayMessage, text(new(script).send(third, "x"))), `b send c/three "x"`)},
	{name: "a grant for a third one", first: new(script).send(third, "x"), change: grants(0, nobody),
		asked: after(settled(0, core.RelayFirst, ""), `a granted send "x"`)},
	{name: "a grant of the other one's for a third one", first: to(1, new(script).send(third, "x")), change: grants(1, nobody),
		asked: after(settled(1, core.RelayMessage, text(new(script).send(third, "x"))), `b granted send "x"`)},
	{name: "a request by a grant for a third one", first: to(1, new(script).request(third, "x", 5)), change: grants(1, nobody), ids: [2][]core.RequestID{nil, {80}},
		asked: after(settled(1, core.RelayMessage, text(new(script).request(third, "x", 5))), `b granted request "x" 5 ms`)},
	{name: "no grant", first: to(1, quiet), change: grants(0, nil), asked: after(settled(0, core.RelayFirst, ""), `a send b/two "."`)},
	{name: "no grant of the other one's", first: hops(2, 0, quiet), change: grants(1, nil),
		asked: after(settled(1, core.RelayMessage, text(to(0, quiet))), `b send a/one "."`)},

	{name: "a trap", first: to(1, quiet).step("x"), over: [2]bool{true, false},
		asked: after(settled(0, core.RelayFirst, ""), `a granted send "."`), result: trapped},
	{name: "a trap of the other one", first: to(1, to(0, quiet).step("x")), over: [2]bool{false, true},
		asked: after(settled(1, core.RelayMessage, text(to(0, quiet).step("x"))), `b granted send "."`), result: trapped},
	{name: "a trap in a request", first: ask(1, new(script).step("x")), over: [2]bool{false, true}, ids: [2][]core.RequestID{{70}},
		asked: after(settled(1, core.RelayRequest, text(new(script).step("x")))), result: trapped},
	{name: "a trap in a callback", first: ask(1, new(script).echo("!x")), over: [2]bool{true, false},
		asked: after(settled(0, core.RelayCallback, "", calls{}, calls{0, 1, 0})), result: trapped},
	{name: "a trap in the last call", first: to(1, new(script).step("x")), change: most(1), over: [2]bool{false, true},
		asked: after(settled(1, core.RelayMessage, text(new(script).step("x")))), result: trapped},

	{name: "no place for a message", first: to(1, quiet), code: [2]string{"", "misplaces"}, over: [2]bool{false, true},
		asked: after(settled(1, core.RelayMessage, ".")), result: "trapped: abi: cabi_realloc returned 0 for 5 bytes"},

	{name: "interrupted before", first: to(1, quiet), change: func(r *relayed) { r.in[0].Interrupt() }, over: [2]bool{true, false},
		asked: []string{settled(0, core.RelayFirst, "")}, result: stopped},
	{name: "interrupted without an end", first: to(1, quiet).step("o"), change: interrupts(true), over: [2]bool{true, false},
		asked: after(settled(0, core.RelayFirst, ""), `a granted send "."`), result: stopped},
	{name: "the other one interrupted without an end", first: to(1, to(0, quiet).step("o")), change: interrupts(true), over: [2]bool{false, true},
		asked: after(settled(1, core.RelayMessage, text(to(0, quiet).step("o"))), `b granted send "."`), result: stopped},
	{name: "interrupted in a request without an end", first: ask(1, new(script).step("o")), change: interrupts(true), over: [2]bool{false, true},
		ids:   [2][]core.RequestID{{70}},
		asked: after(settled(1, core.RelayRequest, text(new(script).step("o")))), result: stopped},
	{name: "interrupted in a callback without an end", first: ask(1, new(script).echo("!o")), change: interrupts(true), over: [2]bool{true, false},
		asked: after(settled(0, core.RelayCallback, "", calls{}, calls{0, 1, 0})), result: stopped},
	{name: "interrupted at the end", first: to(1, quiet), change: interrupts(true), over: [2]bool{false, true},
		asked: after(settled(1, core.RelayMessage, ".")), result: stopped},
	{name: "the one that waits interrupted", first: to(1, quiet), change: interrupts(false), over: [2]bool{true, false},
		asked: after(settled(1, core.RelayMessage, "."))},

	{name: "an outcome first", first: hops(2, 0, quiet), change: outcome, told: [2]string{told(0, "!"+text(hops(2, 0, quiet)))},
		asked: after(settled(0, core.RelayMessage, ".", calls{}, calls{1, 0, 0}))},
	{name: "an outcome and a request", first: asks(1, 0, "yes"), change: outcome, ids: [2][]core.RequestID{{7, 70}},
		told:  [2]string{told(0, "!"+text(asks(1, 0, "yes"))) + told(1, "yes")},
		asked: after(settled(0, core.RelayCallback, "", calls{}, calls{0, 1, 0}))},
	{name: "an outcome that traps", first: new(script).step("x"), change: outcome, over: [2]bool{true, false},
		asked: after(settled(0, core.RelayFirst, "")), result: trapped},

	{name: "a panic of Grant", first: to(1, quiet), change: panics("a grants"), over: [2]bool{true, false},
		asked: []string{"a grants", settled(0, core.RelayFirst, "")}, result: boom},
	{name: "a panic of the other one's Grant", first: to(1, quiet), change: panics("b grants"), over: [2]bool{false, true},
		asked: after(settled(0, core.RelayFirst, ""), `a granted send "."`)},
	{name: "a panic of Settle", first: quiet, change: panics("settled"), over: [2]bool{true, false},
		asked: after(settled(0, core.RelayFirst, "")), result: boom},
	{name: "a panic of Settle within a call", first: to(1, quiet).log("x"), change: panics("settled"), over: [2]bool{true, false},
		asked: after(settled(0, core.RelayFirst, ""), `a granted send "."`), result: boom},
	{name: "a panic of Settle within the other one's call", first: to(1, new(script).log("x")), change: panics("settled"), over: [2]bool{false, true},
		asked: after(settled(1, core.RelayMessage, text(new(script).log("x")))), result: boom},
	{name: "a panic of SendGranted", first: to(1, quiet), change: func(r *relayed) { most(0)(r); panics("a granted")(r) }, over: [2]bool{true, false},
		asked: after(settled(0, core.RelayFirst, ""), `a granted send "."`), result: boom},
	{name: "a panic of the other one's SendGranted", first: to(1, to(0, quiet).log("x")), change: panics("b granted"), over: [2]bool{false, true},
		asked: after(settled(1, core.RelayMessage, text(to(0, quiet).log("x"))), `b granted send "."`), result: boom},
	{name: "a panic of the other one's RequestGranted", first: to(1, ask(0, quiet)), change: func(r *relayed) { most(1)(r); panics("b granted")(r) },
		over:  [2]bool{false, true},
		asked: after(settled(1, core.RelayMessage, text(ask(0, quiet))), `b granted request "." 5 ms`), result: boom},
}

const failed = "failed: it was told to"

// limits bound both sides' messages, in bytes.
func limits(a, b int) [2]core.Limits {
	return [2]core.Limits{{MessageSize: a}, {MessageSize: b}}
}

// aloneCases are handled by the first one alone.
var aloneCases = []relayCase{
	{name: "two engines", code: [2]string{"", "another engine's"}},
	{name: "fuel", code: [2]string{"fuel", ""}, limits: [2]core.Limits{{Fuel: 1 << 20}, {}}},
	{name: "fuel of the other one", code: [2]string{"", "fuel"}, limits: [2]core.Limits{{}, {Fuel: 1 << 20}}},
	{name: "the other one is no instance of the engine", change: func(r *relayed) { r.relay.Instances[1] = struct{ core.Relayer }{r.in[1]} }},
	{name: "the other one's host does not grant", plain: [2]bool{false, true}},
	{name: "the other one has trapped", over: [2]bool{false, true}, change: func(r *relayed) { _ = r.in[1].HandleMessage(self, []byte("x"), nil) }},
	{name: "the other one was interrupted", over: [2]bool{false, true}, change: func(r *relayed) { r.in[1].Interrupt() }},
	{name: "the other one is closed", over: [2]bool{false, true}, change: func(r *relayed) { _ = r.in[1].Close() }},
}

func TestRelay(t *testing.T) {
	components := relayComponents(t)
	if size := buffer(t); size != 2048 {
		t.Fatalf("AIRHOST_SMALL is %d; the cases are for 2048", size)
	}
	alive := wasmtime.Alive()
	for i := range relayCases {
		relayCases[i].check(t, components)
	}
	equal(t, "instances that are alive", wasmtime.Alive(), alive)
}

// TestNotRelayed: what cannot be relayed is handled, and the relay settled before.
func TestNotRelayed(t *testing.T) {
	components := relayComponents(t)
	alive := wasmtime.Alive()
	for _, c := range aloneCases {
		change := c.change
		for _, isOutcome := range []bool{false, true} {
			c.change = func(r *relayed) {
				if change != nil {
					change(r)
				}
				if r.alone = true; isOutcome {
					outcome(r)
				}
			}
			c.first, c.told = to(1, quiet), [2]string{}
			c.asked = []string{settled(0, core.RelayFirst, ""), `a granted send "."`}
			if isOutcome {
				c.told[0] = told(0, "!"+text(c.first))
			}
			c.check(t, components)
		}
	}
	for _, c := range []relayCase{
		{name: "its host does not grant", first: to(1, quiet), plain: [2]bool{true, false}, change: func(r *relayed) { r.alone = true },
			asked: []string{settled(0, core.RelayFirst, ""), `a send b/two "."`}},
		{name: "a failure", change: func(r *relayed) {
			r.alone, r.delivery.Outcome = true, true
			r.delivery.Message.Failure = &core.RequestError{Reason: core.ReasonTimeout}
		}, asked: []string{settled(0, core.RelayFirst, "")}, told: [2]string{"\x00\x01\x07timeout"}},
		{name: "it has trapped", first: to(1, quiet), change: func(r *relayed) { _ = r.in[0].HandleMessage(self, []byte("x"), nil) },
			over: [2]bool{true, false}, asked: []string{settled(0, core.RelayFirst, "")}, result: trapped},
		{name: "it is closed", first: to(1, quiet), change: func(r *relayed) { _ = r.in[0].Close() },
			over: [2]bool{true, false}, asked: []string{settled(0, core.RelayFirst, "")}, result: core.ErrClosed.Error()},
	} {
		c.check(t, components)
	}
	equal(t, "instances that are alive", wasmtime.Alive(), alive)
}

// check has the case happen. A guest that runs as the engine's clock ticks may have
// its relay settled at any place, which happens at random: then the case is tried
// once more, with other instances.
func (c *relayCase) check(t *testing.T, components map[string]core.Component) {
	t.Helper()
	for range 100 {
		r := c.run(t, components)
		want := c.want(r)
		if slices.Equal(r.seen, want) {
			return
		}
		if !r.struck {
			t.Errorf("%s: got\n%.300q\nwant\n%.300q", c.name, r.seen, want)
			return
		}
	}
	t.Errorf("%s: the clock ticks in each call", c.name)
}

// relayComponents are the code of relayCase's sides.
func relayComponents(t *testing.T) map[string]core.Component {
	t.Helper()
	e := newEngine(t, wasmtime.Config{})
	return map[string]core.Component{
		"":                 compile(t, e, scriptWasm, core.Limits{}),
		"misplaces":        compile(t, e, withRealloc(t, 2, func(byte) []byte { return []byte{0x41, 0} }), core.Limits{}),
		"fuel":             compile(t, e, scriptWasm, core.Limits{Fuel: 1}),
		"another engine's": compile(t, newEngine(t, wasmtime.Config{}), scriptWasm, core.Limits{}),
	}
}

func TestRelaysDoNotAllocate(t *testing.T) {
	c := compile(t, newEngine(t, wasmtime.Config{}), scriptWasm, core.Limits{})
	var r core.Relay
	for side, id := range sideIDs {
		host := newGenerous()
		host.grant.Target = sideIDs[1-side]
		in, err := c.Instantiate(t.Context(), core.Environment{ID: core.MustComponentID(id), Host: host})
		must(t, err)
		t.Cleanup(func() { must(t, in.Close()) })
		r.Instances[side] = in.(core.Relayer)
		r.Requests[side] = make([]core.RequestID, 20)
		for i := range r.Requests[side] {
			r.Requests[side][i] = core.RequestID(i + 1)
		}
	}
	r.Most = 20
	handled, response := 0, make([]byte, 0, 1<<10)
	r.Settle = func() *[]byte {
		for _, n := range r.Ended {
			handled += n.Messages + n.Requests + n.Callbacks
		}
		response = response[:0]
		return &response
	}
	for what, first := range map[string]*script{"messages": hops(20, 0, quiet), "requests": asks(8, 0, "yes")} {
		payload := first.message()
		for _, d := range []core.Delivery{
			{Message: &core.Message{Sender: self, Payload: payload}},
			{Message: &core.Message{Correlation: 60, Payload: append([]byte("!"), payload...)}, Outcome: true},
		} {
			handled = 0
			if n := testing.AllocsPerRun(100, func() { must(t, r.Instances[0].Relay(d, &r)) }); n != 0 {
				t.Errorf("%s, an outcome: %v: got %v allocations, want none", what, d.Outcome, n)
			}
			if handled == 0 {
				t.Errorf("%s, an outcome: %v: nothing was relayed", what, d.Outcome)
			}
		}
	}
}
