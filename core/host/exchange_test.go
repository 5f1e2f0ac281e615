package host_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
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

// TestExchangeMakesNoDifference has two components talk, once with an engine whose
// instances take turns and once with one whose do not: the same happens, and the
// same is counted.
func TestExchangeMakesNoDifference(t *testing.T) {
	var turns atomic.Int64
	seeds, most := uint64(60), int64(5000)
	if host.Raced {
		seeds, most = 12, 1000
	}
	plenty := host.Quota{MessagesPerSecond: 1e6, Burst: 1e6, PendingRequests: 1000}
	single := host.Quota{MessagesPerSecond: 1e6, Burst: 1e6, PendingRequests: 1}
	little := host.Quota{MessagesPerSecond: 1, Burst: 50, PendingRequests: 1000}
	for _, quota := range [][2]host.Quota{{plenty, plenty}, {single, single}, {little, plenty}, {plenty, little}} {
		for _, tracker := range []func() (core.Tracker, error){newSlab, newTimermap} {
			for seed := range seeds {
				program := talk(seed)
				want := converse(t, parts{"", newInproc, tracker, nil}, quota, program)
				got := converse(t, parts{"", newInproc, tracker, &turns}, quota, program)
				for i := range want {
					if i >= len(got) || got[i] != want[i] {
						t.Fatalf("%+v, %q: after\n%s\ngot\n%s\nwant\n%s", quota, program, strings.Join(want[max(0, i-10):i], "\n"), got[min(i, len(got)-1)], want[i])
					}
				}
			}
		}
	}
	if n := turns.Load(); n < most {
		t.Errorf("%d calls followed the first ones of exchanges, want at least %d", n, most)
	}
}

// The steps of a conversation: what a component does with a message that begins
// with one. The rest of the message is what goes on, at the other one or here.
const (
	talkOn      = 's' // sends the rest
	talkAsk     = 'r' // has the other one answer, then goes on
	talkFail    = 'f' // sends the rest, and fails
	talkAskFail = 'R' // has the other one fail, then goes on
	talkTrap    = 'x' // sends the rest, and traps
	talkLog     = 'l' // logs, and sends the rest
	talkTwice   = 'd' // sends "n" and the rest
	talkThird   = 'S' // sends the rest to a third
	talkTell    = 't' // sends the rest, and "n" to a third
	talkAskBoth = 'p' // has the other one answer twice, and goes on after each
	talkCancel  = 'c' // sends a request, cancels it, and sends the rest
	talkLarge   = 'L' // sends the rest, and much behind it that is to be ignored
)

// talk makes up a conversation.
func talk(seed uint64) string {
	random := rand.New(rand.NewPCG(seed, 1))
	rare := string([]rune{talkFail, talkAskFail, talkTrap, talkLog, talkTwice, talkThird, talkTell, talkAskBoth, talkCancel, talkLarge})
	steps := make([]byte, 20+random.IntN(200))
	for i := range steps {
		switch steps[i] = talkOn; random.IntN(16) {
		case 0:
			steps[i] = rare[random.IntN(len(rare))]
		case 1, 2, 3, 4:
			steps[i] = talkAsk
		}
	}
	// Who is started again first, of two, is left to chance.
	first, rest, trap := strings.Cut(string(steps), string(talkTrap))
	if trap {
		first += string(talkTrap) + strings.ReplaceAll(rest, string(talkTrap), "")
	}
	return first
}

// talker is one side of a conversation.
type talker struct {
	seen  *[]string
	name  string
	other string
	then  map[guest.RequestID]string
	ids   map[guest.RequestID]bool // of all requests
}

func (a *talker) note(format string, args ...any) {
	*a.seen = append(*a.seen, a.name+": "+fmt.Sprintf(format, args...))
}

func (a *talker) message(g guest.Host, sender string, message []byte) ([]byte, error) {
	a.note("%s says %q", sender, message)
	switch string(message) {
	case "answer":
		return []byte(fmt.Sprint("an answer, ", len(*a.seen))), nil
	case "fail":
		return nil, guest.Failed("it was told to")
	}
	return []byte("unwanted"), a.step(g, strings.TrimRight(string(message), "."))
}

