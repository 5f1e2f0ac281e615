package enginetest

import (
	"fmt"
	"time"

	"github.com/airhost/airhost/core"
)

// turnPromises are about instances that implement [core.Turner] alone.
var turnPromises = []promise{
	{"turn", "what a guest wants of the host between calls reaches the services in turns for which it asks, in order, and the answers come back", testTurn},
	{"turn-nothing", "a turn for which no guest has asked does nothing", testTurnNothing},
	{"turn-ended", "an instance that has ended takes no turn", testTurnEnded},
}

// turner makes an instance of the actor that may ask for turns, if the engine has such instances.
func (t *trial) turner() (core.Turner, *Services, <-chan struct{}) {
	t.Helper()
	host, wanted := &Services{}, make(chan struct{}, 100)
	in, err := t.theActor().Instantiate(t.Context(), core.Environment{
		ID: self, Host: host, Timers: host, Publisher: host, Limits: patient(core.Limits{}), Wanted: func() { wanted <- struct{}{} },
	})
	t.must("make an instance", err)
	t.cleanups = append(t.cleanups, func() { t.must("close an instance", in.Close()) })
	turner, _ := in.(core.Turner)
	return turner, host, wanted
}

// later makes the guest obey commands between calls.
func (t *trial) later(in core.Turner, commands ...[]byte) {
	t.Helper()
	message := []byte("y")
	for _, command := range commands {
		message = append(append(message, byte(len(command))), command...)
	}
	t.ask(in, message)
}

// giveTurns gives turns for which the guest asks until it has used n services.
func (t *trial) giveTurns(in core.Turner, host *Services, wanted <-chan struct{}, n int) {
	t.Helper()
	for len(host.Asked) < n {
		select {
		case <-wanted:
			t.must("a turn", in.Turn())
		case <-time.After(t.patience):
			t.broken("services within %v: got %q\nwant %d, or a wish for a turn", t.patience, host.Asked, n)
			t.FailNow()
		}
	}
}

func testTurn(t *trial) {
	in, host, wanted := t.turner()
	if in == nil {
		return
	}
	host.ID, host.Timer, host.Running = 0x4142434445464748, 0x5152535455565758, true // letters can be logged
	t.later(in, bytesOf("s\x09suite/tgta message"), bytesOf("r", uint64(1500), "\x09suite/tgta request"), bytesOf("c", uint64(7)),
		bytesOf("a", uint64(20), "a payload"), bytesOf("q", uint64(8)), bytesOf("l\x03a line"), []byte(publish+"news"))
	t.giveTurns(in, host, wanted, 14)
	t.asked("services", host,
		`send suite/tgt "a message"`, fmt.Sprintf("log info %q", "\x00"),
		`request suite/tgt "a request" 1500 ms`, fmt.Sprintf("log info %q", bytesOf(byte(0), uint64(host.ID))),
		`cancel 7`, fmt.Sprintf("log info %q", "\x00"),
		`after 20 ms "a payload"`, fmt.Sprintf("log info %q", bytesOf(byte(0), uint64(host.Timer))),
		`cancel timer 8`, fmt.Sprintf("log info %q", "\x01"),
		`log warn "a line"`, `log info ""`,
		`publish orders.created "news"`, fmt.Sprintf("log info %q", "\x00"))
	host.Err = &core.MessagingError{Case: core.CaseQueueFull, Text: "why"}
	t.later(in, []byte("s\x09suite/tgtone"))
	t.later(in, []byte("s\x09suite/tgttwo"))
	t.giveTurns(in, host, wanted, 4)
	want(t, "services of two that were refused", len(host.Asked), 4)
	for _, entry := range []string{`send suite/tgt "one"`, `send suite/tgt "two"`, `log info "\x01\x03why"`} {
		t.hasAsked(host, entry)
	}
	host.Asked = nil
	t.must("a turn", in.Turn())
	t.asked("services of a turn with nothing left", host)
	want(t, "a message", t.ask(in, "e.."), []byte(".."))
}

// hasAsked checks that the guest has used a service, in any order with others.
func (t *trial) hasAsked(host *Services, entry string) {
	t.Helper()
	for _, asked := range host.Asked {
		if asked == entry {
			return
		}
	}
	t.broken("services: got %q\nwant %s among them", host.Asked, entry)
}

func testTurnNothing(t *trial) {
	in, host, wanted := t.turner()
	if in == nil {
		return
	}
	t.must("a turn", in.Turn())
	t.must("another turn", in.Turn())
	t.asked("services", host)
	t.later(in, []byte("l\x02line"))
	t.giveTurns(in, host, wanted, 2)
	t.must("a turn", in.Turn())
	t.asked("services", host, `log info "line"`, `log info ""`)
}

func testTurnEnded(t *trial) {
	in, host, _ := t.turner()
	if in == nil {
		return
	}
	_, err := try(in, "x")
	t.wantTrap("a message", err, core.TrapFault)
	if err := in.Turn(); err == nil {
		t.broken("a turn after a trap: got no error")
	}
	t.must("close an instance", in.Close())
	if err := in.Turn(); err == nil {
		t.broken("a turn after Close: got no error")
	}
	t.asked("services", host)
}
