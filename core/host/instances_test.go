package host_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/airhost/airhost/backends/native"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
)

// several is a deployment of a component with n instances; create makes each one's value.
func several(name string, n int, spread host.Spread, create func() guest.Component) host.Deployment {
	d := deployment(name, nil)
	d.Source, d.Instances, d.Spread = native.Source(create), n, spread
	return d
}

// sameFor returns create for a component whose instances share everything.
func sameFor(component guest.Component) func() guest.Component {
	return func() guest.Component { return component }
}

// barrier lets handlers go on when n of them have come.
type barrier struct {
	coming sync.WaitGroup
	most   atomic.Int64
	now    atomic.Int64
}

func newBarrier(n int) *barrier {
	b := new(barrier)
	b.coming.Add(n)
	return b
}

func (b *barrier) pass() {
	n := b.now.Add(1)
	for most := b.most.Load(); n > most && !b.most.CompareAndSwap(most, n); most = b.most.Load() {
	}
	b.coming.Done()
	b.coming.Wait()
	b.now.Add(-1)
}

// TestInstancesRunAtOnce: each of several messages is handled by an instance of its own, at
// the same time, whoever sends them.
func TestInstancesRunAtOnce(t *testing.T) {
	for _, spread := range []host.Spread{host.SpreadSender, host.SpreadAny} {
		everyPart(t, func(t *testing.T, p parts) {
			const n = 4
			h := p.start(t, host.Config{Workers: 2})
			var b *barrier
			target := behaviour{message: func(guest.Host, string, []byte) ([]byte, error) { b.pass(); return nil, nil }}
			check(t, h.Deploy(within(t), several("a/pool", n, spread, sameFor(target))))
			h.deploy("a/sender", behaviour{message: func(g guest.Host, _ string, message []byte) ([]byte, error) {
				for range n {
					check(t, g.Send("a/pool", message))
				}
				return nil, nil
			}})
			b = newBarrier(n)
			for range n {
				check(t, h.Send(id("a/pool"), nil))
			}
			h.balance()
			equal(t, "handlers at once for a Go program's messages", b.most.Load(), n)

			b = newBarrier(n)
			var callers sync.WaitGroup
			for range n {
				callers.Go(func() { h.do("a/pool") })
			}
			callers.Wait()
			equal(t, "handlers at once for a Go program's requests", b.most.Load(), n)

			if spread == host.SpreadAny {
				b = newBarrier(n)
				check(t, h.Send(id("a/sender"), nil))
				h.balance()
				equal(t, "handlers at once for a component's messages", b.most.Load(), n)
			}
			equal(t, "instances", h.Components()[0].Instances, n)
			equal(t, "components", h.Snapshot().Components, 2)
		})
	}
}

// TestIdleInstancesAnswerDirectly: requests of Go programs need no tracker as long as there
// is an idle instance for each of them.
func TestIdleInstancesAnswerDirectly(t *testing.T) {
	const n = 3
	tracker := new(trackerHooks)
	var registered atomic.Int64
	tracker.register = func(core.RequestID, core.Waiter) { registered.Add(1) }
	h := tracker.start(t, host.Config{})
	var b *barrier
	target := behaviour{message: func(guest.Host, string, []byte) ([]byte, error) { b.pass(); return nil, nil }}
	check(t, h.Deploy(within(t), several("a/pool", n, "", sameFor(target))))
	for range 50 {
		b = newBarrier(n)
		var callers sync.WaitGroup
		for range n {
			callers.Go(func() {
				_, err := h.Request(context.Background(), id("a/pool"), nil)
				check(t, err)
			})
		}
		callers.Wait()
	}
	b = newBarrier(1)
	requests := make([]host.Request, 1)
	check(t, h.RequestMany(context.Background(), id("a/pool"), requests))
	equal(t, "requests that the tracker has seen", registered.Load(), 0)
	s := h.balance()
	equal(t, "handled", s.Handled, 50*n+1)
	equal(t, "handled by status", h.Components()[0].Counters.Handled, 50*n+1)
}

