package host_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
)

// sleeper is a component that is told to start timers, and notes which have fired. Only
// one goroutine at a time uses it: tests look at it while nothing is under way.
type sleeper struct {
	self  string
	fired []string // payloads, with the milliseconds after which they came
	begun time.Time
	block chan struct{} // if not nil, "block" waits for it
	do    func(h guest.Host) error
}

func (s *sleeper) HandleMessage(h guest.Host, sender string, message []byte) ([]byte, error) {
	switch {
	case sender == s.self:
		s.fired = append(s.fired, fmt.Sprintf("%s@%d", message, time.Since(s.begun).Milliseconds()))
	case string(message) == "block":
		<-s.block
	case string(message) == "trap":
		panic("on purpose")
	default:
		s.begun = time.Now()
		return nil, s.do(h)
	}
	return nil, nil
}

// sleeps deploys a sleeper that can be told what to do.
func (h *testHost) sleeps(name string, tune func(d *host.Deployment)) *sleeper {
	h.t.Helper()
	s := &sleeper{self: name}
	d := deployment(name, s)
	d.Limits.HandlerTime = time.Hour
	if tune != nil {
		tune(&d)
	}
	check(h.t, h.Deploy(within(h.t), d))
	return s
}

// tell makes a sleeper call do, and waits for its end.
func (h *testHost) tell(s *sleeper, do func(h guest.Host) error) {
	h.t.Helper()
	s.do = do
	h.do(s.self)
}

func after(delay time.Duration, payload string) func(h guest.Host) error {
	return func(h guest.Host) error {
		_, err := guest.After(h, delay, []byte(payload))
		return err
	}
}

// status returns the status of the only component.
func (h *testHost) status() host.ComponentStatus { return h.Components()[0] }

// pass lets time pass in a bubble.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func wantFired(t testing.TB, s *sleeper, want ...string) {
	t.Helper()
	if !slices.Equal(s.fired, want) {
		t.Errorf("got the timers %q, want %q", s.fired, want)
	}
}

// TestTimerNeverEarly: each timer fires once, after its time and soon, from the
// component's own id.
func TestTimerNeverEarly(t *testing.T) {
	everyPart(t, func(t *testing.T, p parts) {
		bubble(t, func(t *testing.T) {
			h := p.start(t, host.Config{})
			s := h.sleeps("a/sleeper", func(d *host.Deployment) { d.Capabilities = host.Capabilities{} })
			pass(12345 * time.Microsecond) // a time between two ticks
			h.tell(s, func(h guest.Host) error {
				var errs []error
				for _, millis := range []int{24 * 3600_000, 7, 0, 1, 1000, 7} {
					_, err := guest.After(h, time.Duration(millis)*time.Millisecond, fmt.Append(nil, millis))
					errs = append(errs, err)
				}
				_, err := guest.After(h, 1500*time.Microsecond, []byte("2 rounded up"))
				_, err2 := guest.After(h, -time.Hour, []byte("0 negative"))
				return errors.Join(append(errs, err, err2)...)
			})
			equal(t, "timers that run", h.status().Timers, 8)
			pass(time.Hour)
			h.quiesce()
			for i, text := range s.fired {
				var want, got int
				payload, at, _ := strings.Cut(text, "@")
				_, err := fmt.Sscan(payload, &want)
				_, err2 := fmt.Sscan(at, &got)
				check(t, errors.Join(err, err2))
				if got < want || got > want+1 {
					t.Errorf("timer %d of %d ms fired after %d ms", i, want, got)
				}
			}
			equal(t, "timers that have fired", len(s.fired), 7)
			equal(t, "timers that run", h.status().Timers, 1)
			pass(24 * time.Hour)
			equal(t, "timers that have fired", len(s.fired), 8)
			snapshot := h.balance()
			equal(t, "Fired", snapshot.Fired, 8)
			equal(t, "Timers", snapshot.Timers, 0)
			equal(t, "the component's Fired", h.status().Fired, 8)
		})
	})
}

// TestTimerOrder: timers fire in the order of their times, and those of the same time in
// the order in which they were started.
func TestTimerOrder(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, host.Config{})
		s := h.sleeps("a/sleeper", func(d *host.Deployment) { d.Limits.Timers = 1000 })
		random := rand.New(rand.NewPCG(1, 2))
		type planned struct{ due, number int }
		var all []planned
		h.tell(s, func(h guest.Host) error {
			for n := range 1000 {
				due := random.IntN(50)
				all = append(all, planned{due, n})
				if _, err := guest.After(h, time.Duration(due)*time.Millisecond, fmt.Append(nil, n)); err != nil {
					return err
				}
			}
			return nil
		})
		pass(time.Second)
		h.balance()
		slices.SortStableFunc(all, func(a, b planned) int { return a.due - b.due })
		for i, want := range all {
			if !strings.HasPrefix(s.fired[i], fmt.Sprint(want.number, "@")) {
				t.Fatalf("timer number %d that fired: got %s, want %d, of %d ms", i, s.fired[i], want.number, want.due)
			}
		}
	})
}

