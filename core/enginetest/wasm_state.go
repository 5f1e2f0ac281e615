package enginetest

import (
	"strings"

	"github.com/airhost/airhost/core"
)

// wasmStatePromises are about component-state of guests in WebAssembly.
var wasmStatePromises = []promise{
	{"state-order", "save and restore each have one post-return, which comes after the result was read", testStateOrder},
	{"state-open", "after save the arguments that are allocated already are resized, since the guest may have freed them", testStateOpen},
	{"state-empty", "for an empty state nothing is allocated, and its address is not 0", testStateEmpty},
	{"state-results", "a result of save or restore that breaks the ABI ends the instance", testStateResults},
	{"state-realloc", "the place that cabi_realloc gives for a state is checked, and cabi_realloc may only compute", testStateRealloc},
	{"state-post-return", "the post-returns of save and restore cannot call the host, be endless, or trap without ending the instance", testStatePostReturn},
	{"state-moves", "memory that moves while a state is put into it does no harm", testStateMoves},
}

func testStateOrder(t *trial) {
	r := t.recorder()
	t.must("restore", restore(r.in, []byte("some state")))
	want(t, "state", string(t.saved(r.in)), "saved")
	want(t, "state, asked for again", string(t.saved(r.in)), "saved")
	events := r.record(40)
	r.expect("restore, save, save and a message", events, eventRealloc, eventRestore, eventPostRestore,
		eventSave, eventPostSave, eventSave, eventPostSave, eventRealloc, eventRealloc, eventMessage)
	want(t, "the size of the allocation for the state", r.allocated(events[:1]), []uint32{10})
	want(t, "size of the argument of restore", events[1].B, 10)
	want(t, "the arguments of the post-returns", [2]uint32{events[2].A, events[4].A}, [2]uint32{96, 96})
}

func testStateOpen(t *trial) {
	r := t.recorder()
	r.record(40)
	r.record(40)
	t.saved(r.in)
	events := r.record(40)
	r.expect("a message, save and a message of the same size", events,
		eventPostMessage, eventRealloc, eventRealloc, eventSave, eventPostSave, eventRealloc, eventRealloc, eventMessage)
	open := map[uint32]bool{}
	for _, e := range events[5:7] {
		want(t, "alignment and size of a resize", [2]uint32{e.C, e.D}, [2]uint32{1, e.B})
		open[e.A] = true
	}
	message := events[7]
	if len(open) != 2 || open[0] || open[message.A] || open[message.C] {
		t.broken("got %v\nwant both blocks resized, and the message in the new ones", events)
	}
}

func testStateEmpty(t *trial) {
	r := t.recorder()
	t.must("restore", restore(r.in, nil))
	events := r.record(40)
	r.expect("restore of nothing and a message", events, eventRestore, eventPostRestore, eventRealloc, eventRealloc, eventMessage)
	if events[0].A == 0 || events[0].B != 0 {
		t.broken("got %v\nwant an address that is not 0, and the size 0", events[0])
	}
}

func testStateResults(t *trial) {
	for what, attack := range results {
		in, host := t.wasm("hostile", core.Limits{})
		t.ask(in, "V", attack)
		state, err := save(in, []byte("before"))
		t.wantTrap(what+" from save", err, core.TrapABI)
		want(t, "what save returns", string(state), "before")
		t.refuses(in, host)
		if strings.Contains(ofResponse, attack) {
			continue
		}
		in, host = t.wasm("hostile", core.Limits{})
		t.wantTrap(what+" from restore", restore(in, []byte(attack)), core.TrapABI)
		t.refuses(in, host)
	}
}

// armed makes an instance of the hostile guest that was initialized with an attack.
func (t *trial) armed(attack string) (core.Instance, *Services) {
	t.Helper()
	in, host := t.wasm("hostile", core.Limits{})
	t.must("initialize", in.Initialize([]core.ConfigPair{{Key: attack}}))
	return in, host
}

func testStateRealloc(t *trial) {
	for _, how := range []string{"0", "o", "n"} {
		in, host := t.armed("R" + how)
		t.wantTrap("restore, for which cabi_realloc does "+how, restore(in, []byte("e")), core.TrapABI)
		t.refuses(in, host)
	}
	for how, kind := range misbehaviors {
		in, host := t.armed("R" + how)
		t.endsIn("restore, for which cabi_realloc does "+how, in, kind, func() error { return restore(in, []byte("e")) })
		t.refuses(in, host)
	}
}

func testStatePostReturn(t *trial) {
	for how, kind := range misbehaviors {
		in, host := t.wasm("hostile", core.Limits{})
		t.endsIn("restore, whose post-return does "+how, in, kind, func() error { return restore(in, []byte("Q"+how)) })
		t.refuses(in, host)
		in, host = t.wasm("hostile", core.Limits{})
		t.ask(in, "VQ", how)
		t.endsIn("save, whose post-return does "+how, in, kind, func() error {
			state, err := save(in, []byte("before"))
			want(t, "what save returns", string(state), "before")
			return err
		})
		t.refuses(in, host)
	}
}

func testStateMoves(t *trial) {
	in, _ := t.armed("Rg") // from now on each cabi_realloc grows the memory
	for range 5 {
		t.must("restore", restore(in, []byte("Ve state"))) // save answers with what follows the V
		want(t, "state", string(t.saved(in)), "e state\x00")
	}
}
