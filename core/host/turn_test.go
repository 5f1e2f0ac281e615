package host_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
)

// wanderer is a component that uses the services between calls. later may be called from any
// goroutine.
type wanderer struct {
	*toy
	mu       sync.Mutex
	instance *toyInstance // the last one that has been initialized
	jobs     []func(i *toyInstance)
	outcomes chan string
	turns    atomic.Int64
}

func newWanderer() *wanderer {
	w := &wanderer{outcomes: make(chan string, 10_000)}
	w.toy = &toy{
		traits: core.Traits{Callback: true},
		initialize: func(i *toyInstance) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.instance = i
			return nil
		},
		callback: func(_ *toyInstance, id core.RequestID, response []byte, failure *core.RequestError) error {
			text := string(response)
			if failure != nil {
				text = failure.Error()
			}
			w.outcomes <- fmt.Sprint(id, " ", text)
			return nil
		},
		turn: func(i *toyInstance) error {
			w.turns.Add(1)
			w.mu.Lock()
			jobs := w.jobs
			w.jobs = nil
			w.mu.Unlock()
			for _, job := range jobs {
				job(i)
			}
			return nil
		},
	}
	return w
}

// later does jobs in one turn.
func (w *wanderer) later(jobs ...func(i *toyInstance)) {
	w.mu.Lock()
	w.jobs = append(w.jobs, jobs...)
	wanted := w.instance.env.Wanted
	w.mu.Unlock()
	wanted()
}

// sendLater sends a message in a turn, and returns the error.
func (w *wanderer) sendLater(target, message string) error {
	done := make(chan error, 1)
	w.later(func(i *toyInstance) { done <- i.env.Host.SendMessage([]byte(target), []byte(message)) })
	return <-done
}

func (w *wanderer) deploy(h *testHost, name string) {
	h.t.Helper()
	check(h.t, h.Deploy(within(h.t), toyDeployment(name, w.toy)))
}

// collector is a component that keeps what it gets.
func collector() (behaviour, chan string) {
	got := make(chan string, 10_000)
	return behaviour{message: func(_ guest.Host, sender string, message []byte) ([]byte, error) {
		got <- sender + " " + string(message)
		return message, nil
	}}, got
}

// TestTurn: an idle component sends messages and requests in a turn, with the checks of any
// other sender.
func TestTurn(t *testing.T) {
	everyPart(t, func(t *testing.T, p parts) {
		h := p.start(t, host.Config{})
		target, got := collector()
		h.deploy("a/target", target)
		w := newWanderer()
		d := toyDeployment("a/wanderer", w.toy)
		d.Capabilities = host.Capabilities{Send: grant(t, "a/target"), Request: grant(t, "a/target")}
		d.Limits.MessageSize = 100
		check(t, h.Deploy(within(t), d))

		check(t, w.sendLater("a/target", "hello"))
		equal(t, "message", receive(t, "the message", got), "a/wanderer hello")
		isError(t, "no capability", w.sendLater("a/other", "x"), core.ErrCapabilityDenied)
		isError(t, "too large", w.sendLater("a/target", string(make([]byte, 101))), core.ErrQuotaExceeded)
		asked := make(chan core.RequestID, 2)
		w.later(func(i *toyInstance) {
			for _, text := range []string{"one", "two"} {
				id, err := i.env.Host.SendRequest([]byte("a/target"), []byte(text), 0)
				check(t, err)
				asked <- id
			}
		})
		for _, text := range []string{"one", "two"} {
			equal(t, "outcome", receive(t, "the outcome", w.outcomes), fmt.Sprint(receive(t, "the id", asked), " ", text))
		}
		timer := make(chan string, 1)
		w.message = func(_ *toyInstance, message []byte) error { timer <- string(message); return nil }
		w.later(func(i *toyInstance) {
			_, err := i.env.Timers.After(1, []byte("time"))
			check(t, err)
		})
		equal(t, "timer", receive(t, "the timer", timer), "time")
		s := h.balance()
		equal(t, "refused", s.Refused["capability-denied"]+s.Refused["quota-exceeded"], 2)
		equal(t, "callbacks", s.Callbacks, 2)
	})
}

// TestTurnsAreOne: however often an instance asks while it is busy, it gets one turn.
func TestTurnsAreOne(t *testing.T) {
	h := start(t, host.Config{})
	w := newWanderer()
	entered, release := make(chan struct{}), make(chan struct{})
	w.message = func(*toyInstance, []byte) error { entered <- struct{}{}; <-release; return nil }
	w.deploy(h, "a/wanderer")
	check(t, h.Send(id("a/wanderer"), nil))
	receive(t, "the message", entered)
	for range 100 {
		w.later()
	}
	equal(t, "turns during a call", w.turns.Load(), 0)
	close(release)
	h.quiesce()
	equal(t, "turns", w.turns.Load(), 1)
	w.later()
	h.quiesce()
	equal(t, "turns", w.turns.Load(), 2)
}

