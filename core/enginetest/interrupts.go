package enginetest

import (
	"sync"

	"github.com/airhost/airhost/core"
)

var interruptPromises = []promise{
	{"interrupt-idle", "Interrupt ends an instance that does nothing", testInterruptIdle},
	{"interrupt-starting", "Interrupt from Starting ends an instance before it has started", testInterruptStarting},
	{"interrupt-running", "Interrupt ends any call in progress", testInterruptRunning},
	{"interrupt-service", "a call that was interrupted while it used a service does not succeed", testInterruptService},
	{"interrupt-alone", "Interrupt ends one instance, and no other of the component", testInterruptAlone},
	{"interrupt-any-time", "Interrupt may be called at any time, and more than once", testInterruptAnyTime},
}

func testInterruptIdle(t *trial) {
	in, host := t.actor()
	t.ask(in, "e")
	in.Interrupt()
	t.wantTrap("the next call", in.HandleMessage(other, []byte("s\x01x"), nil), core.TrapHandler)
	t.asked("services after Interrupt", host)
	t.refuses(in, host)
}

func testInterruptStarting(t *trial) {
	in, err := t.theActor().Instantiate(t.Context(), core.Environment{
		ID: self, Host: &Services{}, Starting: core.Instance.Interrupt,
	})
	t.wantTrap("make an instance that was interrupted", err, core.TrapHandler)
	if err == nil {
		t.must("close", in.Close())
	}
}

func testInterruptAlone(t *trial) {
	in, _ := t.actor()
	neighbor, _ := t.actor()
	in.Interrupt()
	t.wantTrap("the next call", in.HandleMessage(other, []byte("e"), nil), core.TrapHandler)
	want(t, "a neighbor's response", t.ask(neighbor, "eon"), []byte("on"))
	fresh, _ := t.actor()
	want(t, "a fresh instance's response", t.ask(fresh, "eon"), []byte("on"))
}

// interruptible reports whether the engine can end a call in progress.
func (t *trial) interruptible() bool {
	t.Helper()
	return t.theActor().Traits().Interruptible
}

func testInterruptRunning(t *trial) {
	if !t.interruptible() {
		return
	}
	for _, c := range calls {
		in, host := t.actor()
		host.Calling = interruptAt(in, `log trace "endless"`)
		var err error
		t.soon(c.name+" that was interrupted", func() { err = c.make(in, 'o') })
		t.wantTrap(c.name+" that was interrupted", err, core.TrapHandler)
		t.refuses(in, host)
	}
}

// interruptAt returns a function for Services.Calling. It interrupts an instance on
// another goroutine when the guest calls a service.
func interruptAt(in core.Instance, entry string) func(string) {
	return func(asked string) {
		if asked == entry {
			go in.Interrupt()
		}
	}
}

func testInterruptService(t *trial) {
	if !t.interruptible() {
		return
	}
	in, host := t.actor()
	host.Calling = func(string) { in.Interrupt() }
	t.wantTrap("handle-message", in.HandleMessage(other, []byte("s\x01x"), nil), core.TrapHandler)
	t.refuses(in, host)
	for _, result := range []string{"", "a result"} {
		in, host = t.actor()
		host.Function = func([]byte, []byte) ([]byte, error) {
			in.Interrupt()
			return []byte(result), nil
		}
		t.wantTrap("handle-message", in.HandleMessage(other, []byte("j\x01xm"), nil), core.TrapHandler)
		t.asked("services", host, `call x "m"`)
		t.refuses(in, host)
	}
}

func testInterruptAnyTime(t *trial) {
	c := t.theActor()
	for range 50 {
		in, _ := t.instance(c, core.Limits{})
		var others sync.WaitGroup
		for range 3 {
			others.Go(in.Interrupt)
		}
		for range 10 {
			if _, err := try(in, "efine"); err != nil {
				t.wantTrap("handle-message", err, core.TrapHandler)
				break
			}
		}
		t.must("close", in.Close())
		others.Wait()
		in.Interrupt()
	}
}
