package host_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
)

// TestRoomFollowsChanges: other components get credits for a component that has one instance,
// has not failed and accepts any rate, and for no other, as soon as that changes.
func TestRoomFollowsChanges(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, host.Config{})
		d := deployment("a/b", breaks)
		d.Restart.Policy = host.RestartTemporary
		check(t, h.Deploy(t.Context(), d))
		room := func(name string, want bool, err error) {
			t.Helper()
			check(t, err)
			equal(t, "room after "+name, h.HasRoom(d.ID), want)
		}
		fail := func(messages int) error {
			for range messages {
				check(t, h.Send(d.ID, nil))
				synctest.Wait()
			}
			equal(t, "state", h.Components()[0].State, "failed")
			return nil
		}
		room("deployment", true, nil)
		d.Instances = 3
		room("an update to three", false, h.Update(t.Context(), d))
		room("their failure", false, fail(3))
		room("their restart", false, h.Restart(t.Context(), d.ID))
		d.Instances = 1
		room("an update to one", true, h.Update(t.Context(), d))
		room("a failure", false, fail(1))
		room("an update of what has failed", false, h.Update(t.Context(), d))
		room("a restart", true, h.Restart(t.Context(), d.ID))
		d.Accept.MessagesPerSecond = 1
		room("a limit", false, h.Update(t.Context(), d))
		room("a restart with a limit", false, h.Restart(t.Context(), d.ID))
		d.Accept = host.Accept{}
		room("the end of the limit", true, h.Update(t.Context(), d))
		d.Instances = 2
		room("a replacement by two", false, h.Replace(t.Context(), d))
		d.Instances = 1
		room("a replacement by one", true, h.Replace(t.Context(), d))
		d.Accept.MessagesPerSecond = 1
		room("a replacement with a limit", false, h.Replace(t.Context(), d))
	})
}

// TestUpdateOfSeveral: an update of several instances, whose number stays, sets the
// component's own settings and those of each instance.
func TestUpdateOfSeveral(t *testing.T) {
	for name, test := range map[string]struct {
		change func(d *host.Deployment)
		checks func(t *testing.T, h *testHost)
	}{
		"mailbox": {func(d *host.Deployment) { d.Limits.Mailbox = 2 }, func(t *testing.T, h *testHost) {
			for range 2 + 2 {
				check(t, h.Send(id("a/pool"), []byte("wait")))
				<-time.After(time.Second)
			}
			isError(t, "one message too many", h.Send(id("a/pool"), nil), core.ErrQueueFull)
		}},
		"accept": {func(d *host.Deployment) { d.Accept.MessagesPerSecond = 1 }, func(t *testing.T, h *testHost) {
			h.do("a/pool")
			isError(t, "a second message", h.Send(id("a/pool"), nil), core.ErrQueueFull)
		}},
		"rate": {func(d *host.Deployment) { d.Quota.MessagesPerSecond, d.Quota.Burst = 1, 1 }, func(t *testing.T, h *testHost) {
			h.ask("a/pool", "send")
			_, err := h.request("a/pool", "send")
			isError(t, "a second message", err, core.ErrRequestFailed)
		}},
		"rights": {func(d *host.Deployment) { d.Capabilities.Send = nil }, func(t *testing.T, h *testHost) {
			_, err := h.request("a/pool", "send")
			isError(t, "a message", err, core.ErrRequestFailed)
		}},
		"log": {func(d *host.Deployment) { d.Limits.LogLines = 3 }, func(t *testing.T, h *testHost) {
			for range 5 {
				h.ask("a/pool", "log")
			}
			equal(t, "lines in the log", strings.Count(h.log.String(), "msg=line"), 3)
		}},
		"restart": {func(d *host.Deployment) { d.Restart.Policy = host.RestartTemporary }, func(t *testing.T, h *testHost) {
			for range 2 {
				check(t, h.Send(id("a/pool"), []byte("trap")))
				synctest.Wait()
			}
			equal(t, "state", h.component("a/pool").State, "failed")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				h := start(t, host.Config{Workers: 3})
				release := make(chan struct{})
				h.deploy("a/sink", echo)
				d := several("a/pool", 2, host.SpreadAny, sameFor(behaviour{message: func(g guest.Host, _ string, message []byte) (_ []byte, err error) {
					switch string(message) {
					case "wait":
						<-release
					case "send":
						err = g.Send("a/sink", nil)
					case "log":
						g.Log(guest.LogInfo, "line")
					case "trap":
						panic("on purpose")
					}
					return nil, err
				}}))
				d.Limits.HandlerTime = time.Hour
				check(t, h.Deploy(t.Context(), d))
				test.change(&d)
				check(t, h.Update(t.Context(), d))
				test.checks(t, h)
				close(release)
				h.balance()
			})
		})
	}
}