func (a *talker) callback(g guest.Host, id guest.RequestID, response []byte, failure error) error {
	a.note("response %q, %v", response, failure)
	rest := a.then[id]
	delete(a.then, id)
	return a.step(g, rest)
}

func (a *talker) step(g guest.Host, text string) error {
	if text == "" || text == "n" {
		return nil
	}
	step, rest := text[0], text[1:]
	switch step {
	case talkAsk:
		a.ask(g, "answer", rest)
		return nil
	case talkAskFail:
		a.ask(g, "fail", rest)
		return nil
	case talkAskBoth:
		a.ask(g, "answer", rest[:len(rest)/2])
		a.ask(g, "answer", rest[len(rest)/2:])
		return nil
	case talkTell:
		a.send(g, "a/three", "n")
	case talkLog:
		g.Log(guest.LogInfo, "a line")
	case talkTwice:
		a.send(g, a.other, "n")
	case talkCancel:
		a.note("canceled: %v", g.Cancel(a.ask(g, "answer", "")))
	case talkThird:
		a.send(g, "a/three", rest)
		return nil
	case talkLarge:
		rest += strings.Repeat(".", 3000)
	}
	a.send(g, a.other, rest)
	switch step {
	case talkFail:
		return guest.Failed("it was told to")
	case talkTrap:
		panic("it was told to")
	}
	return nil
}

func (a *talker) send(g guest.Host, target, text string) {
	if err := g.Send(target, []byte(text)); err != nil {
		a.note("refused: %v", err)
	}
}

func (a *talker) ask(g guest.Host, text, then string) guest.RequestID {
	id, err := g.Request(a.other, []byte(text), time.Minute)
	if err != nil {
		a.note("refused: %v", err)
		return 0
	}
	if a.ids[id] {
		a.note("the id %d again", id)
	}
	a.ids[id], a.then[id] = true, then
	return id
}

// converse has a program said twice, and returns all that is to be seen of it.
func converse(t *testing.T, p parts, quota [2]host.Quota, program string) (seen []string) {
	bubble(t, func(t *testing.T) {
		h := p.start(t, host.Config{Workers: 1})
		for name, other := range map[string]string{"a/one": "a/two", "a/two": "a/one", "a/three": "a/one"} {
			a := &talker{&seen, name, other, make(map[guest.RequestID]string), make(map[guest.RequestID]bool)}
			d := deployment(name, behaviour{message: a.message, callback: a.callback})
			if d.Quota = quota[0]; name == "a/two" {
				d.Quota = quota[1]
			}
			d.Restart = host.Restart{MaxRestarts: -1, Backoff: time.Millisecond, MaxBackoff: time.Millisecond}
			check(t, h.Deploy(t.Context(), d))
		}
		for range 2 {
			check(t, h.Send(id("a/one"), []byte("n")))
			synctest.Wait() // else chance says how many turns that takes
			check(t, h.Send(id("a/one"), []byte(program)))
			h.balance()
			<-time.After(time.Second)
		}
		for _, status := range h.Components() {
			seen = append(seen, fmt.Sprintf("%+v", status))
		}
		s := h.Snapshot()
		s.WorkersHeldUp = 0
		seen = append(seen, fmt.Sprintf("%+v", s))
	})
	return seen
}

// exchangingToys deploys toys that take turns, on a host with one worker. Each sends
// what it is given on to the other, after it has handled it, or before with a
// message in capitals.
func exchangingToys(t *testing.T, handle func(i *toyInstance, message []byte) error) *testHost {
	t.Helper()
	h := parts{"", newInproc, newSlab, new(atomic.Int64)}.start(t, host.Config{Workers: 1})
	for name, other := range map[string]string{"a/one": "a/two", "a/two": "a/one"} {
		d := toyDeployment(name, &toy{message: func(i *toyInstance, message []byte) error {
			send := func() {
				if len(message) > 0 {
					_ = i.env.Host.SendMessage([]byte(other), message[1:]) // which a host that stops refuses
				}
			}
			if bytes.Equal(message, bytes.ToUpper(message)) {
				send()
				return handle(i, message)
			}
			defer send()
			return handle(i, message)
		}})
		d.Limits.HandlerTime = 20 * time.Millisecond
		check(t, h.Deploy(t.Context(), d))
	}
	check(t, h.Send(id("a/one"), []byte("to and fro")))
	h.balance()
	return h
}

