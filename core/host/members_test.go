package host_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
)

// TestFailedInstanceReturnsItsLease: the lease of an instance from the quota is the others',
// once it has failed or waits for its restart.
func TestFailedInstanceReturnsItsLease(t *testing.T) {
	for name, restart := range map[string]host.Restart{
		"failed": {Policy: host.RestartTemporary},
		"waits":  {MaxRestarts: -1, Backoff: time.Hour, MaxBackoff: time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				h := start(t, host.Config{})
				taken := 0
				h.deploy("a/sink", echo)
				d := several("a/pool", 2, host.SpreadAny, sameFor(behaviour{
					message: func(g guest.Host, _ string, message []byte) ([]byte, error) {
						switch string(message) {
						case "trap":
							check(t, g.Send("a/sink", nil))
							taken++
							if name == "failed" {
								_, err := g.Request("a/sink", nil, time.Hour)
								check(t, err)
								taken++
							}
							panic("on purpose")
						case "request":
							_, err := g.Request("a/sink", nil, time.Hour)
							check(t, err)
							taken++
						case "send":
							for g.Send("a/sink", nil) == nil {
								taken++
							}
						}
						return nil, nil
					},
					callback: func(guest.Host, guest.RequestID, []byte, error) error { return nil },
				}))
				d.Quota = host.Quota{MessagesPerSecond: 1, Burst: 80, PendingRequests: 1}
				d.Restart = restart
				check(t, h.Deploy(t.Context(), d))
				for instancesOf(h, "a/pool") == 2 { // a first end is followed by a restart at once
					_, err := h.request("a/pool", "trap")
					isError(t, "request that traps", err, core.ErrRequestTrapped)
					synctest.Wait()
				}
				equal(t, "instances", instancesOf(h, "a/pool"), 1)
				h.ask("a/pool", "request")
				h.ask("a/pool", "send")
				equal(t, "messages taken", taken, 80)
			})
		})
	}
}

// TestLeaseCountsAsBurst: messages that an instance was lent, and sends after a pause, are part
// of the burst.
func TestLeaseCountsAsBurst(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, host.Config{})
		h.deploy("a/sink", echo)
		sent := 0
		d := several("a/pool", 2, host.SpreadAny, sameFor(behaviour{message: func(g guest.Host, _ string, _ []byte) ([]byte, error) {
			check(t, g.Send("a/sink", nil))
			<-time.After(time.Minute)
			sent, _ = sendsAll(g, "a/sink")
			return nil, nil
		}}))
		d.Quota = host.Quota{MessagesPerSecond: 1000, Burst: 400}
		d.Limits.HandlerTime = time.Hour
		check(t, h.Deploy(t.Context(), d))
		_, err := h.Request(context.Background(), d.ID, nil)
		check(t, err)
		if sent > 400 || sent < 390 {
			t.Errorf("%d sent at once, want 400, less the one that was sent of the lease", sent)
		}
	})
}

// asker passes each message on to a target as a request; it panics at the message "trap".
func asker(target string) behaviour {
	return behaviour{
		message: func(g guest.Host, _ string, message []byte) ([]byte, error) {
			if string(message) == "trap" {
				panic("on purpose")
			}
			_, err := g.Request(target, message, time.Hour)
			return nil, err
		},
		callback: func(guest.Host, guest.RequestID, []byte, error) error { return nil },
	}
}

// TestRequestsFromBeforeThatFailed: requests that a component sent when it was alone, and that
// ended when the instance failed, leave their places to others once it is alone again.
func TestRequestsFromBeforeThatFailed(t *testing.T) {
	h := start(t, host.Config{})
	gate := make(chan struct{})
	h.deploy("a/target", behaviour{message: func(guest.Host, string, []byte) ([]byte, error) { <-gate; return nil, nil }})
	d := several("a/pool", 1, host.SpreadAny, sameFor(asker("a/target")))
	d.Quota.PendingRequests = 1
	d.Restart = host.Restart{Policy: host.RestartTemporary}
	check(t, h.Deploy(within(t), d))
	h.do("a/pool")
	d.Instances = 2
	check(t, h.Update(within(t), d))
	for range d.Instances {
		_, err := h.request("a/pool", "trap")
		isError(t, "request that traps", err, core.ErrRequestTrapped)
	}
	h.waitFor("the failure", func() bool { return h.component("a/pool").State == "failed" }) // the answers come before it
	check(t, h.Restart(within(t), d.ID))
	d.Instances = 1
	check(t, h.Update(within(t), d))
	h.do("a/pool")
	close(gate)
	h.balance()
}

// TestLateRestartOfWhatHasCompany: a restart that falls due when the component has got several
// instances starts nothing.
func TestLateRestartOfWhatHasCompany(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, host.Config{})
		release := make(chan struct{})
		d := several("a/pool", 2, "", sameFor(behaviour{message: func(guest.Host, string, []byte) ([]byte, error) { <-release; return nil, nil }}))
		d.Limits.HandlerTime = time.Hour
		check(t, h.Deploy(t.Context(), d))
		check(t, h.Send(d.ID, nil))
		synctest.Wait()
		h.RestartDue(d.ID)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		isError(t, "update of what is busy", h.Update(ctx, d), context.DeadlineExceeded)
		close(release)
		h.do("a/pool")
		h.balance()
		equal(t, "restarts", h.Components()[0].Counters.Restarts, 0)
	})
}

