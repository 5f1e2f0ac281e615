package host_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/airhost/airhost/backends/native"
	"github.com/airhost/airhost/brokers/inproc"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
	"github.com/airhost/airhost/trackers/slab"
)

// measured is a component with a memory that its engine bounds.
type measured struct{ *toy }

func (measured) Traits() core.Traits {
	return core.Traits{Interruptible: true, Enforces: core.LimitMemory}
}

var errOnPurpose = errors.New("on purpose")

const mebibyte = 1 << 20

// measuredDeployment returns the deployment of a component with so many instances of so many MiB each.
func measuredDeployment(name string, instances int, each int64, t *toy) host.Deployment {
	d := toyDeployment(name, t)
	d.Source = core.Source{Value: measured{t}}
	d.Instances, d.Limits.Memory = instances, each*mebibyte
	return d
}

func (h *testHost) budget(namespace string) host.BudgetStatus {
	h.t.Helper()
	for _, b := range h.Budgets() {
		if b.Namespace == namespace {
			return b
		}
	}
	h.t.Fatal("no budget of " + namespace)
	return host.BudgetStatus{}
}

// TestBudgetOfMemory: the instances of a namespace have no more memory than its budget, and
// those that end give theirs back.
func TestBudgetOfMemory(t *testing.T) {
	fails := &toy{initialize: func(*toyInstance) error { return errOnPurpose }}
	works := new(toy)
	h := start(t, host.Config{Budgets: map[string]host.Budget{"a": {Memory: 100 * mebibyte}}})
	ctx := within(t)
	taken := func(name string, want int64) {
		t.Helper()
		equal(t, "MiB taken after "+name, h.budget("a").MemoryTaken/mebibyte, want)
	}
	check(t, h.Deploy(ctx, measuredDeployment("a/one", 1, 40, works)))
	check(t, h.Deploy(ctx, measuredDeployment("b/other", 1, 4000, works)))
	taken("a deployment", 40)

	err := h.Deploy(ctx, measuredDeployment("a/two", 2, 31, works))
	isError(t, "two instances too many", err, host.ErrBudgetExceeded)
	contains(t, "two instances too many", err.Error(), "budgets.a.memory is 104857600 bytes, 41943040 of them are taken, and limits.memory of its instances is 65011712 together")
	prepared, err := h.Prepare(ctx, measuredDeployment("a/two", 2, 31, works))
	check(t, err)
	isError(t, "two prepared instances too many", prepared.Deploy(ctx), host.ErrBudgetExceeded)
	isError(t, "a start that fails", h.Deploy(ctx, measuredDeployment("a/two", 2, 30, fails)), errOnPurpose)
	taken("a start that failed", 40)
	check(t, h.Deploy(ctx, measuredDeployment("a/two", 2, 30, works)))
	taken("two instances", 100)

	isError(t, "a replacement too many", h.Replace(ctx, measuredDeployment("a/one", 1, 1, works)), host.ErrBudgetExceeded)
	check(t, h.Undeploy(ctx, id("a/two")))
	starts := 0
	check(t, h.Deploy(ctx, measuredDeployment("a/two", 1, 30, &toy{initialize: func(*toyInstance) error {
		if starts++; starts > 1 {
			return errOnPurpose
		}
		return nil
	}})))
	same := measuredDeployment("a/two", 2, 30, works)
	same.Source = core.Source{}
	isError(t, "an update that fails", h.Update(ctx, same), errOnPurpose)
	taken("an update that failed", 70)
	check(t, h.Replace(ctx, measuredDeployment("a/two", 1, 30, works)))
	check(t, h.Update(ctx, measuredDeployment("a/two", 2, 30, works)))
	isError(t, "an instance too many", h.Update(ctx, measuredDeployment("a/two", 3, 30, works)), host.ErrBudgetExceeded)
	check(t, h.Update(ctx, measuredDeployment("a/two", 1, 30, works)))
	taken("an update to one instance", 70)
	isError(t, "a replacement that fails", h.Replace(ctx, measuredDeployment("a/one", 1, 30, fails)), errOnPurpose)
	taken("a replacement that failed", 70)
	check(t, h.Replace(ctx, measuredDeployment("a/one", 1, 30, works)))
	taken("a replacement", 60)
	check(t, h.Replace(ctx, measuredDeployment("a/one", 2, 20, works)))
	taken("a replacement by two instances", 70)
	check(t, h.Update(ctx, measuredDeployment("a/two", 2, 30, works)))
	taken("an update to two instances", 100)
	check(t, h.Undeploy(ctx, id("a/two")))
	taken("an undeployment", 40)
	check(t, h.Undeploy(ctx, id("a/one")))
	taken("the last undeployment", 0)
	check(t, h.Deploy(ctx, measuredDeployment("a/all", 4, 25, works)))
}