// TestSpreadBySender: with SpreadSender one instance handles all messages of a sender, and
// all instances get some.
func TestSpreadBySender(t *testing.T) {
	const n, senders = 3, 40
	h := start(t, host.Config{})
	var mu sync.Mutex
	homes := make(map[string]map[int]bool) // instances, by sender
	var made int
	check(t, h.Deploy(within(t), several("a/pool", n, host.SpreadSender, func() guest.Component {
		made++
		number := made
		return behaviour{message: func(_ guest.Host, sender string, _ []byte) ([]byte, error) {
			mu.Lock()
			defer mu.Unlock()
			if homes[sender] == nil {
				homes[sender] = make(map[int]bool)
			}
			homes[sender][number] = true
			return nil, nil
		}}
	})))
	for i := range senders {
		h.deploy(fmt.Sprintf("s/%d", i), behaviour{message: func(g guest.Host, _ string, _ []byte) ([]byte, error) {
			return nil, g.Send("a/pool", nil)
		}})
	}
	for range 10 {
		for i := range senders {
			check(t, h.Send(id(fmt.Sprintf("s/%d", i)), nil))
		}
	}
	h.balance()
	used := make(map[int]bool)
	for sender, instances := range homes {
		equal(t, "instances that handled messages of "+sender, len(instances), 1)
		for number := range instances {
			used[number] = true
		}
	}
	equal(t, "senders", len(homes), senders)
	equal(t, "instances used", len(used), n) // they are missed by chance once in 10^7 runs
}

// TestBoundsOnTheSum: the mailbox, the pending requests and the rate of a component are the
// same for several instances as for one.
func TestBoundsOnTheSum(t *testing.T) {
	t.Run("mailbox", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			h := start(t, host.Config{Workers: 3})
			release := make(chan struct{})
			d := several("a/pool", 3, "", sameFor(behaviour{message: func(guest.Host, string, []byte) ([]byte, error) { <-release; return nil, nil }}))
			d.Limits.Mailbox = 8
			d.Limits.HandlerTime = time.Hour
			check(t, h.Deploy(t.Context(), d))
			taken := 0
			for range 50 {
				if err := h.Send(id("a/pool"), nil); err == nil {
					taken++
				} else {
					isError(t, "send to a full mailbox", err, core.ErrQueueFull)
				}
				synctest.Wait()
			}
			equal(t, "messages taken", taken, 8+3)
			equal(t, "messages waiting", h.Components()[0].Waiting, 8)
			close(release)
			h.balance()
		})
	})
	t.Run("shares", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			h := start(t, host.Config{})
			release := make(chan struct{})
			d := several("a/pool", 2, "", sameFor(behaviour{message: func(guest.Host, string, []byte) ([]byte, error) { <-release; return nil, nil }}))
			d.Limits.Mailbox = 16
			d.Limits.HandlerTime = time.Hour
			check(t, h.Deploy(t.Context(), d))
			var taken atomic.Int64
			h.deploy("a/sender", behaviour{message: func(g guest.Host, _ string, _ []byte) ([]byte, error) {
				for range 40 {
					if g.Send("a/pool", nil) == nil {
						taken.Add(1)
					}
				}
				return nil, nil
			}})
			h.do("a/sender")
			if got := taken.Load(); got < 12 || got > 14 {
				t.Errorf("one sender holds %d of 16 places, want three quarters and the one that is handled", got)
			}
			close(release)
			h.balance()
		})
	})
	t.Run("requests", func(t *testing.T) {
		const most = 21
		h := start(t, host.Config{})
		release := make(chan struct{})
		h.deploy("a/slow", behaviour{message: func(guest.Host, string, []byte) ([]byte, error) { <-release; return nil, nil }})
		var taken, ended atomic.Int64
		d := several("a/pool", 4, "", sameFor(behaviour{
			message: func(g guest.Host, _ string, _ []byte) ([]byte, error) {
				for range most {
					if _, err := g.Request("a/slow", nil, time.Hour); err == nil {
						taken.Add(1)
					} else {
						isError(t, "one request too many", err, core.ErrQuotaExceeded)
					}
				}
				return nil, nil
			},
			callback: func(guest.Host, guest.RequestID, []byte, error) error { ended.Add(1); return nil },
		}))
		d.Quota.PendingRequests = most
		check(t, h.Deploy(within(t), d))
		round := func() {
			var callers sync.WaitGroup
			for range 8 {
				callers.Go(func() { h.do("a/pool") })
			}
			callers.Wait()
		}
		round()
		round()
		equal(t, "requests pending", taken.Load(), most)
		close(release)
		h.balance()
		equal(t, "callbacks", ended.Load(), most)
		round()
		h.balance()
		equal(t, "all requests have ended", ended.Load(), taken.Load())
		if taken.Load() < 2*most {
			t.Errorf("%d requests were taken, the places of those that have ended are lost", taken.Load())
		}
	})
	t.Run("rate", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			const burst = 100
			h := start(t, host.Config{})
			h.deploy("a/sink", echo)
			var taken atomic.Int64
			d := several("a/pool", 4, "", sameFor(behaviour{message: func(g guest.Host, _ string, _ []byte) ([]byte, error) {
				for range 30 {
					if g.Send("a/sink", nil) == nil {
						taken.Add(1)
					}
				}
				return nil, nil
			}}))
			d.Quota = host.Quota{MessagesPerSecond: 10, Burst: burst}
			check(t, h.Deploy(t.Context(), d))
			round := func() {
				var callers sync.WaitGroup
				for range 8 {
					callers.Go(func() { h.do("a/pool") })
				}
				callers.Wait()
			}
			round()
			round()
			equal(t, "messages taken at once", taken.Load(), burst)
			<-time.After(time.Second + time.Millisecond)
			round()
			equal(t, "messages taken a second later", taken.Load(), burst+10)
			<-time.After(time.Hour)
			round()
			round()
			equal(t, "messages taken after a pause", taken.Load(), 2*burst+10)
			h.balance()
		})
	})
}

