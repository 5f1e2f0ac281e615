package host_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/airhost/airhost/core/host"
)

// sleepers deploys n guests that sleep for a second in each call. It returns how
// many are asleep now, and the highest number of them at the same time.
func (h *testHost) sleepers(n int) (now, most *atomic.Int32) {
	now, most = new(atomic.Int32), new(atomic.Int32)
	sleeper := &toy{message: func(*toyInstance, []byte) error {
		most.Store(max(most.Load(), now.Add(1)))
		<-time.After(time.Second)
		now.Add(-1)
		return nil
	}}
	for i := range n {
		d := toyDeployment(fmt.Sprintf("a/sleeper%d", i), sleeper)
		d.Limits.HandlerTime = time.Minute
		check(h.t, h.Deploy(h.t.Context(), d))
	}
	return now, most
}

// TestHeldUpWorkersHaveACeiling: 1,000 guests that sleep block as many workers as
// the configuration allows. All other messages wait, and are handled in the end.
func TestHeldUpWorkersHaveACeiling(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const workers, ceiling = 2, 10
		sleepers := 1000
		if host.Raced {
			sleepers = 200
		}
		h := start(t, host.Config{Workers: workers, HeldUpWorkers: ceiling, DrainTimeout: time.Hour})
		_, most := h.sleepers(sleepers)
		var echoed atomic.Int32
		h.deploy("b/echo", responder(func([]byte) ([]byte, error) { echoed.Add(1); return nil, nil }))
		for i := range sleepers {
			check(t, h.Send(id(fmt.Sprintf("a/sleeper%d", i)), nil))
		}
		check(t, h.Send(id("b/echo"), nil))
		<-time.After(500 * time.Millisecond)
		equal(t, "held up now", h.Snapshot().HeldUpNow, ceiling)
		equal(t, "echoes while all workers are held up", echoed.Load(), 0)
		check(t, h.Quiesce(t.Context()))
		s := h.balance()
		equal(t, "guests that slept at the same time", int(most.Load()), workers+ceiling)
		equal(t, "messages handled", s.Handled, uint64(sleepers)+1)
		equal(t, "held up at the end", s.HeldUpNow, 0)
		equal(t, "dead letters", s.DeadLetters, 0)
	})
}

// TestRequestsOnCallersGoroutinesHaveACeiling: if many Go programs call components
// on their own goroutines, further requests go through the mailbox.
func TestRequestsOnCallersGoroutinesHaveACeiling(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const workers, ceiling, sleepers = 2, 10, 100
		h := start(t, host.Config{Workers: workers, HeldUpWorkers: ceiling, RequestTimeout: time.Hour})
		_, most := h.sleepers(sleepers)
		var asked []<-chan error
		for i := range sleepers {
			asked = append(asked, background(func() error {
				_, err := h.Request(context.Background(), id(fmt.Sprintf("a/sleeper%d", i)), nil)
				return err
			}))
		}
		for i := range asked {
			check(t, <-asked[i])
		}
		if got := int(most.Load()); got > 2*(workers+ceiling) {
			t.Errorf("%d guests ran at the same time", got)
		}
	})
}

// TestWaitingGoComponentsHaveNoCeiling: any number of Go components may wait for
// each other, and each gets a worker.
func TestWaitingGoComponentsHaveNoCeiling(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, host.Config{Workers: 1, HeldUpWorkers: 1})
		release := make(chan struct{})
		for i := range 10 {
			name := fmt.Sprintf("a/waits%d", i)
			h.deploy(name, responder(func([]byte) ([]byte, error) { <-release; return nil, nil }))
			check(t, h.Send(id(name), nil))
		}
		h.deploy("b/releases", responder(func([]byte) ([]byte, error) { close(release); return nil, nil }))
		check(t, h.Send(id("b/releases"), nil))
		equal(t, "handled", h.balance().Handled, 11)
	})
}

// TestStartsHaveACeiling: the host limits how many guests start at the same time. A
// deployment that waits for its place ends when its context ends.
func TestStartsHaveACeiling(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, host.Config{HeldUpWorkers: 8}) // 2 places
		var now, most atomic.Int32
		slow := &toy{initialize: func(*toyInstance) error {
			most.Store(max(most.Load(), now.Add(1)))
			<-time.After(time.Second)
			now.Add(-1)
			return nil
		}}
		var deployed []<-chan error
		for i := range 10 {
			deployed = append(deployed, background(func() error {
				return h.Deploy(context.Background(), toyDeployment(fmt.Sprintf("a/slow%d", i), slow))
			}))
		}
		synctest.Wait()
		short, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		isError(t, "a deployment that waits for a place", h.Deploy(short, toyDeployment("a/late", slow)), context.DeadlineExceeded)
		for i := range deployed {
			check(t, <-deployed[i])
		}
		equal(t, "guests that started at the same time", most.Load(), 2)
	})
}