// TestTurnAfterStart: a turn that is asked for in initialize comes after it.
func TestTurnAfterStart(t *testing.T) {
	h := start(t, host.Config{})
	w := newWanderer()
	initialized := false
	inner := w.initialize
	w.initialize = func(i *toyInstance) error {
		check(t, inner(i))
		w.later(func(*toyInstance) {
			if !initialized {
				t.Error("a turn before the end of initialize")
			}
			w.outcomes <- "turn"
		})
		initialized = true
		return nil
	}
	w.deploy(h, "a/wanderer")
	receive(t, "the turn", w.outcomes)
}

// floods makes w ask for the next turn in each turn, and sends to a target in each.
func (w *wanderer) floods(target string) {
	turn := w.toy.turn
	w.toy.turn = func(i *toyInstance) error {
		i.env.Wanted()
		for range 64 {
			_ = i.env.Host.SendMessage([]byte(target), nil)
		}
		return turn(i)
	}
}

// TestTurnsStarveNobody: on a single worker, a component that always wants a turn handles its
// messages all the same, and so does another one.
func TestTurnsStarveNobody(t *testing.T) {
	everyPart(t, func(t *testing.T, p parts) {
		if !strings.HasPrefix(p.name, "channel") { // its goroutines choose the order
			bubble(t, func(t *testing.T) { p.starveNobody(t) })
		}
	})
}

func (p parts) starveNobody(t *testing.T) {
	const runs = 2000
	h := p.start(t, host.Config{Workers: 1})
	var order []byte // the worker's: t for turns, m for messages of the same component, o of the other
	again := func(i *toyInstance, what byte) {
		order = append(order, what)
		if len(order) < runs {
			_ = i.env.Host.SendMessage([]byte(i.env.ID.String()), nil)
		}
	}
	w := newWanderer()
	w.message = func(i *toyInstance, _ []byte) error { again(i, 'm'); return nil }
	w.toy.turn = func(i *toyInstance) error {
		if len(order) == 0 {
			check(t, i.env.Host.SendMessage([]byte("a/other"), nil))
		}
		if again(i, 't'); len(order) < runs {
			i.env.Wanted()
		}
		return nil
	}
	w.deploy(h, "a/wanderer")
	check(t, h.Deploy(within(t), toyDeployment("a/other", &toy{message: func(i *toyInstance, _ []byte) error { again(i, 'o'); return nil }})))
	w.instance.env.Wanted()
	h.balance()

	since := map[byte]int{} // how many of each since the last turn
	turns := 0
	for n, what := range order[:runs] {
		since[what]++
		if what != 't' {
			continue
		}
		if turns++; turns > 1 && (since['m'] == 0 || since['m'] > 33 || since['o'] == 0 || since['o'] > 100) {
			t.Fatalf("turn %d comes after %d messages, and %d of another component: %s", turns, since['m'], since['o'], order[max(0, n-100):n])
		}
		clear(since)
	}
	if turns < 10 {
		t.Errorf("%d turns: %s", turns, order)
	}
}

// TestTurnsAndFunctions: calls of a function that a component provides, its messages and its
// turns all have their share.
func TestTurnsAndFunctions(t *testing.T) {
	everyPart(t, func(t *testing.T, p parts) {
		config := provides(map[string]string{"upper": "b/y"})
		config.Workers = 2
		h := p.start(t, config)
		w := newWanderer()
		w.floods("a/sink")
		w.answer = provider().answer
		h.deploy("a/sink", behaviour{})
		w.deploy(h, "b/y")
		var callers sync.WaitGroup
		over := make(chan struct{})
		for n := range 3 {
			name := fmt.Sprintf("a/x%d", n)
			h.deployCaller(name)
			callers.Go(func() {
				for !isClosed(over) {
					if got, err := h.request(name, "f/upper bolt"); err != nil || got != "ok: "+name+" BOLT" {
						t.Errorf("%s got %q, %v", name, got, err)
						return
					}
				}
			})
		}
		w.later()
		for range 50 {
			done := make(chan struct{})
			w.later(func(*toyInstance) { close(done) })
			receive(t, "a turn", done)
			got, err := h.request("b/y", "nut")
			check(t, err)
			equal(t, "a message", got, "airhost/host NUT")
		}
		close(over)
		callers.Wait()
		check(t, h.Undeploy(within(t), id("b/y")))
	})
}