// asking is a component whose instances know their own requests.
type asking struct {
	t        *testing.T
	mine     map[guest.RequestID]bool
	foreign  *atomic.Int64 // callbacks for requests of others
	returned *atomic.Int64
}

func (a *asking) component() guest.Component {
	return behaviour{
		message: func(g guest.Host, _ string, message []byte) ([]byte, error) {
			id, err := g.Request("a/target", message, time.Hour)
			check(a.t, err)
			a.mine[id] = true
			return nil, nil
		},
		callback: func(_ guest.Host, id guest.RequestID, _ []byte, failure error) error {
			if !a.mine[id] {
				a.foreign.Add(1)
			}
			delete(a.mine, id)
			a.returned.Add(1)
			return failure
		},
	}
}

// TestCallbacksAtTheAskingInstance: a callback goes to the instance that has sent the request,
// and to another one if that instance is gone. Changes of the number of instances lose none.
func TestCallbacksAtTheAskingInstance(t *testing.T) {
	everyPart(t, func(t *testing.T, p parts) {
		h := p.start(t, host.Config{})
		gate := make(chan struct{})
		h.deploy("a/target", behaviour{message: func(_ guest.Host, _ string, message []byte) ([]byte, error) {
			if len(message) > 0 {
				<-gate
			}
			return message, nil
		}})
		var foreign, returned atomic.Int64
		d := several("a/pool", 3, host.SpreadAny, func() guest.Component {
			return (&asking{t, make(map[guest.RequestID]bool), &foreign, &returned}).component()
		})
		check(t, h.Deploy(within(t), d))
		for range 300 {
			check(t, h.Send(id("a/pool"), nil))
		}
		h.balance()
		equal(t, "callbacks", returned.Load(), 300)

		ask := func(n int) {
			for range n {
				h.ask("a/pool", "slow")
			}
		}
		want := int64(300)
		for _, n := range []int{5, 2, 1, 4, 1, 1, 3} {
			ask(6)
			want += 6
			d.Instances = n
			check(t, h.Update(within(t), d))
			equal(t, "instances", instancesOf(h, "a/pool"), n)
		}
		equal(t, "callbacks of others' requests so far", foreign.Load(), 0)
		close(gate)
		h.balance()
		equal(t, "callbacks", returned.Load(), want)
		if foreign.Load() == 0 {
			t.Error("no instance got the callback of one that is gone")
		}
		status := h.Components()[0]
		equal(t, "callbacks counted", status.Counters.Callbacks, uint64(want))
		equal(t, "requests counted", status.Counters.Requests, uint64(want))
	})
}

