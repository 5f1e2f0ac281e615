package enginetest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/airhost/airhost/core"
)

// orderPromises are about the order in which a guest's functions are called.
var orderPromises = []promise{
	{"order-advance", "after the post-return the next call's arguments are allocated in the sizes of the last, and that call uses them", testAdvance},
	{"order-callback", "a callback's argument is allocated in advance too", testAdvanceCallback},
	{"order-resize", "an argument of another size resizes the block that was allocated in advance", testResize},
	{"order-empty", "for an empty argument nothing is allocated or resized, and its address is not 0", testAdvanceEmpty},
	{"order-bounded", "never more than one call's arguments are allocated in advance", testBounded},
	{"order-advance-fails", "a cabi_realloc that fails in advance ends the instance, and leaves the outcome of the call before", testAdvanceFails},
	{"order-advance-ended", "an instance that ends in advance calls Ended, so that its host need not wait for a call", testAdvanceEnded},
	{"order-advance-moves", "memory that moves in advance does no harm", testAdvanceMoves},
}

// event is a call of one of the recorder's functions; see testdata/recorder.wat.
type event struct{ Function, A, B, C, D uint32 }

// The functions of an event.
const (
	eventRealloc = iota + 1
	eventMessage
	eventCallback
	eventPostMessage
	eventPostCallback
	eventSave
	eventRestore
	eventPostSave
	eventPostRestore
)

// String names the function.
func (e event) String() string {
	names := []string{"none", "cabi_realloc", "handle-message", "handle-callback", "post-message", "post-callback", "save", "restore", "post-save", "post-restore"}
	return fmt.Sprintf("%s(%d, %d, %d, %d)", names[min(int(e.Function), len(names)-1)], e.A, e.B, e.C, e.D)
}

// recording is an instance of the recorder.
type recording struct {
	*trial
	in   core.Instance
	host *Services
	next uint32 // where it puts the next block
}

func (t *trial) recorder() *recording {
	t.Helper()
	in, host := t.wasm("recorder", core.Limits{})
	return &recording{t, in, host, 0x20000}
}

// record sends a message that is answered with the events since the last record. They
// end with the call of handle-message itself. The message has size bytes.
func (r *recording) record(size int) []event {
	r.Helper()
	response := r.ask(r.in, "k", strings.Repeat(".", size-1))
	events := make([]event, len(response)/20)
	if _, err := binary.Decode(response, binary.LittleEndian, events); err != nil || len(response)%20 != 0 {
		r.broken("got a record of %d bytes\nwant entries of 20", len(response))
		r.FailNow()
	}
	return events
}

// send sends a message that is not answered.
func (r *recording) send(message string) {
	r.Helper()
	r.must("handle-message", r.in.HandleMessage(other, []byte(message), nil))
}

// sender is the size of the id that sends all messages.
var sender = uint32(len(other.String()))

// allocated returns the sizes of allocations, sorted: their order is not promised. It
// reports an event that is none.
func (r *recording) allocated(events []event) (sizes []uint32) {
	r.Helper()
	for _, e := range events {
		if e.Function != eventRealloc || e.A != 0 || e.B != 0 || e.C != 1 {
			r.broken("got %v\nwant cabi_realloc(0, 0, 1, size)", e)
		}
		sizes = append(sizes, e.D)
	}
	slices.Sort(sizes)
	return sizes
}

// expect reports events of other functions than wanted, and ends the trial.
func (r *recording) expect(what string, events []event, functions ...uint32) {
	r.Helper()
	var got []uint32
	for _, e := range events {
		got = append(got, e.Function)
	}
	if !slices.Equal(got, functions) {
		r.broken("%s: got the events %v\nwant the functions %v", what, events, functions)
		r.FailNow()
	}
}