// TestTimerArguments: what is out of range is refused, counted, and starts no timer.
func TestTimerArguments(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, host.Config{})
		s := h.sleeps("a/sleeper", func(d *host.Deployment) { d.Limits.MessageSize = 100 })
		for _, c := range []struct {
			delay time.Duration
			size  int
			want  error
			text  string
		}{
			{core.MaxTimeout, 100, nil, ""},
			{core.MaxTimeout + 1, 100, core.ErrInvalidArgument, "milliseconds: at most 86400000 (24h0m0s)"},
			{math.MaxInt64, 0, core.ErrInvalidArgument, "milliseconds: at most 86400000 (24h0m0s)"},
			{0, 101, core.ErrQuotaExceeded, "message_size"},
		} {
			h.tell(s, func(h guest.Host) error {
				id, err := guest.After(h, c.delay, make([]byte, c.size))
				isError(t, c.text, err, c.want)
				if (err == nil) != (id != 0) {
					t.Errorf("got the id %d with %v", id, err)
				}
				if err != nil {
					contains(t, "the refusal", err.Error(), c.text)
				}
				return nil
			})
		}
		snapshot := h.balance()
		equal(t, "Timers", snapshot.Timers, 1)
		equal(t, "refused for their arguments", snapshot.Refused["invalid-argument"], 2)
		equal(t, "refused for their size", snapshot.Refused["quota-exceeded"], 1)
		synctest.Wait()
		contains(t, "the audit", h.log.String(), "pattern=timer")
	})
}

// fill starts timers until one is refused, and returns how many were started.
func fill(t testing.TB, h guest.Host, delay time.Duration, size int) (n int) {
	for ; n < 10_000; n++ {
		if _, err := guest.After(h, delay, make([]byte, size)); err != nil {
			isError(t, "one timer too many", err, core.ErrQuotaExceeded)
			return n
		}
	}
	return n
}

// TestTimerLimits: timers are bounded in number and in bytes, those included that have
// fired and wait. A place is free again after a cancel, and when the message is handled.
func TestTimerLimits(t *testing.T) {
	const overhead = core.MessageOverhead
	for _, c := range []struct {
		name   string
		limits core.Limits
		size   int
		most   int
	}{
		{"default number", core.Limits{}, 10, 100},
		{"number", core.Limits{Timers: 7}, 10, 7},
		{"bytes", core.Limits{MailboxBytes: 10 * (overhead + 1000), MessageSize: 1000}, 1000, 10},
		{"bytes of empty ones", core.Limits{MailboxBytes: 20 * overhead, MessageSize: 1}, 0, 20},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				h := start(t, host.Config{})
				s := h.sleeps("a/sleeper", func(d *host.Deployment) { d.Limits = c.limits; d.Limits.HandlerTime = time.Hour })
				var ids []guest.TimerID
				h.tell(s, func(h guest.Host) error {
					id, err := guest.After(h, time.Second, make([]byte, c.size))
					ids = append(ids, id)
					equal(t, "timers that run", 1+fill(t, h, time.Second, c.size), c.most)
					return err
				})
				h.tell(s, func(h guest.Host) error {
					equal(t, "whether the first is canceled", guest.CancelTimer(h, ids[0]), true)
					equal(t, "timers after a cancel", fill(t, h, time.Second, c.size), 1)
					return nil
				})
				h.tell(s, func(h guest.Host) error { // all fire while it runs, and wait
					pass(2 * time.Second)
					equal(t, "timers while all messages wait", fill(t, h, time.Second, c.size), 0)
					return nil
				})
				h.quiesce()
				equal(t, "timers that have fired", len(s.fired), c.most)
				h.tell(s, func(h guest.Host) error {
					equal(t, "timers when all have been handled", fill(t, h, time.Second, c.size), c.most)
					return nil
				})
				pass(2 * time.Second)
				h.balance()
			})
		})
	}
}

// TestTimerLimitRange: a limit that is out of range is refused at deployment.
func TestTimerLimitRange(t *testing.T) {
	h := start(t, host.Config{})
	for _, n := range []int{-1, 1<<20 + 1} {
		d := deployment("a/a", echo)
		d.Limits.Timers = n
		err := h.Deploy(within(t), d)
		isError(t, "Deploy", err, core.ErrOutOfRange)
		contains(t, "the error", err.Error(), "limits.timers")
	}
}

