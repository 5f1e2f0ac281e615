package host_test

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
)

// TestQuiesceMissesNothing: messages move along chains of components, while Quiesce
// looks at one component after the other. When Quiesce returns, all chains have
// ended.
func TestQuiesceMissesNothing(t *testing.T) {
	const components, rounds = 8, 200
	h := start(t, host.Config{Workers: 4})
	var handled atomic.Int64
	for n := range components {
		h.deploy(fmt.Sprintf("chain/%d", n), behaviour{message: func(g guest.Host, _ string, message []byte) ([]byte, error) {
			defer handled.Add(1)
			hops := message[0]
			for step := 1; step <= 2 && hops > 0; step++ {
				if err := g.Send(fmt.Sprintf("chain/%d", (n+3*step)%components), []byte{hops - 1}); err != nil {
					t.Error(err)
				}
			}
			runtime.Gosched()
			return nil, nil
		}})
	}
	for n := range rounds {
		check(t, h.Send(id(fmt.Sprintf("chain/%d", n%components)), []byte{3}))
		check(t, h.Quiesce(within(t)))
		if got, want := handled.Load(), int64(15*(n+1)); got != want {
			t.Fatalf("quiet after %d of %d messages", got, want)
		}
	}
}

// TestQuiesceWaitsForExpired: Quiesce waits for the callback of a request that has
// expired, even if it is not in the tracker any more.
func TestQuiesceWaitsForExpired(t *testing.T) {
	bubble(t, func(t *testing.T) {
		release := make(chan struct{})
		tracker := new(trackerHooks)
		tracker.register = func(id core.RequestID, w core.Waiter) {
			if _, pending := tracker.Resolve(id); pending {
				go func() {
					<-release
					w.Expired(id, core.ErrTimeout)
				}()
			}
		}
		h := tracker.start(t, host.Config{})
		h.deploy("a/target", echo)
		o := newOutcomes()
		h.deploy("a/asker", o.requester("a/target", 0))
		check(t, h.Send(id("a/asker"), nil))
		isError(t, "quiesce before the callback", h.Quiesce(limited(t, time.Minute)), context.DeadlineExceeded)
		close(release)
		h.quiesce()
		equal(t, "callbacks", len(o.got), 1)
	})
}