// ask sends a component a request with a payload.
func (h *testHost) ask(target, payload string) {
	h.t.Helper()
	_, err := h.request(target, payload)
	check(h.t, err)
}

func instancesOf(h *testHost, name string) int {
	for _, s := range h.Components() {
		if s.ID == id(name) {
			return s.Instances
		}
	}
	return 0
}

// ordered checks that each message of each sender comes once, and in order.
type ordered struct {
	t     *testing.T
	mu    sync.Mutex
	last  map[string]uint32
	count int
}

func (o *ordered) note(sender string, message []byte) {
	number := binary.LittleEndian.Uint32(message)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.count++
	if number <= o.last[sender] {
		o.t.Errorf("%s: message %d comes after %d", sender, number, o.last[sender])
	}
	o.last[sender] = number
}

// TestOrderOfSenders: with SpreadSender each sender's messages come in order, while
// instances trap, fail and are restarted, and their number changes by updates and
// replacements. No message is lost but those that trap.
func TestOrderOfSenders(t *testing.T) {
	everyPart(t, func(t *testing.T, p parts) {
		for seed := range uint64(4) {
			orderOfSenders(t, p, rand.New(rand.NewPCG(seed, 16)))
		}
	})
}

func orderOfSenders(t *testing.T, p parts, random *rand.Rand) {
	const senders, each = 12, 400
	h := p.start(t, host.Config{Workers: 3})
	o := &ordered{t: t, last: make(map[string]uint32)}
	var traps atomic.Int64
	d := several("a/pool", 3, host.SpreadSender, sameFor(behaviour{message: func(_ guest.Host, sender string, message []byte) ([]byte, error) {
		o.note(sender, message)
		if len(message) > 4 {
			traps.Add(1) // a dead letter that was noted, too
			panic("on purpose")
		}
		return nil, nil
	}}))
	d.Restart = host.Restart{MaxRestarts: 1, Within: time.Hour, Backoff: time.Millisecond, CoolDown: 3 * time.Millisecond}
	d.Limits.Mailbox, d.Limits.HandlerTime = 1<<20, time.Hour
	check(t, h.Deploy(within(t), d))
	var sent, refused atomic.Int64
	for i := range senders {
		number := uint32(0)
		sender := deployment(fmt.Sprintf("s/%d", i), behaviour{message: func(g guest.Host, _ string, message []byte) ([]byte, error) {
			for range 8 {
				number++
				text := binary.LittleEndian.AppendUint32(nil, number)
				if number%97 == 0 && i == 0 {
					text = append(text, 't')
				}
				if err := g.Send("a/pool", text); err == nil {
					sent.Add(1)
				} else if refused.Add(1); !errors.Is(err, core.ErrUnavailable) && !errors.Is(err, core.ErrQueueFull) {
					t.Error(err)
				}
			}
			return nil, nil
		}})
		sender.Limits.HandlerTime = time.Hour
		check(t, h.Deploy(within(t), sender))
	}
	var load sync.WaitGroup
	for i := range senders {
		load.Go(func() {
			for range each / 8 {
				h.do(fmt.Sprintf("s/%d", i))
			}
		})
	}
	for range 12 {
		next := d
		next.Instances = 1 + random.IntN(5)
		switch random.IntN(4) {
		case 0:
			check(t, h.Replace(within(t), next))
		case 1:
			check(t, h.Restart(within(t), d.ID))
			continue
		default:
			check(t, h.Update(within(t), next))
		}
		d = next
	}
	load.Wait()
	h.balance()
	o.mu.Lock()
	defer o.mu.Unlock()
	equal(t, "messages handled and lost", int64(o.count)+int64(h.Snapshot().DeadLetters)-traps.Load(), sent.Load())
	equal(t, "sent", sent.Load()+refused.Load(), senders*each)
}

