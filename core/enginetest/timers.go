package enginetest

import (
	"fmt"
	"math"

	"github.com/airhost/airhost/core"
)

var timerPromises = []promise{
	{"after", "after reaches After with the milliseconds and the payload, and returns the id", testAfter},
	{"cancel-timer", "cancel reaches CancelTimer with the id, and returns its result", testCancelTimer},
	{"no-timers", "if the host has no timers, after is refused with unavailable, and cancel finds none", testNoTimers},
}

func testAfter(t *trial) {
	in, host := t.actor()
	longest := t.MaxTimeout
	if longest == 0 {
		longest = math.MaxUint64
	}
	large := string(make([]byte, 100_000))
	for i, milliseconds := range []uint64{0, 1, 1500, longest} {
		for _, payload := range []string{"", "a payload", large} {
			host.Timer = core.TimerID(math.MaxUint64 - uint64(i))
			got := t.ask(in, "a", milliseconds, payload)
			want(t, "answer", got, bytesOf(byte(0), uint64(host.Timer)))
			t.asked("services", host, fmt.Sprintf("after %d ms %q", milliseconds, payload))
		}
	}
}

func testCancelTimer(t *trial) {
	in, host := t.actor()
	for i, running := range []bool{true, false, true} {
		host.Running = running
		want(t, "answer", t.ask(in, "q", math.MaxUint64-uint64(i))[0] == 1, running)
		t.asked("services", host, fmt.Sprintf("cancel timer %d", math.MaxUint64-uint64(i)))
	}
}

func testNoTimers(t *trial) {
	host := &Services{}
	in := t.bare(host, t.theActor())
	want(t, "case of after", t.ask(in, "a", uint64(1))[:2], []byte{1, byte(core.CaseUnavailable)})
	want(t, "answer of cancel", t.ask(in, "q", uint64(1)), []byte{0})
	t.asked("services", host)
}
