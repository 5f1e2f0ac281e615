package enginetest

import (
	"bytes"
	"errors"

	"github.com/airhost/airhost/core"
)

// statePromises are about component-state. Guests that attack by it are in hostile.go.
var statePromises = []promise{
	{"state", "save returns the state that restore was given, whatever its size", testState},
	{"state-again", "save may come again, and the guest handles messages in between", testStateAgain},
	{"state-append", "the state is appended to the slice, which an error leaves as it is", testStateAppend},
	{"state-kept", "an engine does not change or keep the state that it restores", testStateKept},
	{"state-error", "an error of save or restore is a ComponentError with its case and text, and the instance goes on", testStateError},
	{"state-services", "services answer while save and restore run", testStateServices},
	{"state-large", "a state larger than limits.memory is refused by a LimitError, and the instance goes on", testStateLarge},
	{"state-none", "without component-state nothing is saved or restored, and the instance goes on", testStateNone},
}

var errNoKeeper = errors.New("the instance is no core.StateKeeper")

func save(in core.Instance, dst []byte) ([]byte, error) {
	if keeper, ok := in.(core.StateKeeper); ok {
		return keeper.Save(dst)
	}
	return dst, errNoKeeper
}

func restore(in core.Instance, state []byte) error {
	if keeper, ok := in.(core.StateKeeper); ok {
		return keeper.Restore(state)
	}
	return errNoKeeper
}

// saved returns the state of an instance.
func (t *trial) saved(in core.Instance) []byte {
	t.Helper()
	state, err := save(in, []byte{})
	t.must("save", err)
	return state
}

func testState(t *trial) {
	in, _ := t.actor()
	want(t, "the state of an instance that got none", t.saved(in), []byte{})
	for _, size := range []int{0, 1, 64, 1 << 10, 4 << 20} {
		state := bytes.Repeat([]byte("0123456789abcde\xff\x00"), size/17+1)[:size]
		in, _ := t.actor()
		t.must("restore", restore(in, state))
		want(t, "state", t.saved(in), state)
		if size <= 1<<10 {
			want(t, "the state as the guest sees it", t.ask(in, "d"), state)
		}
	}
}

func testStateAgain(t *trial) {
	in, _ := t.actor()
	t.must("restore", restore(in, []byte("the first")))
	for _, next := range []string{"the second", "", "the third"} {
		t.saved(in)
		t.ask(in, "p", next)
		want(t, "state", string(t.saved(in)), next)
		want(t, "state, asked for again", string(t.saved(in)), next)
		want(t, "response", string(t.ask(in, "eafter")), "after")
		t.saved(in)
		want(t, "response to a message of the same size", string(t.ask(in, "eagain")), "again")
		t.must("handle-callback", in.HandleCallback(7, []byte("an answer"), nil))
		t.saved(in)
		t.must("handle-callback", in.HandleCallback(8, []byte("the other"), nil))
		want(t, "the last callback", t.ask(in, "k"), bytesOf(uint64(8), byte(0), "the other"))
	}
}

func testStateAppend(t *trial) {
	in, _ := t.actor()
	t.must("restore", restore(in, []byte("after")))
	for _, room := range []int{0, 64} {
		state, err := save(in, append(make([]byte, 0, room), "before "...))
		t.must("save", err)
		want(t, "state", string(state), "before after")
	}
	t.ask(in, "p", "f", byte(core.CaseFailed), "text")
	state, err := save(in, []byte("before"))
	t.wantError("save that fails", err, core.ErrFailed)
	want(t, "what it returns", string(state), "before")
}

func testStateKept(t *trial) {
	in, _ := t.actor()
	state := []byte("a state")
	t.must("restore", restore(in, state))
	want(t, "the state afterwards", string(state), "a state")
	copy(state, "XXXXXXX")
	want(t, "what is saved after the state was overwritten", string(t.saved(in)), "a state")
}

func testStateError(t *trial) {
	in, _ := t.actor()
	t.must("restore", restore(in, []byte("a state")))
	for _, failure := range componentErrors {
		err := restore(in, bytesOf("f", byte(failure.Case), failure.Text))
		t.wantComponentError("restore that fails", err, failure)
		want(t, "state after a restore that failed", string(t.saved(in)), "a state")
		t.ask(in, "p", "f", byte(failure.Case), failure.Text)
		_, err = save(in, nil)
		t.wantComponentError("save that fails", err, failure)
		t.ask(in, "pa state")
	}
	want(t, "next response", t.ask(in, "eon"), []byte("on"))
}

func testStateServices(t *trial) {
	in, host := t.actor()
	t.must("restore", restore(in, []byte("ssuite/tgt")))
	t.asked("services of restore", host, `log info "restore"`)
	t.saved(in)
	t.asked("services of save", host, `log info "save"`, `send suite/tgt "hello"`)
}

// testStateLarge also takes the guest's end for a refusal if the guest itself cannot have
// that much memory.
func testStateLarge(t *trial) {
	const most = 2 << 20
	limits := core.Limits{Memory: most}
	in, _ := t.instance(t.component("actor", t.Actor, limits), limits)
	t.must("restore", restore(in, []byte("a state")))
	t.wantTooLarge("restore", restore(in, make([]byte, most+1)))
	want(t, "state", string(t.saved(in)), "a state")
	want(t, "next response", t.ask(in, "eon"), []byte("on"))
	t.ask(in, "pb", uint64(most+1))
	state, err := save(in, nil)
	if t.claims(core.LimitMemory) && errors.As(err, new(*core.TrapError)) {
		return
	}
	t.wantTooLarge("save", err)
	want(t, "size of a state that is too large", len(state), 0)
	want(t, "next response", t.ask(in, "eon"), []byte("on"))
	if !t.claims(core.LimitMemory) {
		t.ask(in, "pb", uint64(most))
		want(t, "size of the largest state", len(t.saved(in)), most)
	}
}

func (t *trial) wantTooLarge(what string, err error) {
	t.Helper()
	t.wantError(what+" of more than limits.memory", err, core.ErrFailed)
	var limit *core.LimitError
	if !errors.As(err, &limit) || limit.Limit != "limits.memory" || limit.Max != 2<<20 || limit.Got != 2<<20+1 {
		t.broken("%s of more than limits.memory: got %v\nwant a LimitError of limits.memory, with both sizes", what, err)
	}
}

func testStateNone(t *trial) {
	in, _ := t.responder()
	state, err := save(in, nil)
	want(t, "what save returns", string(state), "")
	for what, err := range map[string]error{"save": err, "restore": restore(in, []byte("state"))} {
		if err != errNoKeeper {
			t.wantError(what+" of a guest without state", err, core.ErrNoState)
		}
	}
	want(t, "next response", t.ask(in, "on"), []byte("on"))
}