// TestFailedInstance: an instance that has failed gets no messages any more: its senders go to
// others, in order. When all have failed the component refuses messages, until one is back.
func TestFailedInstance(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, host.Config{})
		events, cancel := h.Subscribe(100)
		defer cancel()
		d := several("a/pool", 3, "", sameFor(behaviour{message: func(_ guest.Host, _ string, message []byte) ([]byte, error) {
			if string(message) == "trap" {
				panic("on purpose")
			}
			return nil, nil
		}}))
		d.Restart = host.Restart{Policy: host.RestartTemporary}
		check(t, h.Deploy(t.Context(), d))
		h.deploy("a/sender", behaviour{message: func(g guest.Host, _ string, message []byte) ([]byte, error) {
			return nil, g.Send("a/pool", message)
		}})
		state := func(instances int, want string) {
			t.Helper()
			synctest.Wait()
			s := h.Components()[0]
			equal(t, "instances", s.Instances, instances)
			equal(t, "state", s.State, want)
		}
		state(3, "running")
		for left := 2; left >= 0; left-- {
			check(t, h.Send(id("a/sender"), []byte("trap"))) // to its home
			if left > 0 {
				state(left, "running")
				for range 20 {
					h.ask("a/sender", "on")
					h.do("a/pool")
				}
			}
		}
		state(0, "failed")
		_, err := h.request("a/pool", "")
		isError(t, "request to what has failed", err, core.ErrUnavailable)
		_, err = h.request("a/sender", "")
		isError(t, "request whose target has failed", err, core.ErrRequestFailed)
		check(t, h.Restart(t.Context(), d.ID))
		state(3, "running")
		h.do("a/pool")
		h.ask("a/sender", "on")
		h.balance()
		failed := 0
		for len(events) > 0 {
			if e := <-events; e.Kind == host.EventFailed {
				failed++
			}
		}
		equal(t, "failed events", failed, 1)
		equal(t, "restarts", h.Components()[0].Counters.Restarts, 3)
	})
}

// TestInstancesThatWait: while one instance waits for its restart, the others take messages of
// any sender, and a sender's messages wait for their instance.
func TestInstancesThatWait(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, host.Config{})
		var handled atomic.Int64
		d := several("a/pool", 2, "", sameFor(behaviour{message: func(_ guest.Host, _ string, message []byte) ([]byte, error) {
			if string(message) == "trap" {
				panic("on purpose")
			}
			handled.Add(1)
			return nil, nil
		}}))
		d.Restart = host.Restart{MaxRestarts: -1, Backoff: time.Second, MaxBackoff: time.Second}
		check(t, h.Deploy(t.Context(), d))
		h.deploy("a/sender", behaviour{message: func(g guest.Host, _ string, message []byte) ([]byte, error) {
			return nil, g.Send("a/pool", message)
		}})
		// A first end is followed by a restart at once or not; the second one waits.
		h.ask("a/sender", "trap")
		h.ask("a/sender", "trap")
		h.ask("a/sender", "later")
		synctest.Wait()
		before := handled.Load()
		for range 10 {
			h.do("a/pool")
		}
		equal(t, "handled by the other instance", handled.Load()-before, 10)
		h.balance()
		equal(t, "handled in the end", handled.Load(), 11)
		equal(t, "restarts", h.Components()[0].Counters.Restarts, 2)
	})
}