// TestTurnBeforeTheLine: a turn comes though there is always a call of a function in the line.
func TestTurnBeforeTheLine(t *testing.T) {
	config := provides(map[string]string{"upper": "b/y"})
	config.Workers = 4
	h := start(t, config)
	w := newWanderer()
	var turned atomic.Bool
	w.answer = func(*toyInstance, core.ComponentID, []byte) ([]byte, error) {
		for !turned.Load() && len(h.Snapshot().Waits) < 2 { // this call, and one that waits
			runtime.Gosched()
		}
		return nil, nil
	}
	d := toyDeployment("b/y", w.toy)
	d.Limits.HandlerTime = time.Minute
	check(t, h.Deploy(within(t), d))
	var callers sync.WaitGroup
	for n := range 4 {
		name := fmt.Sprintf("a/x%d", n)
		d := callerDeployment(t, name, caller())
		d.Limits.HandlerTime = time.Minute
		check(t, h.Deploy(within(t), d))
		callers.Go(func() {
			for !turned.Load() {
				if _, err := h.request(name, "f/upper bolt"); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for len(h.Snapshot().Waits) < 2 {
		runtime.Gosched()
	}
	done := make(chan struct{})
	w.later(func(*toyInstance) { close(done) })
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Error("no turn")
	}
	turned.Store(true)
	callers.Wait()
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// TestTurnTraps: a turn that fails ends the instance. The next instance gets the messages, and
// no turn that the former one has asked for.
func TestTurnTraps(t *testing.T) {
	h := start(t, host.Config{})
	w := newWanderer()
	traps := true
	inner := w.turn
	w.turn = func(i *toyInstance) error {
		if traps {
			traps = false
			return &core.TrapError{Kind: core.TrapABI, Text: "a lie"}
		}
		return inner(i)
	}
	w.deploy(h, "a/wanderer")
	former := w.instance
	former.env.Wanted()
	h.quiesce()
	h.do("a/wanderer")
	s := h.quiesce()
	equal(t, "traps", s.Traps, 1)
	equal(t, "restarts", s.Restarts, 1)
	if w.instance == former {
		t.Error("the instance goes on")
	}
	check(t, w.sendLater("a/wanderer", ""))
	h.balance()
}

// TestWishDuringMove: a wish for a turn is not lost if the instance becomes another component's while it asks.
func TestWishDuringMove(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, host.Config{})
		w := newWanderer()
		w.deploy(h, "a/wanderer")
		d := toyDeployment("a/wanderer", w.toy)
		d.Instances = 2 // the one that asks becomes a member
		h.WantsDuring(d.ID, func() { check(t, h.Update(t.Context(), d)) })
		synctest.Wait()
		equal(t, "turns", w.turns.Load(), 1)
	})
}

// TestTurnHangs: a turn is interrupted like any call.
func TestTurnHangs(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, host.Config{})
		w := newWanderer()
		w.turn = (*toyInstance).hang
		d := toyDeployment("a/wanderer", w.toy)
		d.Limits.HandlerTime = time.Second
		check(t, h.Deploy(within(t), d))
		w.instance.env.Wanted()
		time.Sleep(2 * time.Second)
		equal(t, "traps", h.Snapshot().Traps, 1)
		h.do("a/wanderer")
	})
}

// TestTurnsWhileStopping: a host that stops refuses what turns send, as it refuses others, and
// gives no turn when it has stopped, however many are asked for.
func TestTurnsWhileStopping(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, host.Config{DrainTimeout: time.Second})
		w := newWanderer()
		entered, release := make(chan struct{}), make(chan struct{})
		h.deploy("a/busy", behaviour{message: func(guest.Host, string, []byte) ([]byte, error) {
			close(entered)
			<-release
			return nil, nil
		}})
		w.deploy(h, "a/wanderer")
		check(t, w.sendLater("a/busy", ""))
		<-entered
		stopped := make(chan error, 1)
		go func() { stopped <- h.Stop(context.Background()) }()
		synctest.Wait()
		err := w.sendLater("a/busy", "too late")
		isError(t, "while the host stops", err, &core.MessagingError{Case: core.CaseUnavailable, Text: "host stopping"})
		close(release)
		check(t, <-stopped)
		before := w.turns.Load()
		w.later()
		synctest.Wait()
		equal(t, "turns after the end", w.turns.Load(), before)
	})
}

// TestStopWithTurnsWithoutEnd: a component that wants turns without end holds Stop up no longer
// than the drain limit.
func TestStopWithTurnsWithoutEnd(t *testing.T) {
	h := start(t, host.Config{DrainTimeout: 10 * time.Millisecond})
	w := newWanderer()
	w.floods("a/nobody")
	w.deploy(h, "a/wanderer")
	w.later()
	check(t, h.Stop(within(t)))
	equal(t, "instances", w.live.Load(), 0)
}