// TestBudgetOfMemoryNeedsALimit: a guest without a bound on its memory has no place in a
// namespace with a budget of memory.
func TestBudgetOfMemoryNeedsALimit(t *testing.T) {
	h := start(t, host.Config{Budgets: map[string]host.Budget{"a": {Memory: 100 * mebibyte}, "b": {MessagesPerSecond: 1}}})
	err := h.Deploy(within(t), deployment("a/native", echo))
	isError(t, "native", err, host.ErrLimitNotEnforced)
	contains(t, "native", err.Error(), "budgets.a.memory needs limits.memory, which the engine native cannot keep")
	check(t, h.Deploy(within(t), deployment("b/native", echo)))
}

// sendsAll sends as many messages as the host takes, and returns their number and the refusal.
func sendsAll(g guest.Host, target string) (n int, refusal error) {
	for refusal == nil {
		if refusal = g.Send(target, nil); refusal == nil {
			n++
		}
	}
	return n, refusal
}

// TestBudgetOfMessages: the components of a namespace send no more messages together than its
// budget says; those of others are not bounded by it.
func TestBudgetOfMessages(t *testing.T) {
	everyPart(t, func(t *testing.T, p parts) {
		bubble(t, func(t *testing.T) {
			h := p.start(t, host.Config{Budgets: map[string]host.Budget{"a": {MessagesPerSecond: 100, Burst: 40}}})
			h.deploy("b/sink", echo)
			var sent int
			var refusal error
			sends := behaviour{message: func(g guest.Host, _ string, _ []byte) ([]byte, error) {
				var n int
				n, refusal = sendsAll(g, "b/sink")
				sent += n
				return nil, nil
			}}
			crew := deployment("a/crew", sends)
			crew.Instances = 2
			check(t, h.Deploy(t.Context(), crew))
			names := []string{"a/crew", "a/one", "a/two"}
			h.deploy("a/one", sends)
			h.deploy("a/two", sends)
			for _, name := range names {
				h.do(name)
			}
			equal(t, "sent at once", sent, 40)
			contains(t, "refusal", refusal.Error(), "quota-exceeded: budgets.a.messages_per_second")
			sent = 0
			for range 20 {
				<-time.After(100 * time.Millisecond)
				for _, name := range names {
					h.do(name)
				}
			}
			if sent < 190 || sent > 200 {
				t.Errorf("%d sent in the two seconds after, want 200, or a lease less", sent)
			}
			if got := h.budget("a").Refused; got < 60 {
				t.Errorf("%d refused, want each of 63", got)
			}
			h.balance()
		})
	})
}

// TestOwnQuotaBesideBudget: a component that has used up its own quota learns so, and leaves the
// rest of the budget to others.
func TestOwnQuotaBesideBudget(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, host.Config{Budgets: map[string]host.Budget{"a": {MessagesPerSecond: 1, Burst: 40}}})
		h.deploy("b/sink", echo)
		sent, refusal := map[string]int{}, error(nil)
		for name, burst := range map[string]int{"a/small": 12, "a/large": 1000} {
			d := deployment(name, behaviour{message: func(g guest.Host, _ string, _ []byte) ([]byte, error) {
				sent[name], refusal = sendsAll(g, "b/sink")
				return nil, nil
			}})
			d.Quota = host.Quota{MessagesPerSecond: 1, Burst: burst}
			check(t, h.Deploy(t.Context(), d))
		}
		h.do("a/small")
		equal(t, "sent by the small one", sent["a/small"], 12)
		equal(t, "its refusal", refusal.Error(), "quota-exceeded: messages_per_second")
		equal(t, "refused by the budget", h.budget("a").Refused, 0)
		check(t, h.Undeploy(t.Context(), id("a/small"))) // with the 3 that are left of its last grant
		h.do("a/large")
		equal(t, "sent by the large one", sent["a/large"], 28)
	})
}