// TestDeployAllInstancesOrNone: if one instance cannot start, nothing is left, and a
// replacement is rolled back.
func TestDeployAllInstancesOrNone(t *testing.T) {
	h := start(t, host.Config{})
	var starts, ends atomic.Int64
	fails := int64(3)
	d := several("a/pool", 3, "", sameFor(behaviour{
		start: func(guest.Host, guest.Config) error {
			if starts.Add(1) == fails {
				return errors.New("on purpose")
			}
			return nil
		},
		shutdown: func(guest.Host) { ends.Add(1) },
	}))
	if err := h.Deploy(within(t), d); err == nil {
		t.Fatal("a deployment succeeds of which one instance fails")
	}
	equal(t, "components", len(h.Components()), 0)
	equal(t, "shut down", ends.Load(), 2)
	check(t, h.Deploy(within(t), d))
	fails = starts.Load() + 2
	more := d
	more.Instances = 6
	if err := h.Update(within(t), more); err == nil {
		t.Fatal("an update succeeds of which one instance fails")
	}
	equal(t, "instances after an update that failed", instancesOf(h, "a/pool"), 3)
	fails = starts.Load() + 1
	if err := h.Replace(within(t), more); err == nil {
		t.Fatal("a replacement succeeds of which one instance fails")
	}
	equal(t, "instances after a replacement that failed", instancesOf(h, "a/pool"), 3)
	for range 10 {
		h.do("a/pool")
	}
	check(t, h.Undeploy(within(t), d.ID))
	equal(t, "started and not shut down", starts.Load()-3-ends.Load(), 0)
	_, err := h.request("a/pool", "")
	isError(t, "request to what is undeployed", err, core.ErrTargetNotFound)
	check(t, h.Deploy(within(t), d))
	h.do("a/pool")
}

// TestStopWithInstances: Stop calls back all instances, each one for its own requests, and
// shuts all of them down.
func TestStopWithInstances(t *testing.T) {
	everyPart(t, func(t *testing.T, p parts) {
		h := p.start(t, host.Config{DrainTimeout: time.Millisecond})
		var foreign, returned, ends atomic.Int64
		gate := make(chan struct{})
		h.deploy("a/target", behaviour{message: func(_ guest.Host, _ string, message []byte) ([]byte, error) {
			<-gate
			return message, nil
		}})
		check(t, h.Deploy(within(t), several("a/pool", 4, host.SpreadAny, func() guest.Component {
			b := (&asking{t, make(map[guest.RequestID]bool), &foreign, &returned}).component().(behaviour)
			b.shutdown = func(guest.Host) { ends.Add(1) }
			return b
		})))
		var callers sync.WaitGroup
		for range 8 {
			callers.Go(func() {
				for range 5 {
					h.do("a/pool")
				}
			})
		}
		callers.Wait()
		time.AfterFunc(20*time.Millisecond, func() { close(gate) })
		err := h.Stop(within(t))
		equal(t, "messages are left, and nothing else", err == nil || errors.Is(err, host.ErrUnhandled), true)
		equal(t, "callbacks", returned.Load(), 40)
		equal(t, "callbacks at others", foreign.Load(), 0)
		equal(t, "instances shut down", ends.Load(), 4)
		equal(t, "callbacks counted", h.Snapshot().Callbacks, 40)
	})
}

// TestInstancesAreChecked: the number and the spread have bounds.
func TestInstancesAreChecked(t *testing.T) {
	h := start(t, host.Config{})
	for _, d := range []host.Deployment{
		several("a/pool", -2, "", sameFor(echo)), several("a/pool", host.MaxInstances+1, "", sameFor(echo)),
		several("a/pool", 2, "anyone", sameFor(echo)),
	} {
		err := h.Deploy(within(t), d)
		isError(t, fmt.Sprintf("%d instances, spread %q", d.Instances, d.Spread), err, host.ErrInvalidDeployment)
		isError(t, fmt.Sprintf("%d instances, spread %q", d.Instances, d.Spread), err, core.ErrOutOfRange)
	}
	check(t, h.Deploy(within(t), several("a/pool", host.MaxInstances, "", sameFor(echo))))
	equal(t, "instances", instancesOf(h, "a/pool"), host.MaxInstances)
	h.do("a/pool")
	one := several("a/pool", 1, "", nil)
	one.Source = core.Source{}
	check(t, h.Update(within(t), one))
	h.do("a/pool")
	equal(t, "instances", instancesOf(h, "a/pool"), 1)
}