func testAdvance(t *trial) {
	r := t.recorder()
	first := r.record(40)
	r.expect("the first message", first, eventRealloc, eventRealloc, eventMessage)
	want(t, "sizes of the first allocations", r.allocated(first[:2]), []uint32{sender, 40})
	for range 3 {
		events := r.record(40)
		r.expect("the next message", events, eventPostMessage, eventRealloc, eventRealloc, eventMessage)
		want(t, "the argument of the post-return", events[0].A, 64)
		want(t, "sizes of the allocations in advance", r.allocated(events[1:3]), []uint32{sender, 40})
		want(t, "sizes of the arguments", [2]uint32{events[3].B, events[3].D}, [2]uint32{sender, 40})
	}
	t.wantError("a message that fails", r.in.HandleMessage(other, bytes.Repeat([]byte("f"), 40), nil), core.ErrFailed)
	events := r.record(40)
	r.expect("after a message that fails", events,
		eventPostMessage, eventRealloc, eventRealloc, eventMessage, eventPostMessage, eventRealloc, eventRealloc, eventMessage)
	t.asked("services", r.host)
}

func testAdvanceCallback(t *trial) {
	r := t.recorder()
	r.record(10)
	for range 2 {
		t.must("handle-callback", r.in.HandleCallback(1, []byte(".........."), nil))
	}
	t.must("handle-callback", r.in.HandleCallback(1, nil, &core.RequestError{Reason: core.ReasonUnavailable}))
	events := r.record(7)
	var functions []uint32
	for _, e := range events {
		if e.Function != eventRealloc {
			functions = append(functions, e.Function)
		}
	}
	if !slices.Equal(functions, []uint32{
		eventPostMessage, eventCallback, eventPostCallback, eventCallback, eventPostCallback,
		eventCallback, eventPostCallback, eventMessage,
	}) {
		t.broken("got the events %v\nwant three callbacks and a message, each with its post-return", events)
		t.FailNow()
	}
	second := slices.IndexFunc(events, func(e event) bool { return e.Function == eventPostCallback })
	r.expect("after the first callback", events[second:second+3], eventPostCallback, eventRealloc, eventCallback)
	want(t, "the size of the allocation in advance", r.allocated(events[second+1:second+2]), []uint32{10})
}

func testResize(t *trial) {
	r := t.recorder()
	r.record(40)
	for _, size := range []int{41, 40, 1, 3000, 2} {
		before := r.record(size)
		resized := before[len(before)-2]
		r.expect("a message of another size", before, eventPostMessage, eventRealloc, eventRealloc, eventRealloc, eventMessage)
		handled, last := before[4], max(before[1].D, before[2].D)
		if min(before[1].D, before[2].D) < sender {
			last = min(before[1].D, before[2].D) // the message was shorter than the sender
		}
		want(t, "sizes and alignment of the resize", [3]uint32{resized.B, resized.C, resized.D}, [3]uint32{last, 1, uint32(size)})
		if resized.A == 0 || handled.C == resized.A {
			t.broken("got the block %d, and the argument at %d\nwant it resized to a new one", resized.A, handled.C)
		}
	}
	t.must("handle-message", r.in.HandleMessage(core.MustComponentID("a/b"), []byte("."), nil))
	events := r.record(2)
	at := slices.IndexFunc(events, func(e event) bool { return e.Function == eventMessage && e.B == 3 })
	if at < 2 || !slices.ContainsFunc(events[:at], func(e event) bool { return e.Function == eventRealloc && e.B == sender && e.D == 3 }) {
		t.broken("a shorter sender: got %v\nwant its block resized", events)
	}
}

func testAdvanceEmpty(t *trial) {
	r := t.recorder()
	r.record(40)
	r.send("")
	t.must("handle-callback", r.in.HandleCallback(1, nil, nil))
	r.send("")
	for _, e := range r.record(40) {
		switch {
		case e.Function == eventRealloc && e.D == 0:
			t.broken("got %v\nwant no allocation of 0 bytes", e)
		case e.Function == eventMessage && e.C == 0, e.Function == eventCallback && e.B == 0:
			t.broken("got %v\nwant an address that is not 0", e)
		}
	}
}

