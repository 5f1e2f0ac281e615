package enginetest

import (
	"fmt"
	"slices"
	"unsafe"

	"github.com/airhost/airhost/core"
)

// ledgerPromises are those of engines that keep a ledger.
var ledgerPromises = []promise{
	{"ledger-open", "what the credit covers is answered without a call of the host, and left open in the host's memory", testLedgerOpen},
	{"ledger-uncovered", "what the credit does not cover reaches the host, and nothing is left open", testLedgerUncovered},
	{"ledger-once", "Reconcile comes before a second message of a call, which reaches the host", testLedgerOnce},
	{"ledger-services", "Reconcile comes before any other service, after which the ledger allows nothing", testLedgerServices},
	{"ledger-failure", "a message is left open when the call fails or traps", testLedgerFailure},
	{"ledger-outside", "the ledger allows nothing in other calls than handle-message and handle-callback", testLedgerOutside},
}

// ledgerTarget is the target of the credit.
const ledgerTarget = "suite/tgt"

// keeper makes an instance of the actor with a ledger. The services record each
// Reconcile. It returns nil if the engine keeps no ledger.
func (t *trial) keeper() (core.Instance, *Services, *core.Ledger) {
	t.Helper()
	c := t.theActor()
	if !c.Traits().KeepsLedger {
		return nil, nil, nil
	}
	host := &Services{}
	var l *core.Ledger
	l = core.NewLedger(func() *[]byte {
		host.record("reconcile %s", opened(l))
		l.Open.Kind = core.TransferNone
		return nil
	})
	l.Sides[0] = core.Side{Credit: &core.Credit{Target: ledgerTarget, Messages: true, MaxSize: 40}, Requests: []core.RequestID{1<<63 + 7}}
	in, err := c.Instantiate(t.Context(), core.Environment{ID: self, Host: host, Timers: host, Functions: host, KeyValue: host, Publisher: host, Ledger: l, Limits: patient(core.Limits{})})
	t.must("make an instance", err)
	t.cleanups = append(t.cleanups, func() { t.must("close an instance", in.Close()) })
	t.ask(in, "e") // an engine may answer nothing in an instance's first call
	return in, host, l
}

// opened returns the open message or request as text.
func opened(l *core.Ledger) string {
	switch l.Open.Kind {
	case core.TransferNone:
		return "nothing"
	case core.TransferMessage:
		return fmt.Sprintf("send %q", l.Open.Payload)
	}
	return fmt.Sprintf("request %q %d ms", l.Open.Payload, l.Open.TimeoutMillis)
}

// sends is the command that sends a message, and requests the one that sends a request.
func sends(target, message string) []byte {
	return bytesOf("s", byte(len(target)), target, message)
}

func requests(target, request string, timeout uint64) []byte {
	return bytesOf("r", timeout, byte(len(target)), target, request)
}

// several is the command that obeys several commands.
func several(commands ...[]byte) []byte {
	all := []byte{'m'}
	for _, command := range commands {
		all = bytesOf(all, byte(len(command)), command)
	}
	return all
}

func testLedgerOpen(t *trial) {
	in, host, l := t.keeper()
	if in == nil {
		return
	}
	buffer := make([]byte, 5, 64)
	for i := range 3 { // each call has the credit anew
		l.Open.Payload = buffer
		text := fmt.Sprint("a message ", i)
		want(t, "answer of send-message", t.ask(in, sends(ledgerTarget, text)), []byte{0})
		want(t, "what is open", opened(l), fmt.Sprintf("send %q", text))
		want(t, "that it is in the host's memory", unsafe.SliceData(l.Open.Payload) == unsafe.SliceData(buffer), true)
		l.Open.Kind = core.TransferNone
		id := l.Sides[0].Requests[0]
		want(t, "answer of send-request", t.ask(in, requests(ledgerTarget, text, 86_400_000)), bytesOf(byte(0), uint64(id)))
		want(t, "what is open", opened(l), fmt.Sprintf("request %q 86400000 ms", text))
		l.Open.Kind = core.TransferNone
		want(t, "answer of an empty message", t.ask(in, sends(ledgerTarget, "")), []byte{0})
		want(t, "what is open", opened(l), `send ""`)
		l.Open.Kind = core.TransferNone
		want(t, "what is open after a call that sends nothing", string(t.ask(in, "eon"))+", "+opened(l), "on, nothing")
	}
	t.asked("services", host)
}

func testLedgerUncovered(t *trial) {
	in, host, l := t.keeper()
	if in == nil {
		return
	}
	all := l.Sides[0]
	messages, none := *all.Credit, *all.Credit
	messages.Messages, none.MaxSize = false, 0
	long := "forty-one bytes, one more than is allowed"
	for _, c := range []struct {
		side           core.Side
		target, text   string
		sends, request bool // are not covered
	}{
		{all, "suite/tgu", "a", true, true},
		{all, "suite/tg", "a", true, true},
		{all, "suite/tgt2", "a", true, true},
		{all, "", "a", true, true},
		{all, ledgerTarget, long, true, true},
		{core.Side{Requests: all.Requests}, ledgerTarget, "a", true, true},
		{core.Side{Credit: &none, Requests: all.Requests}, ledgerTarget, "a", true, true},
		{core.Side{Credit: &messages, Requests: all.Requests}, ledgerTarget, "a", true, false},
		{core.Side{Credit: all.Credit}, ledgerTarget, "a", false, true},
	} {
		l.Sides[0], host.ID = c.side, 9
		if c.sends {
			want(t, "answer of send-message", t.ask(in, sends(c.target, c.text)), []byte{0})
			t.asked("services", host, fmt.Sprintf("send %s %q", c.target, c.text))
		}
		if c.request {
			want(t, "answer of send-request", t.ask(in, requests(c.target, c.text, 5)), bytesOf(byte(0), uint64(9)))
			t.asked("services", host, fmt.Sprintf("request %s %q 5 ms", c.target, c.text))
		}
		want(t, "what is open", opened(l), "nothing")
	}
	l.Sides[0] = all
	t.ask(in, requests(ledgerTarget, "a", 86_400_001))
	t.asked("services for a timeout above the longest one", host, `request suite/tgt "a" 86400001 ms`)
	want(t, "what is open", opened(l), "nothing")
}

