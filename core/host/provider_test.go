package host_test

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
)

// provides is the configuration of functions f/NAME that components provide.
func provides(of map[string]string) host.Config {
	config := host.Config{FunctionOptions: make(map[string]host.FunctionOptions)}
	for name, component := range of {
		config.FunctionOptions["f/"+name] = host.FunctionOptions{Component: id(component)}
	}
	return config
}

// provider answers with the sender and the argument.
func provider() *toy {
	return &toy{answer: func(i *toyInstance, sender core.ComponentID, message []byte) ([]byte, error) {
		switch string(message) {
		case "fail":
			return nil, &core.ComponentError{Case: core.CaseFailed, Text: "no such part"}
		case "trap":
			return nil, &core.TrapError{Kind: core.TrapFault, Text: "unreachable"}
		case "large":
			return make([]byte, 2000), nil
		}
		return []byte(sender.String() + " " + strings.ToUpper(string(message))), nil
	}}
}

func TestFunctionOfComponent(t *testing.T) {
	everyPart(t, func(t *testing.T, p parts) {
		h := p.start(t, provides(map[string]string{"upper": "b/y", "none": "b/none"}))
		d := callerDeployment(t, "a/x", caller())
		d.Limits.MessageSize = 1000
		check(t, h.Deploy(within(t), d))
		d = toyDeployment("b/y", provider())
		d.Limits.MessageSize = 100
		check(t, h.Deploy(within(t), d))
		for range 3 { // the first one on a goroutine of its own, the others on the caller's
			h.calls("f/upper bolt", "ok: a/x BOLT")
		}
		h.calls("f/none bolt", "unavailable: b/none, which provides f/none, is not deployed")
		h.calls("f/upper fail", "failed: no such part")
		h.calls("f/upper large", "failed: the result of f/upper has 2000 bytes")
		h.calls("f/upper "+strings.Repeat("x", 101), "unavailable: message: b/y takes at most 100 bytes")
		h.calls("f/upper trap", "failed: trapped: fault: unreachable")
		h.calls("f/upper nut", "ok: a/x NUT") // after its restart
		for _, s := range h.Components() {
			if s.ID == id("b/y") {
				equal(t, "handled by the provider", s.Counters.Handled, 6)
				equal(t, "its traps", s.Counters.Traps, 1)
			}
		}
		check(t, h.Undeploy(within(t), id("b/y")))
		h.calls("f/upper bolt", "unavailable: b/y, which provides f/upper, is not deployed")
		h.balance()
	})
}

func TestFunctionOfComponentInstances(t *testing.T) {
	everyPart(t, func(t *testing.T, p parts) {
		h := p.start(t, provides(map[string]string{"upper": "b/y"}))
		h.deployCaller("a/x")
		d := toyDeployment("b/y", provider())
		d.Instances = 3
		check(t, h.Deploy(within(t), d))
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() { h.calls("f/upper bolt", "ok: a/x BOLT") })
		}
		all.Wait()
		h.balance()
	})
}

// Calls that find their provider busy wait in line, and mail has its turn between them.
func TestFunctionInLine(t *testing.T) {
	everyPart(t, func(t *testing.T, p parts) {
		config := provides(map[string]string{"slow": "b/y"})
		config.Workers = 1
		h := p.start(t, config)
		var handled atomic.Int32
		slow := &toy{answer: func(i *toyInstance, _ core.ComponentID, message []byte) ([]byte, error) {
			handled.Add(1)
			return message, nil
		}}
		check(t, h.Deploy(within(t), toyDeployment("b/y", slow)))
		const callers, each = 8, 50
		for i := range callers {
			x := &toy{answer: func(i *toyInstance, _ core.ComponentID, message []byte) ([]byte, error) {
				for range each {
					if err := i.env.Host.SendMessage([]byte("b/y"), []byte("mail")); err != nil {
						return nil, err
					}
					if got := i.call("f/slow", "1"); got != "ok: 1" {
						return nil, errors.New(got)
					}
				}
				return nil, nil
			}}
			check(t, h.Deploy(within(t), callerDeployment(t, "a/x"+string(rune('0'+i)), x)))
		}
		var all sync.WaitGroup
		for i := range callers {
			all.Go(func() { h.do("a/x" + string(rune('0'+i))) })
		}
		all.Wait()
		h.balance()
		equal(t, "handled", handled.Load(), 2*callers*each)
	})
}

func TestFunctionRing(t *testing.T) {
	everyPart(t, func(t *testing.T, p parts) {
		h := p.start(t, provides(map[string]string{"x": "a/x", "y": "b/y", "z": "c/z", "self": "a/x"}))
		h.deployCaller("a/x")
		h.deployCaller("b/y")
		h.deployCaller("c/z")
		h.calls("f/x hello", "unavailable: a/x waits for a/x")
		h.calls("f/y f/x hello", "ok: unavailable: b/y waits for a/x, which waits for b/y")
		h.calls("f/y f/z f/x hello", "ok: ok: unavailable: c/z waits for a/x, which waits for b/y, which waits for c/z")
		h.calls("f/y f/z f/y hello", "ok: ok: unavailable: c/z waits for b/y, which waits for c/z")
		h.calls("f/y f/none hello", "ok: not-found: f/none")
		equal(t, "calls in progress", len(h.Snapshot().Waits), 0)
		h.balance()
	})
}

// A component with several instances may call itself, until all of them wait.
func TestFunctionOfItself(t *testing.T) {
	everyPart(t, func(t *testing.T, p parts) {
		h := p.start(t, provides(map[string]string{"x": "a/x"}))
		d := callerDeployment(t, "a/x", caller())
		d.Instances = 3
		check(t, h.Deploy(within(t), d))
		h.calls("f/x f/none", "ok: not-found")
		h.calls("f/x f/x f/none", "ok: ok: not-found")
		h.calls("f/x f/x f/x f/none", "ok: ok: unavailable: a/x waits for a/x")
		h.balance()
	})
}

// TestProviderFailsBeforeTheLine: a provider fails for good while a call waits for it. The call is
// refused, and its wait takes no lock out of order.
func TestProviderFailsBeforeTheLine(t *testing.T) {
	for _, instances := range []int{1, 2} {
		config := provides(map[string]string{"upper": "b/y"})
		config.Workers = 4
		h := start(t, config)
		entered, release := make(chan struct{}, 10), make(chan struct{})
		d := toyDeployment("b/y", &toy{answer: func(*toyInstance, core.ComponentID, []byte) ([]byte, error) {
			entered <- struct{}{}
			<-release
			return nil, &core.TrapError{Kind: core.TrapFault, Text: "unreachable"}
		}})
		d.Instances, d.Restart.Policy, d.Limits.HandlerTime = instances, host.RestartTemporary, time.Minute
		check(t, h.Deploy(within(t), d))
		var callers sync.WaitGroup
		for n := range instances + 1 {
			name := fmt.Sprintf("a/x%d", n)
			d := callerDeployment(t, name, caller())
			d.Limits.HandlerTime = time.Minute
			check(t, h.Deploy(within(t), d))
			callers.Go(func() {
				got, err := h.request(name, "f/upper bolt")
				check(t, err)
				if got != "failed: trapped: fault: unreachable" && got != "unavailable: b/y has failed" {
					t.Errorf("%s got %q", name, got)
				}
			})
		}
		for range instances {
			receive(t, "a call", entered)
		}
		for len(h.Snapshot().Waits) <= instances {
			runtime.Gosched()
		}
		close(release)
		callers.Wait()
		h.balance()
	}
}