// TestUpdateEndsFailedInstancesFirst: the instances that an update ends are those that have
// failed, if there are any.
func TestUpdateEndsFailedInstancesFirst(t *testing.T) {
	for victim := range 4 { // one of three, or with 0 two of them
		bubble(t, func(t *testing.T) {
			h := start(t, host.Config{})
			var count atomic.Int32
			d := several("a/pool", 3, host.SpreadSender, func() guest.Component {
				made := int(count.Add(1))
				fails := made == victim || victim == 0 && made < 3
				return behaviour{message: func(guest.Host, string, []byte) ([]byte, error) {
					if fails {
						panic("on purpose")
					}
					return nil, nil
				}}
			})
			d.Restart.Policy = host.RestartTemporary
			check(t, h.Deploy(t.Context(), d))
			for i := range 40 { // they have homes at all instances
				name := fmt.Sprintf("s/%d", i)
				h.deploy(name, behaviour{message: func(g guest.Host, _ string, _ []byte) ([]byte, error) { return nil, g.Send("a/pool", nil) }})
				h.do(name)
				synctest.Wait()
			}
			d.Instances = h.Components()[0].Instances
			equal(t, "instances that have not failed", d.Instances, map[int]int{0: 1}[victim]+map[bool]int{true: 2}[victim > 0])
			check(t, h.Update(t.Context(), d))
			equal(t, "instances after the update", h.Components()[0].Instances, d.Instances)
			h.do("a/pool")
			h.balance()
		})
	}
}

// TestChangesTellDroppedLines: the log says how many lines were dropped before its limits change.
func TestChangesTellDroppedLines(t *testing.T) {
	for name, change := range map[string]func(h *testHost, d host.Deployment) error{
		"update":      func(h *testHost, d host.Deployment) error { return h.Update(within(h.t), d) },
		"replacement": func(h *testHost, d host.Deployment) error { return h.Replace(within(h.t), d) },
	} {
		h := start(t, host.Config{})
		d := deployment("a/noisy", behaviour{message: func(g guest.Host, _ string, _ []byte) ([]byte, error) {
			for range 10 {
				g.Log(guest.LogInfo, "flood")
			}
			return nil, nil
		}})
		d.Limits.LogLines = 3
		check(t, h.Deploy(within(t), d))
		h.do("a/noisy")
		d.Limits.LogLines = 100
		check(t, change(h, d))
		contains(t, "log after the "+name, h.log.String(), `dropped=7 limit="logs.lines_per_second (3)"`)
		h.do("a/noisy")
		equal(t, "lines in the log", strings.Count(h.log.String(), "msg=flood"), 13)
	}
}

// TestReplaceLimitsOfMessages: the rate that a component accepts, and the words of its refusals, are
// those of the new version.
func TestReplaceLimitsOfMessages(t *testing.T) {
	h := start(t, host.Config{})
	failures := make(chan string, 1)
	d := deployment("a/b", behaviour{
		message: func(g guest.Host, _ string, _ []byte) ([]byte, error) {
			_, err := g.Request("a/large", nil, time.Hour)
			return nil, err
		},
		callback: func(_ guest.Host, _ guest.RequestID, _ []byte, failure error) error {
			failures <- failure.Error()
			return nil
		},
	})
	h.deploy("a/large", responder(func([]byte) ([]byte, error) { return make([]byte, 200), nil }))
	check(t, h.Deploy(within(t), d))
	d.Limits.MessageSize = 100
	d.Accept = host.Accept{MessagesPerSecond: 1, Burst: 1}
	check(t, h.Replace(within(t), d))
	contains(t, "too large a message", h.Send(d.ID, make([]byte, 101)).Error(), "takes at most 100 bytes")
	h.do("a/b")
	contains(t, "too large a response", receive(t, "callback", failures), "takes at most 100 bytes")
	isError(t, "a second message", h.Send(d.ID, nil), core.ErrQueueFull)
	h.balance()
}