// TestWatchdogInExchanges: who hangs in an exchange is stopped, and nobody else.
func TestWatchdogInExchanges(t *testing.T) {
	for _, hangs := range []string{"a/one", "a/two"} {
		for _, reconciles := range []bool{false, true} {
			for n := range 4 {
				first := []string{"a/one", "a/two"}[n&1]
				text := []string{"it is to hang", "IT IS TO HANG"}[n>>1]
				bubble(t, func(t *testing.T) {
					var hung atomic.Bool
					hung.Store(true)
					h := exchangingToys(t, func(i *toyInstance, message []byte) error {
						if i.env.ID.String() != hangs || len(message) > 5 || !hung.CompareAndSwap(false, true) {
							return nil
						}
						if reconciles {
							i.env.Host.Now()
						}
						return i.hang()
					})
					hung.Store(false)
					check(t, h.Send(id(first), []byte(text)))
					h.balance()
					equal(t, "hung", hung.Load(), true)
					for _, c := range h.Components() {
						traps := uint64(0)
						if c.ID.String() == hangs {
							traps = 1
						}
						equal(t, fmt.Sprintf("%s hangs, reconciles %v, first %s, %s: traps of %s", hangs, reconciles, first, text, c.ID), c.Counters.Traps, traps)
					}
				})
			}
		}
	}
}

// TestLongExchanges: each call has its own handler time, however many come in turns.
func TestLongExchanges(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := exchangingToys(t, func(*toyInstance, []byte) error { <-time.After(5 * time.Millisecond); return nil })
		check(t, h.Send(id("a/one"), []byte(strings.Repeat("on and on ", 20))))
		s := h.balance()
		equal(t, "traps", s.Traps, 0)
	})
}

// TestLeftBehindInExchange: Stop ends what hangs in an exchange, once it can.
func TestLeftBehindInExchange(t *testing.T) {
	bubble(t, func(t *testing.T) {
		goOn := make(chan struct{})
		var once sync.Once
		h := exchangingToys(t, func(i *toyInstance, message []byte) error {
			if string(message) != "hang" {
				return nil
			}
			once.Do(func() { <-goOn })
			i.env.Host.Now()
			return i.hang()
		})
		check(t, h.Send(id("a/one"), []byte("my hang")))
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		isError(t, "stop", h.Stop(ctx), context.DeadlineExceeded)
		close(goOn)
		synctest.Wait()
		equal(t, "left", len(h.Components()), 0)
	})
}

// TestExchangeKeepsWhatIsNext: what a worker has put in its own place before an exchange
// is still there after it.
func TestExchangeKeepsWhatIsNext(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := parts{"", newInproc, newSlab, new(atomic.Int64)}.start(t, host.Config{Workers: 2})
		var told atomic.Int32
		goOn := make(chan struct{})
		h.deploy("a/two", behaviour{message: func(g guest.Host, _ string, _ []byte) ([]byte, error) {
			g.Now()
			told.Add(1)
			return nil, nil
		}})
		h.deploy("a/three", behaviour{})
		h.deploy("a/one", behaviour{message: func(g guest.Host, _ string, message []byte) ([]byte, error) {
			check(t, g.Send("a/two", nil))
			if string(message) == "three" {
				check(t, g.Send("a/three", nil))
				isError(t, "too large", g.Send("a/two", make([]byte, 2<<20)), guest.ErrQuotaExceeded) // and yet the last target
				<-goOn                                                                                // a/two is done, by the other worker
			}
			return nil, nil
		}})
		for _, text := range []string{"two", "two", "three"} {
			check(t, h.Send(id("a/one"), []byte(text)))
			synctest.Wait()
		}
		equal(t, "told", told.Load(), 3)
		check(t, h.Send(id("a/one"), []byte("two")))
		close(goOn)
		h.balance()
	})
}