// TestOrderWhenAnInstanceReturns: while another instance handles a message of a sender, that
// sender's next ones wait for it, also if the sender's own instance is back.
func TestOrderWhenAnInstanceReturns(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, host.Config{Workers: 3})
		release := make(chan struct{})
		var handled atomic.Int64
		d := several("a/pool", 2, "", sameFor(behaviour{message: func(_ guest.Host, _ string, message []byte) ([]byte, error) {
			switch string(message) {
			case "trap":
				panic("on purpose")
			case "wait":
				<-release
			}
			handled.Add(1)
			return nil, nil
		}}))
		d.Restart = host.Restart{MaxRestarts: 1, Within: time.Hour, CoolDown: time.Minute}
		d.Limits.HandlerTime = time.Hour
		check(t, h.Deploy(t.Context(), d))
		h.deploy("a/sender", behaviour{message: func(g guest.Host, _ string, message []byte) ([]byte, error) {
			return nil, g.Send("a/pool", message)
		}})
		h.ask("a/sender", "trap")
		synctest.Wait()
		h.ask("a/sender", "trap")
		synctest.Wait()
		equal(t, "instances after a failure", instancesOf(h, "a/pool"), 1)
		h.ask("a/sender", "wait")
		<-time.After(time.Minute + time.Millisecond)
		equal(t, "instances after the cool-down", instancesOf(h, "a/pool"), 2)
		for range 5 {
			h.ask("a/sender", "next")
		}
		synctest.Wait()
		equal(t, "handled before the first one", handled.Load(), 0)
		h.do("a/pool") // the other instance is idle
		equal(t, "handled by the other instance", handled.Load(), 1)
		close(release)
		h.balance()
		equal(t, "handled", handled.Load(), 7)
	})
}

// TestGrowthKeepsTheAskingInstance: an instance that was alone gets the callbacks of its
// requests when it has company, and again when it is alone.
func TestGrowthKeepsTheAskingInstance(t *testing.T) {
	everyPart(t, func(t *testing.T, p parts) {
		h := p.start(t, host.Config{})
		gate := make(chan struct{})
		h.deploy("a/target", behaviour{message: func(_ guest.Host, _ string, message []byte) ([]byte, error) { <-gate; return message, nil }})
		var foreign, returned atomic.Int64
		d := several("a/pool", 1, host.SpreadAny, func() guest.Component {
			return (&asking{t, make(map[guest.RequestID]bool), &foreign, &returned}).component()
		})
		check(t, h.Deploy(within(t), d))
		for range 3 {
			h.do("a/pool")
			d.Instances = 4
			check(t, h.Update(within(t), d))
			d.Instances = 1
			check(t, h.Update(within(t), d))
			h.do("a/pool")
		}
		h.do("a/pool")
		d.Instances = 3
		check(t, h.Update(within(t), d))
		close(gate)
		h.balance()
		equal(t, "callbacks", returned.Load(), 7)
		equal(t, "callbacks at others", foreign.Load(), 0)
	})
}

// TestForgottenRequestsDoNotCount: the requests that a component had pending when it failed
// leave their places to others when it is back.
func TestForgottenRequestsDoNotCount(t *testing.T) {
	for _, n := range []int{1, 2} {
		h := start(t, host.Config{})
		gate := make(chan struct{})
		h.deploy("a/target", behaviour{message: func(guest.Host, string, []byte) ([]byte, error) { <-gate; return nil, nil }})
		d := several("a/asker", n, "", sameFor(behaviour{
			message: func(g guest.Host, _ string, message []byte) ([]byte, error) {
				if len(message) > 0 {
					panic("on purpose")
				}
				_, err := g.Request("a/target", nil, time.Hour)
				return nil, err
			},
			callback: func(guest.Host, guest.RequestID, []byte, error) error { return nil },
		}))
		d.Quota.PendingRequests = n
		d.Restart = host.Restart{Policy: host.RestartTemporary}
		check(t, h.Deploy(within(t), d))
		for range n {
			h.do("a/asker")
		}
		_, err := h.request("a/asker", "")
		isError(t, "one request too many", err, core.ErrRequestFailed)
		for range n {
			_, err = h.request("a/asker", "trap")
			isError(t, "request that traps", err, core.ErrRequestTrapped)
		}
		check(t, h.Restart(within(t), d.ID))
		for range n {
			h.do("a/asker")
		}
		close(gate)
		h.balance()
	}
}

