package host_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
)

// TestRestingWorkersKeepTheirSlots: the watchdog sees the calls on the goroutines of
// Go programs while workers park and wake up.
func TestRestingWorkersKeepTheirSlots(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const workers = 4
		h := start(t, host.Config{Workers: workers})
		loop := &toy{message: func(i *toyInstance, _ []byte) error { return i.hang() }}
		var asked []<-chan error
		for n := range workers {
			d := toyDeployment(fmt.Sprintf("a/loop%d", n), loop)
			check(t, h.Deploy(t.Context(), d))
			asked = append(asked, background(func() error {
				_, err := h.Request(context.Background(), d.ID, nil)
				return err
			}))
		}
		synctest.Wait()
		release := make(chan struct{})
		for n := range workers { // so that every worker runs a component, and parks again
			name := fmt.Sprintf("b/busy%d", n)
			h.deploy(name, responder(func([]byte) ([]byte, error) { <-release; return nil, nil }))
			check(t, h.Send(id(name), nil))
		}
		synctest.Wait()
		close(release)
		for n := range asked {
			select {
			case err := <-asked[n]:
				isError(t, "a call that hangs", err, core.ErrRequestTrapped)
			case <-time.After(time.Minute):
				t.Fatalf("the watchdog does not see call %d", n)
			}
		}
	})
}

// TestLateTickInterruptsNoOtherCall: after a late tick, here because an engine is
// slow to interrupt, the watchdog does not take the calls that began meanwhile for
// old ones.
func TestLateTickInterruptsNoOtherCall(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, host.Config{Workers: 2})
		interrupting, late := make(chan struct{}), make(chan struct{})
		loop := &toy{
			message:   func(i *toyInstance, _ []byte) error { return i.hang() },
			interrupt: func() { close(interrupting); <-late },
		}
		check(t, h.Deploy(t.Context(), toyDeployment("a/loop", loop)))
		short := &toy{message: func(*toyInstance, []byte) error { <-time.After(5 * time.Millisecond); return nil }}
		check(t, h.Deploy(t.Context(), toyDeployment("a/short", short)))
		check(t, h.Send(id("a/loop"), nil))
		<-interrupting
		<-time.After(299 * time.Millisecond)
		check(t, h.Send(id("a/short"), nil))
		time.AfterFunc(time.Millisecond, func() { close(late) })
		<-time.After(time.Second)
		equal(t, "traps", h.balance().Traps, 1)
	})
}

// TestHandlerTime: the watchdog ends a call after its handler time, within two
// ticks.
func TestHandlerTime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, host.Config{})
		loop := &toy{message: func(i *toyInstance, _ []byte) error { return i.hang() }}
		d := toyDeployment("a/loop", loop)
		d.Limits.HandlerTime = 50 * time.Millisecond
		check(t, h.Deploy(t.Context(), d))
		began := time.Now()
		_, err := h.Request(t.Context(), d.ID, nil)
		isError(t, "the call", err, core.ErrRequestTrapped)
		if took := time.Since(began); took < 50*time.Millisecond || took > 53*time.Millisecond {
			t.Errorf("it took %v", took)
		}
	})
}

// TestHeldUpAtTheLastMoment: calls that end while their workers are replaced do not
// cost a wake-up of another worker.
func TestHeldUpAtTheLastMoment(t *testing.T) {
	h := start(t, host.Config{Workers: 2})
	const components = 3
	for n := range components {
		h.deploy(fmt.Sprintf("a/edge%d", n), responder(func([]byte) ([]byte, error) {
			<-time.After(2*time.Millisecond + time.Duration(n)*500*time.Microsecond)
			return nil, nil
		}))
	}
	h.deploy("a/echo", echo)
	for range 30 {
		var asking sync.WaitGroup
		for n := range components {
			asking.Go(func() {
				_, err := h.request(fmt.Sprintf("a/edge%d", n), "")
				check(t, err)
			})
		}
		asking.Wait()
		check(t, h.Send(id("a/echo"), nil))
		h.quiesce()
	}
}
