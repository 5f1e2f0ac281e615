package host_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/airhost/airhost/backends/native"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
)

func (h *testHost) prepare(d host.Deployment) *host.Prepared {
	h.t.Helper()
	p, err := h.Prepare(within(h.t), d)
	check(h.t, err)
	return p
}

// TestPrepare: a preparation compiles, runs no instance, and changes nothing. What has been
// prepared is used once.
func TestPrepare(t *testing.T) {
	h := start(t, host.Config{})
	var instances atomic.Int32
	d := deployment("a/b", nil)
	d.Source = native.Source(func() guest.Component { instances.Add(1); return echo })
	first, second, third, fourth := h.prepare(d), h.prepare(d), h.prepare(d), h.prepare(d)
	equal(t, "components", len(h.Components()), 0)
	isError(t, "replace of nothing", fourth.Replace(within(t)), core.ErrTargetNotFound)
	check(t, first.Deploy(within(t)))
	h.do("a/b")
	isError(t, "deploy twice", first.Deploy(within(t)), host.ErrUsed)
	isError(t, "replace by what was deployed", first.Replace(within(t)), host.ErrUsed)
	isError(t, "deploy where there is one", second.Deploy(within(t)), host.ErrAlreadyDeployed)
	isError(t, "deploy after an error", second.Deploy(within(t)), host.ErrUsed)
	check(t, third.Replace(within(t)))
	isError(t, "replace twice", third.Replace(within(t)), host.ErrUsed)
	for _, used := range []*host.Prepared{first, second, third, fourth} {
		check(t, used.Close(within(t)))
	}
	h.do("a/b")
	fifth := h.prepare(d)
	check(t, fifth.Close(within(t)))
	check(t, fifth.Close(within(t)))
	isError(t, "deploy after Close", fifth.Deploy(within(t)), host.ErrUsed)
	equal(t, "components", len(h.Components()), 1)
	h.balance()
}

// TestPrepareErrors: a preparation finds the mistakes that need no running guest.
func TestPrepareErrors(t *testing.T) {
	h := start(t, host.Config{})
	for name, test := range map[string]struct {
		change func(d *host.Deployment)
		want   error
	}{
		"limit":        {func(d *host.Deployment) { d.Limits.Mailbox = -1 }, host.ErrInvalidDeployment},
		"engine":       {func(d *host.Deployment) { d.Engine = "v8" }, host.ErrUnknownEngine},
		"source":       {func(d *host.Deployment) { d.Source = core.Source{Path: "nothing"} }, core.ErrModuleRefused},
		"not enforced": {func(d *host.Deployment) { d.Limits.Fuel = 1 }, host.ErrLimitNotEnforced},
	} {
		d := deployment("a/b", echo)
		test.change(&d)
		_, err := h.Prepare(within(t), d)
		isError(t, name, err, test.want)
	}
	ctx, cancel := context.WithCancel(t.Context())
	compiles := &toy{compile: func(ctx context.Context) error { cancel(); <-ctx.Done(); return ctx.Err() }}
	_, err := h.Prepare(ctx, toyDeployment("a/b", compiles))
	isError(t, "canceled", err, context.Canceled)
}

// TestPreparedOutlivesItsEngine: an engine closes while something is prepared, which cannot be
// used then. It cannot be used after Stop either.
func TestPreparedOutlivesItsEngine(t *testing.T) {
	broker, err := newInproc()
	check(t, err)
	tracker, err := newSlab()
	check(t, err)
	engine, err := native.New(native.Config{})
	check(t, err)
	h, err := host.New(host.Config{}, broker, tracker, engine)
	check(t, err)
	check(t, h.Start(within(t)))
	d := deployment("a/b", echo)
	first, err := h.Prepare(within(t), d)
	check(t, err)
	second, err := h.Prepare(within(t), d)
	check(t, err)
	check(t, engine.Close(within(t)))
	isError(t, "deploy after the end of the engine", first.Deploy(within(t)), core.ErrClosed)
	equal(t, "components", len(h.Components()), 0)
	check(t, h.Stop(within(t)))
	isError(t, "deploy after Stop", second.Deploy(within(t)), host.ErrNotRunning)
}