// TestGrantsCountAsBurst: messages that were granted to components in advance are part of the
// burst, and those of components that are gone are not.
func TestGrantsCountAsBurst(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, host.Config{Budgets: map[string]host.Budget{"a": {MessagesPerSecond: 1000, Burst: 400}}})
		h.deploy("b/sink", echo)
		sent := 0
		sends := behaviour{
			message: func(g guest.Host, _ string, message []byte) ([]byte, error) {
				if string(message) == "all" {
					n, _ := sendsAll(g, "b/sink")
					sent += n
					return nil, nil
				}
				return nil, g.Send("b/sink", nil)
			},
			start:    func(g guest.Host, _ guest.Config) error { return g.Send("b/sink", nil) },
			shutdown: func(g guest.Host) { _ = g.Send("b/sink", nil) },
		}
		names := []string{"a/one", "a/two", "a/three"}
		for _, name := range names {
			h.deploy(name, sends)
			for range 20 {
				check(t, h.Replace(t.Context(), deployment(name, sends)))
			}
			h.deploy("a/gone", sends)
			check(t, h.Undeploy(t.Context(), id("a/gone")))
		}
		<-time.After(time.Minute)
		for _, name := range names {
			_, err := h.request(name, "all")
			check(t, err)
		}
		if sent > 400 || sent < 390 {
			t.Errorf("%d sent at once, want 400, less those of 3 that were sent of a grant", sent)
		}
	})
}

// TestBudgetOfSeveralInstances: instances send by the budget, also those that are added and
// those that end, and leave the rest to others.
func TestBudgetOfSeveralInstances(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const burst = 80
		h := start(t, host.Config{Budgets: map[string]host.Budget{"a": {MessagesPerSecond: 1, Burst: burst}}})
		h.deploy("b/sink", echo)
		var sent atomic.Int64
		one := func(g guest.Host) error {
			err := g.Send("b/sink", nil)
			if err == nil {
				sent.Add(1)
			}
			return err
		}
		d := deployment("a/crew", nil)
		d.Source = native.Source(func() guest.Component {
			return behaviour{
				message:  func(g guest.Host, _ string, _ []byte) ([]byte, error) { return nil, one(g) },
				start:    func(g guest.Host, _ guest.Config) error { _ = one(g); return nil },
				shutdown: func(g guest.Host) { _ = one(g) },
			}
		})
		d.Instances = 2
		check(t, h.Deploy(t.Context(), d))
		for sent.Load() < burst/2 {
			h.do("a/crew")
		}
		fewer, more := d, d
		fewer.Instances, more.Instances = 1, 5
		check(t, h.Update(t.Context(), fewer))
		check(t, h.Update(t.Context(), more))
		check(t, h.Replace(t.Context(), d))
		for range 5 * burst { // so many that each instance gets more than it was granted in advance
			check(t, h.Send(core.MustComponentID("a/crew"), nil))
		}
		check(t, h.Quiesce(t.Context()))
		equal(t, "sent", sent.Load(), burst)
	})
}