// TestTurnsOfVersions: what a new version wants while it starts is done once it has taken over,
// and what the old one wants from then on is not.
func TestTurnsOfVersions(t *testing.T) {
	everyPart(t, func(t *testing.T, p parts) {
		h := p.start(t, host.Config{})
		target, got := collector()
		h.deploy("a/target", target)
		former, next := newWanderer(), newWanderer()
		former.deploy(h, "a/wanderer")
		check(t, former.sendLater("a/target", "former"))
		equal(t, "message", receive(t, "the message", got), "a/wanderer former")
		inner := next.initialize
		next.initialize = func(i *toyInstance) error {
			check(t, inner(i))
			next.later(func(i *toyInstance) { check(t, i.env.Host.SendMessage([]byte("a/target"), []byte("next"))) })
			return nil
		}
		turns := int64(0)
		former.shutdown = func(*toyInstance) error {
			turns = former.turns.Load()
			former.later(func(i *toyInstance) { _ = i.env.Host.SendMessage([]byte("a/target"), []byte("late")) })
			return nil
		}
		check(t, h.Replace(within(t), toyDeployment("a/wanderer", next.toy)))
		equal(t, "message", receive(t, "the message", got), "a/wanderer next")
		h.balance()
		equal(t, "turns of the old version", former.turns.Load(), turns)
		equal(t, "messages of the old version", len(got), 0)
		check(t, next.sendLater("a/target", "again"))
		equal(t, "message", receive(t, "the message", got), "a/wanderer again")
	})
}

// TestTurnsOfInstances: each of several instances gets its own turns, and all send by the one
// quota.
func TestTurnsOfInstances(t *testing.T) {
	everyPart(t, func(t *testing.T, p parts) { bubble(t, func(t *testing.T) { p.turnsOfInstances(t) }) })
}

func (p parts) turnsOfInstances(t *testing.T) {
	const instances = 3
	h := p.start(t, host.Config{})
	target, got := collector()
	h.deploy("a/target", target)
	var mu sync.Mutex
	var all []*toyInstance
	had := make(map[*toyInstance]int)
	each := &toy{
		initialize: func(i *toyInstance) error {
			mu.Lock()
			defer mu.Unlock()
			all = append(all, i)
			return nil
		},
		turn: func(i *toyInstance) error {
			mu.Lock()
			defer mu.Unlock()
			had[i]++
			_ = i.env.Host.SendMessage([]byte("a/target"), []byte("hello"))
			return nil
		},
	}
	d := toyDeployment("a/wanderer", each)
	d.Instances, d.Quota = instances, host.Quota{MessagesPerSecond: 1, Burst: 5}
	check(t, h.Deploy(within(t), d))
	for range 3 {
		for _, i := range all {
			i.env.Wanted()
		}
		h.quiesce()
	}
	for _, i := range all {
		equal(t, "turns of an instance", had[i], 3)
	}
	equal(t, "messages", len(got), 5)
	s := h.balance()
	equal(t, "refused", s.Refused["quota-exceeded"], 4)
}

// TestTurnsInAnExchange: a component that is busy in chains or exchanges gets its turns.
func TestTurnsInAnExchange(t *testing.T) {
	everyPart(t, func(t *testing.T, p parts) {
		h := p.start(t, host.Config{})
		var over atomic.Bool
		bounce := func(to string) func(*toyInstance, []byte) error {
			return func(i *toyInstance, _ []byte) error {
				if over.Load() {
					return nil
				}
				return errors.Join(i.env.Host.SendMessage([]byte(to), []byte("ball")))
			}
		}
		w, other := newWanderer(), newWanderer()
		w.message, other.message = bounce("a/other"), bounce("a/wanderer")
		w.deploy(h, "a/wanderer")
		other.deploy(h, "a/other")
		check(t, h.Send(id("a/other"), nil))
		for range 200 {
			done := make(chan struct{})
			w.later(func(i *toyInstance) { close(done) })
			receive(t, "a turn", done)
		}
		over.Store(true)
		h.balance()
	})
}

// TestWantedOfNoTurner: nothing happens if an instance asks for a turn that it cannot take.
func TestWantedOfNoTurner(t *testing.T) {
	h := parts{broker: newInproc, tracker: newSlab, plain: true}.start(t, host.Config{})
	var env core.Environment
	d := toyDeployment("a/none", nil)
	d.Source = core.Source{Value: noTurner{new(toy), &env}}
	check(t, h.Deploy(within(t), d))
	env.Wanted()
	h.do("a/none")
	h.balance()
}

// noTurner is a component whose instances are no [core.Turner].
type noTurner struct {
	*toy
	env *core.Environment
}

func (n noTurner) Instantiate(ctx context.Context, env core.Environment) (core.Instance, error) {
	*n.env = env
	in, err := n.toy.Instantiate(ctx, env)
	return struct{ core.Instance }{in}, err
}