// TestCancelTimer: a timer that is canceled does not fire. One that has fired cannot be
// canceled, even if its message waits; nor can one of another component.
func TestCancelTimer(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, host.Config{})
		s := h.sleeps("a/sleeper", nil)
		other := h.sleeps("a/other", nil)
		var canceled, fires guest.TimerID
		h.tell(s, func(h guest.Host) (err error) {
			canceled, err = guest.After(h, 5*time.Millisecond, []byte("canceled"))
			check(t, err)
			fires, err = guest.After(h, 5*time.Millisecond, []byte("fires"))
			return err
		})
		h.tell(other, func(h guest.Host) error {
			equal(t, "cancel of another component's timer", guest.CancelTimer(h, canceled), false)
			return nil
		})
		h.tell(s, func(h guest.Host) error {
			equal(t, "cancel of 0", guest.CancelTimer(h, 0), false)
			equal(t, "cancel of an unknown timer", guest.CancelTimer(h, math.MaxUint64), false)
			equal(t, "cancel", guest.CancelTimer(h, canceled), true)
			equal(t, "second cancel", guest.CancelTimer(h, canceled), false)
			pass(6 * time.Millisecond)
			equal(t, "cancel of a timer whose message waits", guest.CancelTimer(h, fires), false)
			return nil
		})
		h.balance()
		equal(t, "timers that have fired", len(s.fired), 1)
		contains(t, "the one that has fired", s.fired[0], "fires@")
	})
}

// TestTimersEndWithInstance: a trap cancels the timers that run, and drops the messages of
// those that wait. The next instance has timers of its own, with other ids.
func TestTimersEndWithInstance(t *testing.T) {
	everyPart(t, func(t *testing.T, p parts) {
		bubble(t, func(t *testing.T) {
			h := p.start(t, host.Config{})
			s := h.sleeps("a/sleeper", nil)
			s.block = make(chan struct{})
			var before, next guest.TimerID
			h.tell(s, func(h guest.Host) (err error) {
				check(t, after(time.Second, "waits")(h))
				before, err = guest.After(h, time.Minute, []byte("runs"))
				return err
			})
			check(t, h.Send(id(s.self), []byte("block")))
			check(t, h.Send(id(s.self), []byte("trap")))
			pass(2 * time.Second) // "waits" has fired, behind the trap
			equal(t, "messages in the mailbox", h.status().Waiting, 2)
			close(s.block)
			pass(time.Second)
			snapshot := h.quiesce()
			equal(t, "restarts", snapshot.Restarts, 1)
			equal(t, "Fired", snapshot.Fired, 1)
			equal(t, "Expired", snapshot.Expired, 1)
			equal(t, "Timers", snapshot.Timers, 0)
			h.tell(s, func(h guest.Host) (err error) {
				equal(t, "cancel of the predecessor's timer", guest.CancelTimer(h, before), false)
				next, err = guest.After(h, 3*time.Millisecond, []byte("next"))
				return err
			})
			if next == before {
				t.Errorf("the id %d is used again", next)
			}
			pass(time.Hour)
			h.balance()
			wantFired(t, s, "next@3")
		})
	})
}

// TestTimersEndWithComponent: undeployment, failure for good and a start that fails cancel
// all timers.
func TestTimersEndWithComponent(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, host.Config{})
		s := h.sleeps("a/undeployed", nil)
		h.tell(s, after(time.Second, "never"))
		equal(t, "Timers", h.Snapshot().Timers, 1)
		check(t, h.Undeploy(within(t), id(s.self)))
		failed := h.sleeps("a/failed", func(d *host.Deployment) { d.Restart.Policy = host.RestartTemporary })
		h.tell(failed, after(time.Second, "never"))
		check(t, h.Send(id(failed.self), []byte("trap")))
		h.quiesce()
		equal(t, "state", h.status().State, "failed")
		err := h.Deploy(within(t), deployment("a/refuses", behaviour{start: func(h guest.Host, _ guest.Config) error {
			check(t, after(time.Second, "never")(h))
			return guest.Failed("on purpose")
		}}))
		isError(t, "Deploy", err, core.ErrFailed)
		equal(t, "Timers", h.Snapshot().Timers, 0)
		pass(time.Hour)
		equal(t, "Fired", h.balance().Fired, 0)
		wantFired(t, s)
		wantFired(t, failed)
	})
}