// TestBudgetOfWhatBounces: messages that two components of a namespace send to each other, each
// in the call for the other's, count to the budget.
func TestBudgetOfWhatBounces(t *testing.T) {
	everyPart(t, func(t *testing.T, p parts) {
		bubble(t, func(t *testing.T) {
			for _, burst := range []int{7, 100, 1000} {
				h := p.start(t, host.Config{Workers: 1, Budgets: map[string]host.Budget{"a": {MessagesPerSecond: 1, Burst: burst}}})
				sent := 0
				bounce := func(to string) guest.Component {
					return behaviour{message: func(g guest.Host, _ string, _ []byte) ([]byte, error) {
						err := g.Send(to, nil)
						if err == nil {
							sent++
						}
						return nil, err
					}}
				}
				h.deploy("a/ping", bounce("a/pong"))
				h.deploy("a/pong", bounce("a/ping"))
				exchanged := p.exchanges()
				for range 10 {
					check(t, h.Send(id("a/ping"), nil))
					h.quiesce()
				}
				if sent > burst || sent < burst*3/4 {
					t.Errorf("%d sent, want %d, or a lease less", sent, burst)
				}
				// An exchange needs 33 messages on each side, and each is granted an eighth.
				if exchanged = p.exchanges() - exchanged; p.exchanged != nil && (exchanged > 0) != (burst/8 > 33) {
					t.Errorf("%d calls in exchanges with a burst of %d", exchanged, burst)
				}
				check(t, h.Stop(t.Context()))
			}
		})
	})
}

// exchanges returns how many calls there were in exchanges.
func (p parts) exchanges() int64 {
	if p.exchanged == nil {
		return 0
	}
	return p.exchanged.Load()
}

// TestBudgetOfMessagesAtRandom: whatever is deployed, changed and removed, a namespace sends
// no more than its budget allows, and a message is never refused while a whole burst is there.
func TestBudgetOfMessagesAtRandom(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		const rate = 50
		burst := rapid.IntRange(1, 200).Draw(rt, "burst")
		bubble(t, func(t *testing.T) {
			h := start(t, host.Config{Budgets: map[string]host.Budget{"a": {MessagesPerSecond: rate, Burst: burst}}})
			h.deploy("b/sink", echo)
			var sent atomic.Int64
			began, idle := time.Now(), false
			component := behaviour{message: func(g guest.Host, _ string, message []byte) ([]byte, error) {
				for range message[0] {
					err := g.Send("b/sink", nil)
					if err == nil {
						sent.Add(1)
					} else if idle {
						rt.Errorf("refused after a long pause: %v", err)
					}
					idle = false
				}
				return nil, nil
			}}
			for range rapid.IntRange(1, 30).Draw(rt, "steps") {
				d := deployment(fmt.Sprintf("a/c%d", rapid.IntRange(0, 3).Draw(rt, "component")), component)
				d.Instances = rapid.IntRange(1, 3).Draw(rt, "instances")
				switch rapid.IntRange(0, 7).Draw(rt, "step") {
				case 0:
					_ = h.Undeploy(t.Context(), d.ID)
				case 1:
					_ = h.Replace(t.Context(), d)
				case 2:
					_ = h.Update(t.Context(), d)
				case 3:
					<-time.After(time.Duration(rapid.IntRange(1, 300).Draw(rt, "pause")) * time.Millisecond)
				case 4:
					<-time.After(time.Minute)
					idle = true
				default:
					_ = h.Deploy(t.Context(), d)
					n := byte(rapid.IntRange(1, 100).Draw(rt, "messages"))
					_, _ = h.Request(context.Background(), d.ID, []byte{n})
				}
				most := float64(burst) + rate*time.Since(began).Seconds()
				if got := float64(sent.Load()); got > most {
					rt.Fatalf("%v sent after %v, want at most %v", got, time.Since(began), most)
				}
			}
			h.balance()
			check(t, h.Stop(t.Context()))
		})
	})
}

