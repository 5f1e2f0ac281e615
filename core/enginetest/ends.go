package enginetest

import (
	"strings"

	"github.com/airhost/airhost/core"
)

var endPromises = []promise{
	{"trap", "a trap in any call is a TrapError with one line of text", testTrap},
	{"trap-refuses", "after a trap every call returns an error and runs no guest code", testTrapRefuses},
	{"trap-alone", "a trap ends one instance, and no other of the component", testTrapAlone},
	{"close-alone", "Close ends one instance, and no other of the component, whose calls in progress go on", testCloseAlone},
	{"closed", "after Close every call returns ErrClosed and runs no guest code, and a second Close returns nil", testClosed},
	{"close-trapped", "an instance that trapped can be closed", testCloseTrapped},
}

// call is one of the calls of an instance. In it the guest traps if how is x, and never
// returns if how is o.
type call struct {
	name string
	make func(in core.Instance, how byte) error
}

var calls = []call{
	{"handle-message", func(in core.Instance, how byte) error {
		return in.HandleMessage(other, []byte{how}, nil)
	}},
	{"handle-callback", func(in core.Instance, how byte) error {
		return in.HandleCallback(1, []byte{how}, nil)
	}},
	{"initialize", func(in core.Instance, how byte) error {
		return in.Initialize([]core.ConfigPair{{Key: string(rune(how))}})
	}},
	{"health", func(in core.Instance, how byte) error {
		if err := in.HandleMessage(other, []byte{'h', how}, nil); err != nil {
			return err
		}
		_, err := in.Health()
		return err
	}},
	{"shutdown", func(in core.Instance, how byte) error {
		if err := in.HandleMessage(other, []byte{'h', how}, nil); err != nil {
			return err
		}
		return in.Shutdown()
	}},
	{"save", func(in core.Instance, how byte) error {
		if err := in.HandleMessage(other, []byte{'p', how}, nil); err != nil {
			return err
		}
		_, err := save(in, nil)
		return err
	}},
	{"restore", func(in core.Instance, how byte) error { return restore(in, []byte{how}) }},
}

// refuses checks that an ended instance runs no guest code.
func (t *trial) refuses(in core.Instance, host *Services) {
	t.Helper()
	host.Asked, host.Calling = nil, nil
	for what, err := range everyCall(in) {
		if err == nil {
			t.broken("%s of an instance that has ended: got no error\nwant one", what)
		}
	}
	want(t, "services asked for by an instance that has ended", host.Asked, nil)
}

// everyCall makes each kind of call to a guest. In the calls in which it can, the actor
// calls a service.
func everyCall(in core.Instance) map[string]error {
	_, health := in.Health()
	_, saving := save(in, nil)
	return map[string]error{
		"handle-message":  in.HandleMessage(other, []byte("s\x01x"), nil),
		"handle-callback": in.HandleCallback(1, []byte("ran"), nil),
		"initialize":      in.Initialize([]core.ConfigPair{{Key: "s", Value: "suite/tgt"}}),
		"health":          health,
		"shutdown":        in.Shutdown(),
		"save":            saving,
		"restore":         restore(in, []byte("state")),
	}
}

func testTrap(t *trial) {
	for _, c := range calls {
		in, _ := t.actor()
		trap := t.wantTrap(c.name+" that traps", c.make(in, 'x'), core.TrapFault)
		if trap != nil && (trap.Text == "" || strings.ContainsAny(trap.Text, "\n\r")) {
			t.broken("%s that traps: got the text %q\nwant one line", c.name, trap.Text)
		}
	}
}

func testTrapRefuses(t *trial) {
	for _, c := range calls {
		in, host := t.actor()
		t.wantTrap(c.name+" that traps", c.make(in, 'x'), core.TrapFault)
		t.refuses(in, host)
		t.wantTrap("the next call", in.HandleMessage(other, nil, nil), core.TrapFault)
	}
}

func testTrapAlone(t *trial) {
	in, _ := t.actor()
	neighbor, _ := t.actor()
	t.wantTrap("handle-message that traps", in.HandleMessage(other, []byte("x"), nil), core.TrapFault)
	want(t, "a neighbor's response", t.ask(neighbor, "eon"), []byte("on"))
	fresh, _ := t.actor()
	want(t, "a fresh instance's response", t.ask(fresh, "eon"), []byte("on"))
}

func testCloseAlone(t *trial) {
	in, _ := t.actor()
	neighbor, host := t.actor()
	host.Calling = func(string) {
		host.Calling = nil
		t.must("close in a call of a neighbor", in.Close())
	}
	want(t, "a neighbor's response", t.ask(neighbor, several([]byte("l\x02hi"), []byte("eon"))), []byte("on"))
	want(t, "a neighbor's next response", t.ask(neighbor, "eon"), []byte("on"))
	fresh, _ := t.actor()
	want(t, "a fresh instance's response", t.ask(fresh, "eon"), []byte("on"))
}

func testClosed(t *trial) {
	in, host := t.actor()
	t.ask(in, "e")
	t.must("close", in.Close())
	for what, err := range everyCall(in) {
		t.wantError(what+" after Close", err, core.ErrClosed)
	}
	want(t, "services asked for after Close", host.Asked, nil)
	t.must("close again", in.Close())
}

func testCloseTrapped(t *trial) {
	in, _ := t.actor()
	t.wantTrap("handle-message that traps", in.HandleMessage(other, []byte("x"), nil), core.TrapFault)
	t.must("close", in.Close())
	t.wantError("handle-message after Close", in.HandleMessage(other, nil, nil), core.ErrClosed)
}
