package enginetest

import (
	"errors"
	"fmt"
	"math"

	"github.com/airhost/airhost/core"
)

var servicePromises = []promise{
	{"send", "send-message reaches SendMessage with target and message", testSend},
	{"request", "send-request reaches SendRequest with target, request and timeout, and returns the id", testRequest},
	{"cancel", "cancel-request reaches CancelRequest with the id", testCancel},
	{"refusals", "the guest is told each messaging-error with case and text", testRefusals},
	{"other-error", "an error that is no messaging-error is unavailable with its text", testOtherError},
	{"wrapped-error", "a messaging-error is found inside of other errors", testWrappedError},
	{"self-id", "self-id is the instance's id", testSelfID},
	{"current-time", "current-time is the time of Now", testCurrentTime},
	{"log", "log reaches Log with level and text", testLog},
	{"host-panic", "a panic of the host's services ends the instance with a TrapError that holds the stack", testHostPanic},
}

// asked checks the calls of host services since its last call.
func (t *trial) asked(what string, host *Services, entries ...string) {
	t.Helper()
	want(t, what, host.Asked, entries)
	host.Asked = nil
}

func testSend(t *trial) {
	in, host := t.actor()
	want(t, "answer", t.ask(in, "s\x09suite/tgta message"), []byte{0})
	t.asked("services", host, `send suite/tgt "a message"`)
	t.ask(in, "s\x00")
	t.asked("services for nothing", host, `send  ""`)
}

func testRequest(t *trial) {
	in, host := t.actor()
	largest := t.MaxTimeout
	if largest == 0 {
		largest = math.MaxUint64
	}
	for i, timeout := range []uint64{0, 1, 1500, largest} {
		host.ID = core.RequestID(math.MaxUint64 - uint64(i))
		got := t.ask(in, "r", timeout, "\x09suite/tgt", "a request")
		want(t, "answer", got, bytesOf(byte(0), uint64(host.ID)))
		t.asked("services", host, fmt.Sprintf(`request suite/tgt "a request" %d ms`, timeout))
	}
}

func testCancel(t *trial) {
	in, host := t.actor()
	want(t, "answer", t.ask(in, "c", uint64(math.MaxUint64-7)), []byte{0})
	t.asked("services", host, "cancel 18446744073709551608")
}

func testRefusals(t *trial) {
	in, host := t.actor()
	for _, c := range core.MessagingErrorCases() {
		refusal := &core.MessagingError{Case: c}
		if c.HasText() {
			refusal.Text = "why: " + c.String() + " ☃"
		}
		host.Err = refusal
		t.toldOf(in, bytesOf(byte(1), byte(c), refusal.Text))
	}
}

// toldOf checks the answer of each service that can refuse.
func (t *trial) toldOf(in core.Instance, answer []byte) {
	t.Helper()
	want(t, "answer of send-message", t.ask(in, "s\x09suite/tgt"), answer)
	want(t, "answer of send-request", t.ask(in, "r", uint64(0), "\x09suite/tgt"), answer)
	want(t, "answer of cancel-request", t.ask(in, "c", uint64(1)), answer)
	want(t, "answer of after", t.ask(in, "a", uint64(1)), answer)
}

func testOtherError(t *trial) {
	in, host := t.actor()
	host.Err = errors.New("some reason")
	t.toldOf(in, bytesOf(byte(1), byte(core.CaseUnavailable), "some reason"))
}

func testWrappedError(t *trial) {
	in, host := t.actor()
	host.Err = fmt.Errorf("deliver: %w", &core.MessagingError{Case: core.CaseQueueFull, Text: "suite/tgt"})
	t.toldOf(in, bytesOf(byte(1), byte(core.CaseQueueFull), "suite/tgt"))
}

func testSelfID(t *trial) {
	in, _ := t.actor()
	want(t, "self-id", string(t.ask(in, "i")), self.String())
}

func testCurrentTime(t *trial) {
	in, host := t.actor()
	host.Time = 1_700_000_000_123_456_789
	want(t, "current-time", t.ask(in, "t"), number(host.Time))
}

func testLog(t *trial) {
	in, host := t.actor()
	for level := core.LogTrace; level.Valid(); level++ {
		t.ask(in, "l", byte(level), "snow ☃")
		t.asked("services", host, fmt.Sprintf("log %s %q", level, "snow ☃"))
	}
	t.ask(in, "l\x02")
	t.asked("services for an empty line", host, `log info ""`)
}

func testHostPanic(t *trial) {
	in, host := t.actor()
	host.Calling = func(string) { panic("the host is broken") }
	_, err := try(in, "s\x09suite/tgt")
	if trap := t.wantTrap("a service that panics", err, core.TrapFault); trap != nil && trap.Details == "" {
		t.broken("got no details\nwant the stack of the panic")
	}
	t.refuses(in, host)
}