// TestBudgetOfTime: the calls of a namespace take no longer, all in all, than its running time
// allows; messages wait meanwhile, each by its way. Other namespaces do not notice it.
func TestBudgetOfTime(t *testing.T) {
	everyPart(t, func(t *testing.T, p parts) {
		bubble(t, func(t *testing.T) {
			h := p.start(t, host.Config{Workers: 3, Budgets: map[string]host.Budget{"a": {RunningTime: 100 * time.Millisecond}}})
			var ran atomic.Int64
			works := behaviour{message: func(guest.Host, string, []byte) ([]byte, error) {
				<-time.After(20 * time.Millisecond)
				ran.Add(20)
				return nil, nil
			}}
			crew := deployment("a/crew", works)
			crew.Instances, crew.Spread = 2, host.SpreadAny
			check(t, h.Deploy(t.Context(), crew))
			h.deploy("a/one", works)
			h.deploy("a/two", behaviour{message: func(g guest.Host, s string, m []byte) ([]byte, error) {
				check(t, g.Send("a/one", nil))
				return works.message(g, s, m)
			}})
			h.deploy("b/other", echo)
			for range 20 {
				check(t, h.Send(id("a/crew"), nil))
				check(t, h.Send(id("a/two"), nil))
			}
			asked := background(func() error { _, err := h.Request(context.Background(), id("a/one"), nil); return err })
			<-time.After(500 * time.Millisecond)
			if !h.budget("a").Paused {
				t.Error("not paused")
			}
			h.do("b/other")
			if got := ran.Load(); got > 150+3*20 {
				t.Errorf("calls of %d ms ended in half a second, want 150 and those in progress at most", got)
			}
			check(t, <-asked)
			h.quiesce()
			equal(t, "ms ran", ran.Load(), 61*20)
			s := h.budget("a")
			if took := s.Ran.Milliseconds(); took < 61*20 || s.Pauses < 10 {
				t.Errorf("%d ms counted in %d pauses, want %d and several", took, s.Pauses, 61*20)
			}
			contains(t, "log", h.log.String(), "a namespace has used up its running time")
			h.balance()
		})
	})
}

// TestCallsThatCount: each call of a guest takes running time, short ones that follow each other
// too, and those at the start and the end of an instance.
func TestCallsThatCount(t *testing.T) {
	everyPart(t, func(t *testing.T, p parts) {
		bubble(t, func(t *testing.T) {
			h := p.start(t, host.Config{Workers: 1, Budgets: map[string]host.Budget{"a": {RunningTime: time.Hour}}})
			left := 100
			bounce := func(to string) guest.Component {
				return behaviour{
					message: func(g guest.Host, _ string, _ []byte) ([]byte, error) {
						took := time.Millisecond
						if left%10 == 0 {
							took = 50 * time.Millisecond
						}
						<-time.After(took)
						if left--; left > 0 {
							check(t, g.Send(to, nil))
						}
						return nil, nil
					},
					start:    func(guest.Host, guest.Config) error { <-time.After(time.Second); return nil },
					shutdown: func(guest.Host) { <-time.After(time.Second) },
				}
			}
			h.deploy("a/ping", bounce("a/pong"))
			h.deploy("a/pong", bounce("a/ping"))
			check(t, h.Send(id("a/ping"), nil))
			h.quiesce()
			equal(t, "time of 90 short and 10 long calls, and 2 starts", h.budget("a").Ran, 2590*time.Millisecond)
			check(t, h.Stop(t.Context()))
			equal(t, "time of 2 ends more", h.budget("a").Ran, 4590*time.Millisecond)
		})
	})
}

// TestChangesWhilePaused: components that wait for running time can be changed and removed, and
// the host can stop: then they handle the messages that wait.
func TestChangesWhilePaused(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, host.Config{Budgets: map[string]host.Budget{"a": {RunningTime: time.Millisecond}}})
		var mu sync.Mutex
		handled := map[string]int{}
		counts := func() string {
			mu.Lock()
			defer mu.Unlock()
			return fmt.Sprint(handled)
		}
		component := func(name string) guest.Component {
			return behaviour{message: func(guest.Host, string, []byte) ([]byte, error) {
				mu.Lock()
				handled[name]++
				mu.Unlock()
				<-time.After(100 * time.Millisecond)
				return nil, nil
			}}
		}
		h.deploy("a/one", component("one"))
		h.deploy("a/two", component("two"))
		h.deploy("a/three", component("three"))
		h.deploy("a/four", component("four"))
		h.do("a/one")
		synctest.Wait()
		if !h.budget("a").Paused {
			t.Fatal("not paused after a call of 100 ms")
		}
		for _, name := range []string{"a/one", "a/two", "a/three"} {
			check(t, h.Send(id(name), nil))
		}
		check(t, h.Replace(t.Context(), deployment("a/two", component("second"))))
		check(t, h.Restart(t.Context(), id("a/one")))
		check(t, h.Undeploy(t.Context(), id("a/three")))
		asked := background(func() error { _, err := h.Request(context.Background(), id("a/four"), nil); return err })
		synctest.Wait()
		equal(t, "handled while paused", counts(), "map[one:1]")
		check(t, h.Stop(t.Context()))
		check(t, <-asked)
		equal(t, "handled", counts(), "map[four:1 one:2 second:1]")
	})
}