func testBounded(t *trial) {
	r := t.recorder()
	for round := range 40 {
		size := []int{1, 0, 64, 64, 2000, 3, 0, 0, 64}[round%9]
		payload := bytes.Repeat([]byte("."), size)
		switch round % 5 {
		case 1:
			t.must("handle-callback", r.in.HandleCallback(1, payload, nil))
		case 2:
			t.must("handle-message", r.in.HandleMessage(core.MustComponentID("a/b"), payload, nil))
		default:
			t.must("handle-message", r.in.HandleMessage(other, payload, nil))
		}
	}
	open := map[uint32]uint32{} // sizes of the blocks that the host has
	for _, e := range r.record(1) {
		switch e.Function {
		case eventRealloc:
			r.resize(open, e)
		case eventMessage:
			r.hand(open, e.A, e.B)
			r.hand(open, e.C, e.D)
		case eventCallback:
			r.hand(open, e.B, e.C)
		}
		if len(open) > 2 {
			t.broken("after %v: got %d blocks that no call has taken\nwant at most two", e, len(open))
		}
	}
}

// resize does to the open blocks as a call of cabi_realloc. The recorder never returns
// an address twice: a block's is the first multiple of 16 after all others.
func (r *recording) resize(open map[uint32]uint32, e event) {
	r.Helper()
	if size, ok := open[e.A]; e.A != 0 && (!ok || size != e.B) {
		r.broken("got %v\nwant the size of a block that no call has taken", e)
	}
	if (e.A == 0) != (e.B == 0) || e.C != 1 || e.D == 0 {
		r.broken("got %v\nwant an old block with its size, or none, and an alignment of 1", e)
	}
	delete(open, e.A)
	r.next = (r.next + 15) &^ 15
	open[r.next] = e.D
	r.next += e.D
}

// hand takes an argument of a call from the open blocks.
func (r *recording) hand(open map[uint32]uint32, at, size uint32) {
	r.Helper()
	if size == 0 {
		return
	}
	if open[at] != size {
		r.broken("got an argument of %d bytes at %d\nwant a block of this size: there are %v", size, at, open)
	}
	delete(open, at)
}

// failures are ways in which the allocation in advance fails, with the kind of trap.
var failures = map[string]core.TrapKind{
	"t": core.TrapFault,   // traps
	"0": core.TrapABI,     // returns 0
	"h": core.TrapABI,     // returns an address out of range
	"l": core.TrapHandler, // does not end
}

// ending makes an instance of the recorder with short limits of time. It calls ended when
// it ends.
func (t *trial) ending(ended func()) core.Instance {
	t.Helper()
	limits := patient(core.Limits{HandlerTime: 10 * time.Millisecond})
	c := t.component("recorder", wasmGuest("recorder"), limits)
	in, err := c.Instantiate(t.Context(), core.Environment{ID: self, Host: &Services{}, Limits: limits, Ended: ended})
	t.must("make an instance", err)
	t.cleanups = append(t.cleanups, func() { t.must("close an instance", in.Close()) })
	return in
}

func testAdvanceFails(t *trial) {
	for how, kind := range failures {
		in, next := t.ending(nil), []byte(how)
		response := []byte("before ")
		err := in.HandleMessage(other, next, &response)
		t.must("handle-message, after which cabi_realloc does "+how, err)
		want(t, "its response", string(response), "before ")
		t.wantTrap("the next message after "+how, in.HandleMessage(other, nil, nil), kind)

		in = t.ending(nil)
		t.must("handle-callback, after which cabi_realloc does "+how, in.HandleCallback(1, next, nil))
		t.wantTrap("the next callback after "+how, in.HandleCallback(1, nil, nil), kind)
		_, err = in.Health()
		t.wantTrap("health after "+how, err, kind)
	}
}

func testAdvanceEnded(t *trial) {
	for how := range failures {
		ended := 0
		in := t.ending(func() { ended++ })
		t.must("handle-message", in.HandleMessage(other, []byte("."), nil))
		want(t, "calls of Ended by an instance that goes on", ended, 0)
		t.must("handle-message, after which cabi_realloc does "+how, in.HandleMessage(other, []byte(how), nil))
		want(t, "calls of Ended after "+how, ended, 1)
		in = t.ending(func() { ended++ })
		t.must("handle-callback, after which cabi_realloc does "+how, in.HandleCallback(1, []byte(how), nil))
		want(t, "calls of Ended after a callback and "+how, ended, 2)
	}
}

func testAdvanceMoves(t *trial) {
	r := t.recorder()
	for i := range 20 {
		r.send("g")
		r.send("g" + strings.Repeat(".", i))
	}
	if events := r.record(7); len(events) < 100 {
		t.broken("got %d events\nwant at least 100", len(events))
	}
}