// TestLowerBurst: an update that lowers the burst does not count against it the messages that
// instances have sent before.
func TestLowerBurst(t *testing.T) {
	for _, change := range []string{"update", "replacement"} {
		bubble(t, func(t *testing.T) {
			h := start(t, host.Config{})
			h.deploy("a/sink", echo)
			gate, taken := make(chan struct{}), 0
			d := several("a/pool", 2, host.SpreadAny, sameFor(behaviour{message: func(g guest.Host, _ string, message []byte) ([]byte, error) {
				if string(message) == "block" {
					for range 60 {
						check(t, g.Send("a/sink", nil))
					}
					<-gate
					return nil, nil
				}
				for g.Send("a/sink", nil) == nil {
					taken++
				}
				return nil, nil
			}}))
			d.Quota = host.Quota{MessagesPerSecond: 1, Burst: 800}
			d.Limits.HandlerTime = time.Hour
			check(t, h.Deploy(t.Context(), d))
			var caller sync.WaitGroup
			caller.Go(func() { h.ask("a/pool", "block") })
			synctest.Wait()
			d.Quota.Burst = 10
			caller.Go(func() {
				if change == "update" {
					check(t, h.Update(t.Context(), d))
				} else {
					check(t, h.Replace(t.Context(), d))
				}
			})
			synctest.Wait()
			close(gate)
			caller.Wait()
			h.do("a/pool")
			equal(t, "messages taken after the "+change, taken, 10)
			h.balance()
		})
	}
}

// TestOthersStandIn: a message that an idle instance was woken for is another one's, if that
// instance is restarted before it has begun.
func TestOthersStandIn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, host.Config{Workers: 1})
		var made atomic.Int64
		gates := []chan struct{}{make(chan struct{}), make(chan struct{})}
		began, handled := make(chan struct{}, 2), make(chan struct{}, 1)
		d := several("a/pool", 2, "", func() guest.Component {
			first := made.Add(1) == 1
			return behaviour{
				message: func(_ guest.Host, _ string, message []byte) ([]byte, error) {
					switch string(message) {
					case "0", "1":
						began <- struct{}{}
						<-gates[message[0]-'0']
					case "sent":
						handled <- struct{}{}
					}
					return nil, nil
				},
				shutdown: func(guest.Host) {
					if !first {
						return
					}
					select {
					case <-handled:
					case <-time.After(time.Minute):
						t.Error("a message waits for the instance that is restarted, while another one is idle")
					}
				},
			}
		})
		d.Limits.HandlerTime, d.Limits.StartTime = time.Hour, time.Hour
		check(t, h.Deploy(t.Context(), d))
		var callers sync.WaitGroup
		for i, text := range []string{"0", "1"} { // the first instance becomes idle last
			callers.Go(func() { _, err := h.Request(context.Background(), d.ID, []byte(text)); check(t, err) })
			<-began
			if i == 1 {
				close(gates[0])
				synctest.Wait()
				close(gates[1])
				callers.Wait()
			}
		}
		busy, release := make(chan struct{}), make(chan struct{})
		h.deploy("a/busy", behaviour{message: func(guest.Host, string, []byte) ([]byte, error) { close(busy); <-release; return nil, nil }})
		check(t, h.Send(id("a/busy"), nil))
		<-busy // the only worker does nothing else
		check(t, h.Send(d.ID, []byte("sent")))
		check(t, h.Restart(t.Context(), d.ID))
		close(release)
		h.balance()
	})
}

// TestAcceptWithoutSlot: a request that could not run on the caller's goroutine takes one
// place of the rate that a component accepts.
func TestAcceptWithoutSlot(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, host.Config{Workers: 1, HeldUpWorkers: 1})
		for _, name := range []string{"a/first", "a/second"} {
			h.deploy(name, echo)
			_, err := h.Request(context.Background(), id(name), nil) // the first one keeps the only slot
			check(t, err)
		}
		d := deployment("a/accepting", echo)
		d.Accept = host.Accept{MessagesPerSecond: 1, Burst: 3}
		check(t, h.Deploy(t.Context(), d))
		for range 3 {
			_, err := h.Request(context.Background(), d.ID, nil)
			check(t, err)
		}
		_, err := h.Request(context.Background(), d.ID, nil)
		isError(t, "one request too many", err, core.ErrQueueFull)
		h.balance()
	})
}

// TestUpdateOfWhatIsRemoved: an update that Stop overtakes fails.
func TestUpdateOfWhatIsRemoved(t *testing.T) {
	for _, n := range []int{1, 2} {
		h := start(t, host.Config{})
		d := several("a/pool", n, "", sameFor(echo))
		check(t, h.Deploy(within(t), d))
		d.Instances = 4
		if err := h.UpdateOfRemoved(d); err == nil {
			t.Error("an update succeeds of a component that is gone")
		}
	}
}