// TestComesBackFromPause: whatever a component was in when the running time was used up, it goes
// on when there is time again.
func TestComesBackFromPause(t *testing.T) {
	for name, while := range map[string]func(h *testHost, d host.Deployment) error{
		"ended":   func(h *testHost, d host.Deployment) error { return h.Send(d.ID, []byte("trap")) },
		"update":  func(h *testHost, d host.Deployment) error { d.Instances = 3; return h.Update(h.t.Context(), d) },
		"fewer":   func(h *testHost, d host.Deployment) error { d.Instances = 1; return h.Update(h.t.Context(), d) },
		"restart": func(h *testHost, d host.Deployment) error { return h.Restart(h.t.Context(), d.ID) },
		"replace": func(h *testHost, d host.Deployment) error { return h.Replace(h.t.Context(), d) },
	} {
		for _, instances := range []int{1, 2} {
			t.Run(fmt.Sprint(name, instances), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					h := start(t, host.Config{Budgets: map[string]host.Budget{"a": {RunningTime: 10 * time.Millisecond}}})
					d := deployment("a/one", behaviour{message: func(_ guest.Host, _ string, message []byte) ([]byte, error) {
						<-time.After(100 * time.Millisecond)
						if len(message) > 0 {
							panic("on purpose")
						}
						return nil, nil
					}})
					d.Instances = instances
					check(t, h.Deploy(t.Context(), d))
					h.deploy("a/two", echo)
					if name != "ended" {
						h.do("a/one")
						synctest.Wait()
						equal(t, "paused", h.budget("a").Paused, true)
					}
					check(t, while(h, d))
					for range 5 {
						check(t, h.Send(d.ID, nil))
					}
					<-time.After(10 * time.Minute)
					check(t, h.Send(id("a/two"), nil))
					h.balance()
					check(t, h.Stop(t.Context()))
				})
			})
		}
	}
}

func TestBudgetMistakes(t *testing.T) {
	broker, err := inproc.New(inproc.Config{})
	check(t, err)
	tracker, err := slab.New(slab.Config{})
	check(t, err)
	engine, err := native.New(native.Config{})
	check(t, err)
	for text, budgets := range map[string]map[string]host.Budget{
		`budgets: "a/b" is no namespace of components`:        {"a/b": {}},
		`budgets: "" is no namespace of components`:           {"": {}},
		`budgets: "airhost" is no namespace of components`:    {"airhost": {}},
		"budgets.a.burst needs messages_per_second":           {"a": {Burst: 1}},
		"budgets.a.memory is -1, out of range":                {"b": {}, "a": {Memory: -1}},
		"budgets.a.messages_per_second is -1, out of range":   {"a": {MessagesPerSecond: -1}},
		"budgets.a.burst is -1, out of range":                 {"a": {MessagesPerSecond: 1, Burst: -1}},
		"budgets.a.running_time is 1µs, out of range":         {"a": {RunningTime: time.Microsecond}},
		"budgets.a.running_time is 2777h46m41s, out of range": {"a": {RunningTime: 1e7*time.Second + time.Second}},
	} {
		_, err := host.New(host.Config{Budgets: budgets}, broker, tracker, engine)
		if err == nil {
			t.Errorf("%s: no error", text)
			continue
		}
		contains(t, "mistake", err.Error(), text)
	}
}