func testLedgerOnce(t *trial) {
	in, host, l := t.keeper()
	if in == nil {
		return
	}
	host.ID = 9
	t.ask(in, several(sends(ledgerTarget, "a"), sends(ledgerTarget, "b"), sends(ledgerTarget, "c")))
	t.asked("services for three messages", host, `reconcile send "a"`, `send suite/tgt "b"`, `send suite/tgt "c"`)
	want(t, "what is open", opened(l), "nothing")
	got := t.ask(in, several(requests(ledgerTarget, "a", 5), requests(ledgerTarget, "b", 6)))
	want(t, "answer of the second request", got, bytesOf(byte(0), uint64(9)))
	t.asked("services for two requests", host, `reconcile request "a" 5 ms`, `request suite/tgt "b" 6 ms`)
	t.ask(in, several(sends("suite/x", "a"), sends(ledgerTarget, "b")))
	t.asked("services for two targets", host, `send suite/x "a"`, `send suite/tgt "b"`)
	want(t, "what is open", opened(l), "nothing")
}

func testLedgerServices(t *trial) {
	in, host, l := t.keeper()
	if in == nil {
		return
	}
	a, b := sends(ledgerTarget, "a"), sends(ledgerTarget, "b")
	t.ask(in, several(a, []byte("l\x02hi"), b))
	t.asked("services for a line between two messages", host, `reconcile send "a"`, `log info "hi"`, `send suite/tgt "b"`)
	t.ask(in, several(a, bytesOf("c", uint64(3))))
	t.asked("services for a message and a cancellation", host, `reconcile send "a"`, "cancel 3")
	t.ask(in, several([]byte("l\x02hi"), a))
	t.asked("services for a line and a message", host, `log info "hi"`, `send suite/tgt "a"`)
	t.ask(in, several(bytesOf("c", uint64(3)), a))
	t.asked("services for a cancellation and a message", host, "cancel 3", `send suite/tgt "a"`)
	t.ask(in, several(a, bytesOf("a", uint64(5), "later"), b))
	t.asked("services for a timer between two messages", host, `reconcile send "a"`, `after 5 ms "later"`, `send suite/tgt "b"`)
	t.ask(in, several(a, bytesOf("q", uint64(3)), b))
	t.asked("services for a timer that is canceled between two messages", host, `reconcile send "a"`, "cancel timer 3", `send suite/tgt "b"`)
	t.ask(in, several(a, []byte("j\x01fx"), b))
	t.asked("services for a function between two messages", host, `reconcile send "a"`, `call f "x"`, `send suite/tgt "b"`)
	t.ask(in, several(a, []byte("u\x01tx"), b))
	t.asked("services for a publication between two messages", host, `reconcile send "a"`, `publish t "x"`, `send suite/tgt "b"`)
	want(t, "what is open", opened(l), "nothing")
}

func testLedgerFailure(t *trial) {
	in, host, l := t.keeper()
	if in == nil {
		return
	}
	_, err := try(in, several(sends(ledgerTarget, "a"), bytesOf("f", byte(core.CaseFailed), "why")))
	t.wantError("a call that fails", err, core.ErrFailed)
	t.leftOpen("a call that failed", host, l, `send "a"`)
	_, err = try(in, several(sends(ledgerTarget, "b"), []byte("x")))
	t.wantTrap("a call that traps", err, core.TrapFault)
	t.leftOpen("a call that trapped", host, l, `send "b"`)
}

// leftOpen checks the message that a call has left open. An engine may account for it earlier, when it counts the
// guest's time.
func (t *trial) leftOpen(after string, host *Services, l *core.Ledger, message string) {
	t.Helper()
	left := append(host.Asked, "open: "+opened(l))
	if slices.Equal(left, []string{"reconcile " + message, "open: nothing"}) {
		left = []string{"open: " + message}
	}
	want(t, "left after "+after, left, []string{"open: " + message})
	host.Asked, l.Open.Kind = nil, core.TransferNone
}

func testLedgerOutside(t *trial) {
	in, host, l := t.keeper()
	if in == nil {
		return
	}
	t.must("initialize", in.Initialize([]core.ConfigPair{{Key: "s", Value: ledgerTarget}}))
	t.asked("services in initialize", host, `send suite/tgt "hello"`)
	t.must("restore", restore(in, bytesOf("s", ledgerTarget)))
	t.asked("services in restore", host, `log info "restore"`)
	t.saved(in)
	t.asked("services in save", host, `log info "save"`, `send suite/tgt "hello"`)
	t.must("shutdown", in.Shutdown())
	t.asked("services in shutdown", host, `log info "shutdown"`)
	want(t, "what is open", opened(l), "nothing")
}