// TestExchangeEndsInTheOthersCall: what the watchdog saw of an exchange that ended in the
// other one's call is not held against a later call.
func TestExchangeEndsInTheOthersCall(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := exchangingToys(t, func(i *toyInstance, message []byte) error {
			<-time.After(3 * time.Millisecond) // the watchdog sees it
			if len(message) == 0 {
				i.env.Host.Now()
			}
			return nil
		})
		for range 5 {
			check(t, h.Send(id("a/one"), []byte("a")))
			h.balance()
			<-time.After(time.Second)
		}
		equal(t, "traps", h.balance().Traps, 0)
	})
}

// failingReserver is a tracker that fails while it is told.
type failingReserver struct {
	core.Reserver
	renew, register func() error // nil: it does not
}

func (f *failingReserver) Reserve(w core.Waiter, ids []core.RequestID) error {
	if f.renew != nil && ids[0] != 0 {
		return f.renew()
	}
	return f.Reserver.Reserve(w, ids)
}

func (f *failingReserver) RegisterReserved(id core.RequestID, w core.Waiter, timeout time.Duration) (core.RequestID, error) {
	if f.register != nil {
		return 0, f.register()
	}
	return f.Reserver.RegisterReserved(id, w, timeout)
}

// TestTrackerFailsInExchange: whatever fails when an exchange is reconciled, both components
// and all others go on.
func TestTrackerFailsInExchange(t *testing.T) {
	var failed atomic.Int64
	closed := func() error { failed.Add(1); return core.ErrClosed }
	panics := func() error { failed.Add(1); panic("on purpose") }
	for name, fault := range map[string]failingReserver{
		"no id is renewed": {renew: closed}, "renewing panics": {renew: panics},
		"nothing is registered": {register: closed}, "registering panics": {register: panics},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				slab, err := newSlab()
				check(t, err)
				tracker := &failingReserver{Reserver: slab.(core.Reserver)}
				failed.Store(0)
				turns := new(atomic.Int64)
				h := parts{"", newInproc, func() (core.Tracker, error) { return tracker, nil }, turns}.start(t, host.Config{Workers: 1})
				begins := func(g guest.Host, left byte) {
					if left > 0 {
						_, err := g.Request("a/two", []byte{left}, time.Minute)
						check(t, err)
					}
				}
				d := deployment("a/one", behaviour{
					message: func(g guest.Host, _ string, message []byte) ([]byte, error) {
						begins(g, message[0])
						return nil, nil
					},
					callback: func(g guest.Host, _ guest.RequestID, response []byte, failure error) error {
						if failure == nil {
							begins(g, response[0]-1)
						}
						return nil
					},
				})
				d.Restart.MaxRestarts = -1
				check(t, h.Deploy(t.Context(), d))
				d = deployment("a/two", behaviour{message: func(g guest.Host, _ string, message []byte) ([]byte, error) {
					if message[0] == 1 { // in the exchange's last call
						tracker.renew, tracker.register = fault.renew, fault.register
						g.Now()
						tracker.renew, tracker.register = nil, nil
					}
					return message, nil
				}})
				d.Restart.MaxRestarts = -1
				check(t, h.Deploy(t.Context(), d))
				for range 10 {
					before := turns.Load()
					for range 3 {
						check(t, h.Send(id("a/one"), []byte{5}))
						h.balance()
						tracker.renew, tracker.register = nil, nil
						<-time.After(time.Minute)
					}
					if turns.Load() == before {
						t.Fatal("nobody took turns")
					}
				}
				if failed.Load() == 0 {
					t.Error("the tracker did not fail")
				}
			})
		})
	}
}
