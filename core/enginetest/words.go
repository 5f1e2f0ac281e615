package enginetest

import (
	"strings"
	"time"

	"github.com/airhost/airhost/core"
)

var wordsPromises = []promise{
	{"last-lines", "output without an end of line is logged when the guest ends or is closed", testLastLines},
	{"last-words", "a trap tells the last lines of standard error of its call, in bounds, and why the guest panicked", testLastWords},
	{"cause-memory", "a trap tells that the last memory.grow was refused, and by which limit", testCauseMemory},
	{"cause-place", "a trap in cabi_realloc says so", testCausePlace},
	{"cause-fuel", "a trap for want of fuel names the limit", testCauseFuel},
}

func testLastLines(t *trial) {
	for _, message := range []string{"rlast words", "olast words"} {
		in, host := t.wasm("dying", core.Limits{})
		t.must("handle-message", in.HandleMessage(other, []byte(message), nil))
		t.must("close", in.Close())
		t.asked("services", host, `log info "last words"`)
	}
	in, host := t.wasm("dying", core.Limits{})
	t.wantTrap("the end", in.HandleMessage(other, []byte("ulast words"), nil), core.TrapFault)
	t.asked("services", host, `log info "last words"`)
}

// dies sends a message to a guest and returns its trap.
func (t *trial) dies(message string, limits core.Limits, kind core.TrapKind) *core.TrapError {
	t.Helper()
	in, _ := t.wasm("dying", limits)
	t.must("handle-message", in.HandleMessage(other, []byte("rwords of a call before\n"), nil))
	if trap := t.wantTrap("the end", in.HandleMessage(other, []byte(message), nil), kind); trap != nil {
		return trap
	}
	return &core.TrapError{}
}

func testLastWords(t *trial) {
	for _, c := range []struct{ printed, stderr, text string }{
		{"", "", "unreachable"},
		{"one\ntwo", "one\ntwo", "unreachable"},
		{"1\n2\n3\n4\n5\n6\n7\n", "4\n5\n6\n7", "unreachable"},
		{"some\nother\nlines\nbefore\npanic: boom\n\ngoroutine 1 [running]:\nmain.f()\n\tf.go:1\nmain.g()\n\tg.go:1\n",
			"panic: boom\ngoroutine 1 [running]:\nmain.f()\n\tf.go:1", "unreachable: panic: boom"},
	} {
		trap := t.dies("u"+c.printed, core.Limits{}, core.TrapFault)
		want(t, "standard error", trap.Stderr, c.stderr)
		want(t, "the text", trap.Text, c.text)
	}
	long := t.dies("u"+strings.Repeat("panic: \xff", 1000), core.Limits{}, core.TrapFault)
	if len(long.Stderr) == 0 || len(long.Stderr) > core.MaxStderr || len(long.Text) > core.MaxStderr {
		t.broken("got %d bytes of standard error, and a text of %d\nwant some, and at most %d", len(long.Stderr), len(long.Text), core.MaxStderr)
	}
	late := t.dies("lstill busy\n", core.Limits{HandlerTime: 10 * time.Millisecond}, core.TrapHandler)
	want(t, "the text", late.Text, "not done within limits.handler_time (10ms)")
	want(t, "standard error", late.Stderr, "still busy")
}

func testCauseMemory(t *trial) {
	limits := core.Limits{Memory: 2 << 20}
	want(t, "the text", t.dies("g", limits, core.TrapFault).Text, "unreachable; its last memory.grow was refused at limits.memory 2 MiB")
	want(t, "the text after one that was granted", t.dies("a", limits, core.TrapFault).Text, "unreachable")
}

func testCausePlace(t *trial) {
	want(t, "the text", t.dies(strings.Repeat("u", 13), core.Limits{}, core.TrapFault).Text, "unreachable in cabi_realloc")
}

func testCauseFuel(t *trial) {
	want(t, "the text", t.dies("l", core.Limits{Fuel: 100_000}, core.TrapFuel).Text, "it used up its fuel (limits.fuel, 100000)")
}
