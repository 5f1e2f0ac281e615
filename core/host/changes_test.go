package host_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
)

// TestReplacementsQueue: replacements of one component come one after the other, and all are
// made.
func TestReplacementsQueue(t *testing.T) {
	everyPart(t, func(t *testing.T, p parts) {
		h := p.start(t, host.Config{})
		h.deploy("a/b", echo)
		var all sync.WaitGroup
		var toys [20]toy
		for n := range toys {
			all.Go(func() {
				if err := h.Replace(within(t), patient(toyDeployment("a/b", &toys[n]))); err != nil {
					t.Error(err)
				}
				h.do("a/b")
			})
		}
		all.Wait()
		live := int32(0)
		for n := range toys {
			live += toys[n].live.Load()
		}
		equal(t, "instances", live, 1)
		h.balance()
		equal(t, "handled", h.component("a/b").Counters.Handled, uint64(len(toys)))
	})
}

// TestChangesAtOnce makes all changes of a few components on several goroutines, with messages
// between them.
func TestChangesAtOnce(t *testing.T) {
	everyPart(t, func(t *testing.T, p parts) {
		h := p.start(t, host.Config{Logger: slog.New(slog.DiscardHandler)})
		var toys [2]toy
		talks := behaviour{message: func(g guest.Host, _ string, m []byte) ([]byte, error) {
			if len(m) > 0 {
				_ = g.Send("churn/0", nil)
				_, _ = g.Request("churn/1", nil, 0)
			}
			return m, nil
		}}
		allowed := func(err error) {
			for _, is := range []error{core.ErrTargetNotFound, host.ErrAlreadyDeployed, host.ErrNeedsReplacement, context.DeadlineExceeded, context.Canceled} {
				if err == nil || errors.Is(err, is) {
					return
				}
			}
			t.Error(err)
		}
		var wg sync.WaitGroup
		for g := range 8 {
			wg.Go(func() {
				name := fmt.Sprint("churn/", g%2)
				short, cancel := context.WithTimeout(t.Context(), time.Duration(g)*10*time.Millisecond)
				defer cancel()
				quiet, loud := patient(toyDeployment(name, &toys[g%2])), patient(deployment(name, talks))
				for n := range 40 {
					allowed(h.Deploy(within(t), loud))
					_ = h.Send(id("churn/2"), []byte("x"))
					_, _ = h.Request(within(t), id(name), []byte("x"))
					allowed(h.Replace(within(t), quiet))
					allowed(h.Restart(within(t), id(name)))
					allowed(h.Replace(short, loud))
					allowed(h.Update(within(t), loud))
					if n%4 == g%4 {
						allowed(h.Undeploy(within(t), id(name)))
					}
				}
			})
		}
		h.deploy("churn/2", talks)
		wg.Wait()
		s := h.balance()
		equal(t, "pending", s.Pending, 0)
		for n := range toys {
			_ = h.Undeploy(within(t), id(fmt.Sprint("churn/", n)))
			equal(t, "instances left", toys[n].live.Load(), 0)
		}
		equal(t, "components", len(h.Components()), 1)
	})
}

// replaceSteps are where a replacement of a toy may be when something else happens. Each makes the
// old version and the new one hang there until they are interrupted.
var replaceSteps = map[string]func(old, next *toyKeeper){
	"compile": func(_, next *toyKeeper) {
		next.compile = func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	},
	"initialize":      func(_, next *toyKeeper) { next.initialize = (*toyInstance).hang },
	"the old call":    func(old, _ *toyKeeper) { old.message = func(i *toyInstance, _ []byte) error { return i.hang() } },
	"save":            func(old, _ *toyKeeper) { old.slowSave = true },
	"restore":         func(_, next *toyKeeper) { next.slowRestore = true },
	"the old's end":   func(old, _ *toyKeeper) { old.shutdown = (*toyInstance).hang },
	"the turn":        func(_, next *toyKeeper) { next.initialize = (*toyInstance).hang },
	"a request of it": func(old, _ *toyKeeper) { old.message = func(i *toyInstance, _ []byte) error { return i.hang() } },
}

// keeperDeployment deploys a toy with a state, whose calls may take an hour.
func keeperDeployment(k *toyKeeper) host.Deployment {
	d := toyDeployment("a/b", nil)
	d.Source, d.Limits.HandlerTime, d.Limits.StartTime = core.Source{Value: k}, time.Hour, time.Hour
	return d
}