// TestTimersFromEveryCall: a component may start timers wherever it may send. What it
// starts in its shutdown is refused.
func TestTimersFromEveryCall(t *testing.T) {
	everyPart(t, func(t *testing.T, p parts) {
		bubble(t, func(t *testing.T) {
			h := p.start(t, host.Config{})
			var got []string
			h.deploy("a/echo", echo)
			h.deploy("a/all", behaviour{
				start: func(h guest.Host, _ guest.Config) error { return after(0, "initialize")(h) },
				message: func(h guest.Host, sender string, message []byte) ([]byte, error) {
					if sender != "a/all" {
						check(t, h.Send("a/echo", nil))
						check(t, after(0, "message")(h))
						check(t, h.Send("a/echo", nil))
						_, err := h.Request("a/echo", nil, 0)
						return nil, err
					}
					if got = append(got, string(message)); string(message) == "message" {
						check(t, after(0, "timer")(h))
					}
					return nil, nil
				},
				callback: func(h guest.Host, _ guest.RequestID, _ []byte, failure error) error {
					return errors.Join(failure, after(time.Second, "callback")(h))
				},
				shutdown: func(h guest.Host) {
					isError(t, "in shutdown", after(0, "shutdown")(h), core.ErrTargetNotFound)
				},
			})
			check(t, h.Send(id("a/all"), nil))
			pass(2 * time.Second)
			h.quiesce()
			check(t, h.Undeploy(within(t), id("a/all")))
			equal(t, "Fired", h.balance().Fired, 4)
			slices.Sort(got[1:])
			equal(t, "timers", fmt.Sprint(got), "[initialize callback message timer]")
		})
	})
}

// TestTimerHasItsPlace: a timer's message comes into a full mailbox, and does not make it
// full for others.
func TestTimerHasItsPlace(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, host.Config{})
		s := h.sleeps("a/sleeper", func(d *host.Deployment) { d.Limits.Mailbox, d.Limits.Timers = 8, 50 })
		s.block = make(chan struct{})
		h.tell(s, func(h guest.Host) error {
			equal(t, "timers", fill(t, h, time.Millisecond, 0), 50)
			return nil
		})
		check(t, h.Send(id(s.self), []byte("block")))
		pass(time.Second)
		equal(t, "messages in the mailbox", h.status().Waiting, 50)
		for range 8 {
			check(t, h.Send(id(s.self), []byte("hello")))
		}
		isError(t, "one message too many", h.Send(id(s.self), []byte("hello")), core.ErrQueueFull)
		s.do = after(time.Hour, "later")
		close(s.block)
		h.quiesce()
		equal(t, "timers that have fired", len(s.fired), 50)
		equal(t, "Timers", h.balance().Timers, 8)
	})
}

// TestStopWithTimers: Stop does not wait for timers that run, and none fires or starts
// while the host stops.
func TestStopWithTimers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, host.Config{DrainTimeout: time.Hour})
		s := h.sleeps("a/sleeper", nil)
		s.block = make(chan struct{})
		h.tell(s, after(5*time.Second, "never"))
		check(t, h.Send(id(s.self), []byte("block")))
		s.do = func(h guest.Host) error {
			isError(t, "while the host stops", after(0, "never")(h), core.ErrUnavailable)
			return nil
		}
		check(t, h.Send(id(s.self), nil))
		began := time.Now()
		time.AfterFunc(time.Minute, func() { close(s.block) })
		check(t, h.Stop(t.Context()))
		if took := time.Since(began); took > 2*time.Minute {
			t.Errorf("Stop took %v", took)
		}
		wantFired(t, s)
		equal(t, "dead letters", len(h.DeadLetters()), 0)
	})
}

// TestManyTimers: timers of many components fire once each, while others are canceled and
// components trap.
func TestManyTimers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, host.Config{Workers: 4})
		fired := make([]int, 200)
		for n := range fired {
			name := fmt.Sprintf("many/%d", n)
			random := rand.New(rand.NewPCG(3, uint64(n)))
			h.deploy(name, behaviour{message: func(h guest.Host, sender string, _ []byte) ([]byte, error) {
				if sender == name {
					fired[n]++
					return nil, nil
				}
				for i := range 100 {
					timer, err := guest.After(h, time.Duration(random.IntN(3000))*time.Millisecond, nil)
					check(t, err)
					if i%3 == 0 && !guest.CancelTimer(h, timer) {
						t.Error("a timer that runs is not canceled")
					}
				}
				return nil, nil
			}})
			check(t, h.Send(id(name), nil))
		}
		pass(time.Minute)
		snapshot := h.balance()
		equal(t, "Fired", snapshot.Fired, 200*66)
		for n, times := range fired {
			if times != 66 {
				t.Errorf("component %d: %d timers fired, want 66", n, times)
			}
		}
	})
}