// TestReplaceIsCutOffInTheLastCall: a replacement whose context ends during the old version's
// call is rolled back, also if the call ends at the same moment.
func TestReplaceIsCutOffInTheLastCall(t *testing.T) {
	for range 50 {
		bubble(t, func(t *testing.T) {
			h := start(t, host.Config{})
			ctx, cancel := context.WithCancel(t.Context())
			release := make(chan struct{})
			h.deploy("a/b", responder(func([]byte) ([]byte, error) { <-release; cancel(); return []byte("old"), nil }))
			check(t, h.Send(id("a/b"), nil))
			synctest.Wait()
			replaced := background(func() error {
				return h.Replace(ctx, deployment("a/b", responder(func([]byte) ([]byte, error) { return []byte("new"), nil })))
			})
			synctest.Wait()
			close(release)
			isError(t, "replace", <-replaced, context.Canceled)
			got, err := h.request("a/b", "")
			check(t, err)
			equal(t, "response", got, "old")
		})
	}
}

// TestStopEndsChanges: a Stop that is in a hurry ends a change that waits for a call which it
// cannot interrupt.
func TestStopEndsChanges(t *testing.T) {
	for name, change := range map[string]func(h *testHost, d host.Deployment) error{
		"replace": func(h *testHost, d host.Deployment) error { return h.Replace(context.Background(), d) },
		"update":  func(h *testHost, d host.Deployment) error { return h.Update(context.Background(), d) },
		"restart": func(h *testHost, d host.Deployment) error { return h.Restart(context.Background(), d.ID) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				h := start(t, host.Config{DrainTimeout: time.Millisecond})
				release := make(chan struct{})
				d := deployment("a/b", responder(func([]byte) ([]byte, error) { <-release; return nil, nil }))
				d.Limits.HandlerTime = time.Hour
				check(t, h.Deploy(t.Context(), d))
				check(t, h.Send(d.ID, nil))
				synctest.Wait()
				changed := background(func() error { return change(h, d) })
				synctest.Wait()
				stopped := background(func() error { return h.Stop(limited(t, time.Second)) })
				<-time.After(time.Minute)
				if len(changed) != 1 || len(stopped) != 1 {
					t.Fatalf("ended: the change %d, Stop %d, want both", len(changed), len(stopped))
				}
				isError(t, name, <-changed, host.ErrNotRunning)
				close(release)
				synctest.Wait()
			})
		})
	}
}

// TestOutcomeDuringFailure: an outcome that comes while a component fails, before its requests
// are forgotten, leaves its place to another request when the component is back.
func TestOutcomeDuringFailure(t *testing.T) {
	again := map[string]func(h *testHost, d host.Deployment) error{
		"restart": func(h *testHost, d host.Deployment) error { return h.Restart(h.t.Context(), d.ID) },
		"replace": func(h *testHost, d host.Deployment) error { return h.Replace(h.t.Context(), d) },
		"update to more": func(h *testHost, d host.Deployment) error {
			d.Instances = 3
			return h.Update(h.t.Context(), d)
		},
		"replace by more": func(h *testHost, d host.Deployment) error {
			d.Instances = 3
			return h.Replace(h.t.Context(), d)
		},
		"update to one": func(h *testHost, d host.Deployment) error {
			d.Instances = 1
			return h.Update(h.t.Context(), d)
		},
	}
	for name, back := range again {
		for instances := 1; instances <= 2; instances++ {
			t.Run(name, func(t *testing.T) {
				bubble(t, func(t *testing.T) { outcomeDuringFailure(t, instances, back) })
			})
		}
	}
}