// TestDeployAll: guests that are deployed together message each other and themselves in
// initialize, and each message is handled after the initialize of its target.
func TestDeployAll(t *testing.T) {
	everyPart(t, func(t *testing.T, p parts) {
		h := p.start(t, host.Config{Workers: 4})
		const guests = 12
		var all []*host.Prepared
		var mu sync.Mutex
		ready, handled, called := make(map[string]bool), make(map[string]int), 0
		for range guests {
			name := fmt.Sprintf("a/g%d", len(all))
			all = append(all, h.prepare(deployment(name, behaviour{
				start: func(g guest.Host, _ guest.Config) error {
					for n := range guests {
						if err := g.Send(fmt.Sprintf("a/g%d", n), nil); err != nil {
							t.Error(err)
						}
						if _, err := g.Request(fmt.Sprintf("a/g%d", n), nil, 0); err != nil {
							t.Error(err)
						}
					}
					mu.Lock()
					defer mu.Unlock()
					ready[name] = true
					return nil
				},
				message: func(guest.Host, string, []byte) ([]byte, error) {
					mu.Lock()
					defer mu.Unlock()
					if handled[name]++; !ready[name] {
						t.Errorf("%s handles a message before the end of its initialize", name)
					}
					return nil, nil
				},
				callback: func(_ guest.Host, _ guest.RequestID, _ []byte, failure error) error {
					mu.Lock()
					defer mu.Unlock()
					if called++; failure != nil || !ready[name] {
						t.Errorf("%s: outcome %v, ready %t", name, failure, ready[name])
					}
					return nil
				},
			})))
		}
		check(t, h.DeployAll(within(t), all...))
		s := h.balance()
		for n := range guests {
			equal(t, "handled", handled[fmt.Sprintf("a/g%d", n)], 2*guests)
		}
		equal(t, "callbacks", called, guests*guests)
		equal(t, "refused", len(s.Refused), 0)
		check(t, h.DeployAll(within(t)))
	})
}

// TestDeployAllFails: one guest that fails does not touch the others. Messages to it end.
func TestDeployAllFails(t *testing.T) {
	everyPart(t, func(t *testing.T, p parts) {
		h := p.start(t, host.Config{Workers: 1}) // guests start in order
		o := newOutcomes()
		asker := o.requester("a/broken", 0)
		asker.start = func(g guest.Host, _ guest.Config) error {
			_, err := g.Request("a/broken", nil, 0)
			return err
		}
		broken := behaviour{start: func(guest.Host, guest.Config) error { return guest.Failed("no database") }}
		err := h.DeployAll(within(t), h.prepare(deployment("a/asker", asker)), h.prepare(deployment("a/broken", broken)), h.prepare(deployment("a/last", echo)))
		isError(t, "deploy all", err, core.ErrFailed)
		contains(t, "deploy all", fmt.Sprint(err), "deployment of a/broken")
		equal(t, "outcome", receive(t, "outcome", o.got), "target-not-found: a/broken")
		h.do("a/last")
		s := h.balance()
		equal(t, "components", s.Components, 2)
		equal(t, "dead letters", s.DeadLetters, 1)
		h.deploy("a/broken", echo)
	})
}

// TestDeployAllOrNone: if an id is taken or given twice, or something has been used, none is
// deployed, and nothing is left.
func TestDeployAllOrNone(t *testing.T) {
	h := start(t, host.Config{})
	h.deploy("a/taken", echo)
	starts := 0
	prepare := func(name string) *host.Prepared {
		return h.prepare(deployment(name, behaviour{start: func(guest.Host, guest.Config) error { starts++; return nil }}))
	}
	used := prepare("a/used")
	check(t, used.Close(within(t)))
	same := prepare("a/same")
	for name, test := range map[string]struct {
		all  []*host.Prepared
		want error
	}{
		"taken":      {[]*host.Prepared{prepare("a/b"), prepare("a/taken"), prepare("a/c")}, host.ErrAlreadyDeployed},
		"twice":      {[]*host.Prepared{prepare("a/b"), prepare("a/b")}, host.ErrAlreadyDeployed},
		"used":       {[]*host.Prepared{prepare("a/b"), used}, host.ErrUsed},
		"same twice": {[]*host.Prepared{same, same}, host.ErrUsed},
	} {
		isError(t, name, h.DeployAll(within(t), test.all...), test.want)
		equal(t, name+": components", len(h.Components()), 1)
		for _, p := range test.all {
			isError(t, name+": a second use", p.Deploy(within(t)), host.ErrUsed)
		}
	}
	equal(t, "guests that were started", starts, 0)
	h.do("a/taken")
	h.deploy("a/b", echo)
	h.balance()
}

// TestDeployAllAtOnce: as many guests are initialized at the same time as there are workers.
func TestDeployAllAtOnce(t *testing.T) {
	h := start(t, host.Config{Workers: 3})
	var now, most atomic.Int32
	release := make(chan struct{})
	var all []*host.Prepared
	for n := range 7 {
		all = append(all, h.prepare(deployment(fmt.Sprint("a/g", n), behaviour{start: func(guest.Host, guest.Config) error {
			if n := now.Add(1); n > most.Load() {
				most.Store(n)
			}
			<-release
			now.Add(-1)
			return nil
		}})))
	}
	deployed := background(func() error { return h.DeployAll(within(t), all...) })
	h.waitFor("three at once", func() bool { return now.Load() == 3 })
	close(release)
	check(t, receive(t, "the end", deployed))
	equal(t, "most at once", most.Load(), 3)
	equal(t, "components", len(h.Components()), 7)
}