// startStep begins a replacement that hangs at a step.
func startStep(t *testing.T, step string) (h *testHost, old, next *toyKeeper, replace func(ctx context.Context) <-chan error) {
	h = start(t, host.Config{DrainTimeout: time.Millisecond})
	old, next = &toyKeeper{toy: new(toy)}, &toyKeeper{toy: new(toy)}
	replaceSteps[step](old, next)
	check(t, h.Deploy(t.Context(), keeperDeployment(old)))
	return h, old, next, func(ctx context.Context) <-chan error {
		switch step {
		case "the old call":
			check(t, h.Send(id("a/b"), nil))
			synctest.Wait()
		case "a request of it":
			background(func() error { _, err := h.Request(t.Context(), id("a/b"), nil); return err })
			synctest.Wait()
		case "the turn":
			background(func() error { return h.Replace(t.Context(), keeperDeployment(next)) })
			synctest.Wait()
		}
		return background(func() error { return h.Replace(ctx, keeperDeployment(next)) })
	}
}

// TestReplaceIsCutOff: when the context of a replacement ends, the old version goes on as it
// was. Once the new version has taken its place there is no way back.
func TestReplaceIsCutOff(t *testing.T) {
	for _, step := range []string{"compile", "initialize", "the old call", "the turn", "a request of it"} {
		t.Run(step, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				h, old, next, replace := startStep(t, step)
				changes, stop := h.Subscribe(10)
				defer stop()
				ctx, cancel := context.WithCancel(t.Context())
				replaced := replace(ctx)
				synctest.Wait()
				cancel()
				isError(t, "replace", <-replaced, context.Canceled)
				want := map[string]string{"compile": "", "the turn": "replacing"} // of the other one
				if w, special := want[step]; special {
					equal(t, "events", kinds(changes), w)
				} else {
					equal(t, "events", kinds(changes), "replacing rolled-back")
				}
				equal(t, "instances of the old version", old.live.Load(), 1)
				waits := int32(len(want[step]) / len("replacing"))
				equal(t, "instances of the new version", next.live.Load(), waits)
				_ = h.Stop(limited(t, time.Second))
			})
		})
	}
}

// TestStopDuringReplace: Stop ends in any step of a replacement, and leaves no instance.
func TestStopDuringReplace(t *testing.T) {
	for step := range replaceSteps {
		t.Run(step, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				h, old, next, replace := startStep(t, step)
				replaced := replace(t.Context())
				synctest.Wait()
				err := h.Stop(limited(t, time.Second))
				t.Log(err) // what was interrupted
				equal(t, "instances of the old version", old.live.Load(), 0)
				equal(t, "instances of the new version", next.live.Load(), 0)
				equal(t, "components", len(h.Components()), 0)
				if err = <-replaced; step == "the old's end" {
					check(t, err)
				} else {
					isError(t, "replace", err, host.ErrNotRunning)
				}
				s := h.Snapshot()
				equal(t, "pending", s.Pending, 0)
				h.balance()
			})
		})
	}
}

// TestStopWaitsForReplace: a Stop that has time waits for the end of a replacement.
func TestStopWaitsForReplace(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, host.Config{DrainTimeout: time.Millisecond})
		h.deploy("a/b", echo)
		release := make(chan struct{})
		replaced := background(func() error {
			return h.Replace(t.Context(), deployment("a/b", behaviour{start: func(guest.Host, guest.Config) error { <-release; return nil }}))
		})
		synctest.Wait()
		stopped := background(func() error { return h.Stop(within(t)) })
		<-time.After(time.Second)
		equal(t, "stops that have ended", len(stopped), 0)
		close(release)
		check(t, <-replaced)
		check(t, <-stopped)
		equal(t, "components", len(h.Components()), 0)
	})
}

// TestReplaceInChain: whoever replaces a component that a chain holds does not wait for the
// call of another one. The response to the request of the old version comes to the new one.
func TestReplaceInChain(t *testing.T) {
	for message, want := range map[string]string{"!": "", "?!": "new ?!<nil>"} {
		bubble(t, func(t *testing.T) {
			c := startChain(t, time.Minute, host.Config{Workers: 1})
			before := c.ChainCalls()
			c.tell(message)
			equal(t, "calls in chains", c.ChainCalls()-before, 1)
			handled := 0
			next := deployment("a/asker", behaviour{
				message: func(guest.Host, string, []byte) ([]byte, error) { handled++; return nil, nil },
				callback: func(_ guest.Host, _ guest.RequestID, response []byte, failure error) error {
					c.ends <- fmt.Sprint("new ", string(response), failure)
					return nil
				},
			})
			check(t, c.Replace(limited(t, time.Millisecond), next))
			c.tell("hello")
			<-time.After(20 * time.Millisecond) // the only worker is blocked until the watchdog looks
			equal(t, "handled by the new version", handled, 1)
			if want == "" {
				c.end()
			} else {
				c.end(want)
			}
		})
	}
}
