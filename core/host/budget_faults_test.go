package host_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/airhost/airhost/backends/native"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
)

// TestTimeOfSenderIsItsOwn: the time that a sender goes on running after it has sent a message
// does not count to the budget of the target, which only waits for the worker.
func TestTimeOfSenderIsItsOwn(t *testing.T) {
	everyPart(t, func(t *testing.T, p parts) {
		bubble(t, func(t *testing.T) {
			h := p.start(t, host.Config{Workers: 1, Budgets: map[string]host.Budget{"a": {RunningTime: time.Hour}}})
			h.deploy("a/target", behaviour{message: func(guest.Host, string, []byte) ([]byte, error) {
				<-time.After(10 * time.Microsecond)
				return nil, nil
			}})
			h.deploy("b/sender", behaviour{message: func(g guest.Host, _ string, _ []byte) ([]byte, error) {
				check(t, g.Send("a/target", nil))
				<-time.After(time.Millisecond)
				return nil, nil
			}})
			for range 3 {
				check(t, h.Send(id("b/sender"), nil))
				h.quiesce()
			}
			equal(t, "time of 3 calls", h.budget("a").Ran, 30*time.Microsecond)
		})
	})
}

// TestNoRestartWhilePaused: an instance whose restart comes due while its namespace has no
// running time starts when there is time again.
func TestNoRestartWhilePaused(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, host.Config{Budgets: map[string]host.Budget{"a": {RunningTime: 10 * time.Millisecond}}})
		var starts atomic.Int64
		d := deployment("a/one", behaviour{
			start:   func(guest.Host, guest.Config) error { starts.Add(1); return nil },
			message: func(guest.Host, string, []byte) ([]byte, error) { panic("on purpose") },
		})
		d.Restart = core.Restart{Backoff: time.Second, MaxBackoff: time.Second}
		check(t, h.Deploy(t.Context(), d))
		h.deploy("a/other", behaviour{message: func(guest.Host, string, []byte) ([]byte, error) {
			<-time.After(100 * time.Millisecond)
			return nil, nil
		}})
		for starts.Load() < 2 { // the first restarts come at once
			check(t, h.Send(d.ID, nil))
			h.quiesce()
			<-time.After(2 * time.Second)
		}
		check(t, h.Send(d.ID, nil)) // the next one comes in a second
		h.do("a/other")
		<-time.After(5 * time.Second)
		equal(t, "paused", h.budget("a").Paused, true)
		equal(t, "starts before the end of the pause", starts.Load(), 2)
		<-time.After(time.Minute)
		equal(t, "starts", starts.Load(), 3)
	})
}

// TestBudgetOfInstancesThatEnd: instances send no more at their shutdown than the budget has, also
// those of an update that failed, and what an undeployed component did not send is others'.
func TestBudgetOfInstancesThatEnd(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const burst = 200
		h := start(t, host.Config{Workers: 1, Budgets: map[string]host.Budget{"a": {MessagesPerSecond: 1, Burst: burst}}})
		h.deploy("b/sink", echo)
		sent, starts, last := 0, 0, 1
		d := deployment("a/crew", nil)
		d.Source = native.Source(func() guest.Component {
			return behaviour{
				start: func(guest.Host, guest.Config) error {
					if starts++; starts == 4 {
						return errOnPurpose
					}
					return nil
				},
				shutdown: func(g guest.Host) {
					for range last {
						if g.Send("b/sink", nil) == nil {
							sent++
						}
					}
				},
			}
		})
		d.Instances = 2
		check(t, h.Deploy(t.Context(), d))
		more := d
		more.Instances, last = 4, 2*burst
		contains(t, "an update", fmt.Sprint(h.Update(t.Context(), more)), errOnPurpose.Error())
		most := sent
		if most > burst {
			t.Errorf("%d sent by instances of an update that failed, want %d at most", most, burst)
		}
		sent, last = 0, 1
		<-time.After(time.Hour)
		check(t, h.Undeploy(t.Context(), d.ID))
		equal(t, "sent at the undeployment", sent, 2)
		h.deploy("a/other", behaviour{message: func(g guest.Host, _ string, _ []byte) ([]byte, error) {
			n, _ := sendsAll(g, "b/sink")
			sent += n
			return nil, nil
		}})
		h.do("a/other")
		equal(t, "sent", sent, burst)
	})
}