// TestFailedInstanceLeavesItsPlaces: the requests that an instance had pending when it failed
// leave their places to the other instances.
func TestFailedInstanceLeavesItsPlaces(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const most = 6
		h := start(t, host.Config{Workers: 3})
		release := make(chan struct{})
		h.deploy("a/slow", responder(func([]byte) ([]byte, error) { <-release; return nil, nil }))
		d := several("a/asker", 2, host.SpreadAny, sameFor(asker("a/slow")))
		d.Quota.PendingRequests, d.Restart.Policy = most, host.RestartTemporary
		check(t, h.Deploy(t.Context(), d))
		asks := func() (taken int) {
			for range 2 * most {
				if _, err := h.request("a/asker", ""); err == nil {
					taken++
				}
			}
			return taken
		}
		equal(t, "requests that may be pending", asks(), most)
		check(t, h.Send(d.ID, []byte("trap")))
		synctest.Wait()
		equal(t, "instances", h.component("a/asker").Instances, 1)
		asks()
		equal(t, "requests that may be pending after a failure", h.Snapshot().Pending, most)
		close(release)
		h.balance()
	})
}

func outcomeDuringFailure(t *testing.T, instances int, back func(h *testHost, d host.Deployment) error) {
	const most = 4
	tracker := new(trackerHooks)
	h := tracker.start(t, host.Config{Workers: 3})
	release, second := make(chan struct{}), make(chan struct{})
	h.deploy("a/slow", responder(func(message []byte) ([]byte, error) {
		if len(message) == 0 {
			<-release
		} else {
			<-second
		}
		return nil, nil
	}))
	d := several("a/asker", instances, "", sameFor(asker("a/slow")))
	d.Quota.PendingRequests, d.Restart.Policy = most, host.RestartTemporary
	d.Limits.HandlerTime = time.Hour
	check(t, h.Deploy(t.Context(), d))
	synctest.Wait() // all instances are idle, and the last one that was gets the next message
	h.do("a/asker")
	synctest.Wait()
	released := false
	tracker.remove = func() { // the component refuses all by now
		if !released {
			released = true
			close(release)
			<-time.After(time.Second)
		}
	}
	for range instances {
		check(t, h.Send(d.ID, []byte("trap")))
		<-time.After(2 * time.Second)
	}
	equal(t, "state", h.component("a/asker").State, "failed")
	equal(t, "outcomes that nobody took", h.Snapshot().Orphans, 1)
	for range 2 { // the second time nothing was dropped
		check(t, back(h, d))
		if h.component("a/asker").State == "failed" { // an update does not bring it back
			check(t, h.Restart(t.Context(), d.ID))
		}
	}
	taken := 0
	for range 2 * most {
		if _, err := h.request("a/asker", "second"); err == nil {
			taken++
		}
	}
	equal(t, "requests that may be pending", taken, most)
	close(second)
	h.balance()
}

// TestFormersAreForgotten: a component keeps earlier versions only as long as requests of
// theirs are pending.
func TestFormersAreForgotten(t *testing.T) {
	eachReplacing(t, func(t *testing.T, r *replacing) {
		for range 3 {
			r.replaceBy(r.version("new"))
		}
		if got := r.Formers(id("a/asker")); got > 1 {
			t.Errorf("%d earlier versions are kept, want the last one at most", got)
		}
		r.tell("ask")
		for range 3 {
			r.replaceBy(r.version("new"))
		}
		close(r.release)
		r.balance()
		r.replaceBy(r.version("new"))
		r.replaceBy(r.version("new"))
		if got := r.Formers(id("a/asker")); got > 1 {
			t.Errorf("%d earlier versions are kept, want the last one at most", got)
		}
	})
}

// listed is a toy that == cannot compare.
type listed struct {
	*toy
	list []int
}

// TestUpdateComparesSources: an update finds out whether values that cannot be compared by ==
// are the same.
func TestUpdateComparesSources(t *testing.T) {
	h := start(t, host.Config{})
	d, value := toyDeployment("a/b", nil), new(toy)
	d.Source.Value = listed{value, []int{1}}
	check(t, h.Deploy(within(t), d))
	d.Source.Value = listed{value, []int{1}}
	check(t, h.Update(within(t), d))
	d.Source.Value = listed{value, []int{2}}
	isError(t, "update", h.Update(within(t), d), host.ErrNeedsReplacement)
}
