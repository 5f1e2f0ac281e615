package enginetest

import (
	"time"

	"github.com/airhost/airhost/core"
)

// limitPromises are about the limits in Enforces of [core.Traits] alone.
var limitPromises = []promise{
	{"enforces-memory", "an engine that claims limits.memory lets no guest have more", testEnforcesMemory},
	{"enforces-table-elements", "an engine that claims limits.table_elements lets no table grow beyond it", testEnforcesTableElements},
	{"enforces-stack", "an engine that claims limits.stack ends a call that uses it up", testEnforcesStack},
	{"enforces-handler-wall-time", "an engine that claims limits.handler_wall_time ends a call by it, without its host", testEnforcesWallTime},
	{"enforces-fuel", "an engine that claims limits.fuel ends a call that uses it up", testEnforcesFuel},
	{"enforces-nesting", "an engine that claims limits.nesting refuses code that is nested deeper", testEnforcesNesting},
}

// claims reports whether the engine claims to enforce a limit.
func (t *trial) claims(limit core.LimitSet) bool {
	t.Helper()
	return t.theActor().Traits().Enforces&limit != 0
}

// limited makes an instance of the actor with limits.
func (t *trial) limited(limits core.Limits) core.Instance {
	t.Helper()
	in, _ := t.instance(t.component("actor", t.Actor, limits), limits)
	return in
}

func testEnforcesMemory(t *trial) {
	if !t.claims(core.LimitMemory) {
		return
	}
	in := t.limited(core.Limits{Memory: 2 << 20, MessageSize: 1 << 30})
	want(t, "size of a response that fits", len(t.ask(in, "b", uint64(64<<10))), 64<<10)
	if got, err := try(in, "b", uint64(8<<20)); err == nil {
		t.broken("a response of 8 MiB with limits.memory of 2 MiB: got %d bytes\nwant an error", len(got))
	}
}

func testEnforcesTableElements(t *trial) {
	if t.claims(core.LimitTableElements) {
		testTableLimit(t)
	}
}

func testEnforcesStack(t *trial) {
	if !t.claims(core.LimitStack) {
		return
	}
	in := t.limited(core.Limits{Stack: 64 << 10})
	t.soon("recursion", func() { t.wantTrap("recursion", in.HandleMessage(other, []byte("z"), nil), core.TrapStack) })
}

func testEnforcesWallTime(t *trial) {
	if !t.claims(core.LimitHandlerWallTime) {
		return
	}
	in := t.limited(core.Limits{HandlerTime: time.Hour, HandlerWallTime: 20 * time.Millisecond})
	t.endsByItself(in, core.TrapHandler)
}

func testEnforcesFuel(t *trial) {
	if t.claims(core.LimitFuel) {
		t.endsByItself(t.limited(core.Limits{Fuel: 50_000}), core.TrapFuel)
	}
}

func testEnforcesNesting(t *trial) {
	if !t.claims(core.LimitNesting) {
		return
	}
	c, err := t.engineUnderTest().Compile(t.Context(), t.Actor, core.Limits{Nesting: 1})
	if err == nil {
		_ = c.Close(t.Context()) // the promise is broken already
		t.broken("blocks nested deeper than limits.nesting of 1: got a component\nwant an error")
	}
}

// endsByItself checks that the engine ends a call that does not return.
func (t *trial) endsByItself(in core.Instance, kind core.TrapKind) {
	t.Helper()
	ended := make(chan struct{})
	defer func() { // if the promise is broken the call goes on, and must end before Close
		in.Interrupt()
		<-ended
	}()
	t.soon("a call without end", func() {
		defer close(ended)
		t.wantTrap("a call without end", in.HandleMessage(other, []byte("o"), nil), kind)
	})
}