// TestTimersOfInstances: the timers of several instances have ids of their own. They go along
// when instances come and when a replacement changes their number; those of an instance that
// an update shuts down are canceled.
func TestTimersOfInstances(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, host.Config{})
		var mu sync.Mutex
		var each *barrier
		ids, fired := make(map[guest.TimerID]bool), make(map[string]int)
		d := several("a/pool", 1, host.SpreadAny, sameFor(behaviour{message: func(g guest.Host, sender string, message []byte) ([]byte, error) {
			if string(message) == "each" && sender != "a/pool" {
				each.pass()
			}
			mu.Lock()
			defer mu.Unlock()
			if sender == "a/pool" {
				fired[string(message)]++
				return nil, nil
			}
			id, err := guest.After(g, time.Hour, message)
			if ids[id] {
				t.Errorf("there is a second timer %d", id)
			}
			ids[id] = true
			return nil, err
		}}))
		check(t, h.Deploy(t.Context(), d))
		timers := func(want int) {
			t.Helper()
			equal(t, "timers", h.Components()[0].Timers, want)
			equal(t, "timers of the host", h.Snapshot().Timers, want)
		}
		begin := func(n int, payload string) {
			for range n {
				h.ask("a/pool", payload)
			}
		}
		change := func(n int, change func(context.Context, host.Deployment) error) {
			t.Helper()
			d.Instances = n
			check(t, change(t.Context(), d))
		}
		begin(2, "alone")
		change(3, h.Update)
		begin(6, "three")
		timers(8)
		change(2, h.Replace)
		begin(4, "two")
		timers(12)
		change(1, h.Replace)
		begin(1, "one")
		timers(13)
		change(4, h.Replace)
		timers(13)
		change(2, h.Replace)
		<-time.After(time.Hour + time.Minute)
		h.balance()
		equal(t, "kinds of timers that fired", fmt.Sprint(fired), fmt.Sprint(map[string]int{"alone": 2, "one": 1, "three": 6, "two": 4}))
		equal(t, "fired", h.Components()[0].Fired, 13)

		change(3, h.Update)
		each = newBarrier(3)
		var callers sync.WaitGroup
		for range 3 {
			callers.Go(func() { h.ask("a/pool", "each") })
		}
		callers.Wait()
		timers(3)
		change(1, h.Update)
		timers(1)
		<-time.After(time.Hour + time.Minute)
		h.balance()
		equal(t, "timers of the instance that has stayed", fired["each"], 1)
		equal(t, "fired in all", h.Components()[0].Fired, 14)
	})
}

// TestAcceptOfInstances: several instances together accept the rate of one, of requests that
// run directly on an instance and of others.
func TestAcceptOfInstances(t *testing.T) {
	for name, ctx := range map[string]context.Context{"direct": context.Background(), "sent": nil} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				h := start(t, host.Config{})
				d := several("a/pool", 3, "", sameFor(echo))
				d.Accept = host.Accept{MessagesPerSecond: 1, Burst: 6}
				check(t, h.Deploy(t.Context(), d))
				if ctx == nil {
					ctx = t.Context() // it can end, so a Go component does not run directly
				}
				taken := 0
				for range 20 {
					if _, err := h.Request(ctx, d.ID, nil); err == nil {
						taken++
					} else {
						isError(t, "one request too many", err, core.ErrQueueFull)
					}
				}
				equal(t, "requests taken", taken, 6)
				h.balance()
			})
		})
	}
}
