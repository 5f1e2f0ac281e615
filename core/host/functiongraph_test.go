package host_test

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
)

// A plan says which functions a component calls, one after the other, and what their
// providers call in turn: "1(2()0())2()" calls f/1, whose component calls f/2 and f/0, and
// then f/2.

// cutPlan returns the number and the inner plan of the first call, and the calls after it.
func cutPlan(plan string) (target, inner, rest string) {
	target, after, _ := strings.Cut(plan, "(")
	depth := 1
	for i, c := range after {
		switch c {
		case '(':
			depth++
		case ')':
			depth--
		}
		if depth == 0 {
			return target, after[:i], after[i+1:]
		}
	}
	panic("a wrong plan: " + plan)
}

// planner is a component that calls functions as a message says. Its answer has the answers of
// others in brackets, ! for a ring, # for too many nested calls, and - for others that cannot
// be called.
func planner(calls *atomic.Int64) *toy {
	return &toy{answer: func(i *toyInstance, _ core.ComponentID, message []byte) ([]byte, error) {
		var answer strings.Builder
		for plan := string(message); plan != ""; {
			target, inner, rest := cutPlan(plan)
			plan = rest
			calls.Add(1)
			switch got := i.call("f/"+target, inner); {
			case strings.HasPrefix(got, "ok: "):
				answer.WriteString("(" + strings.TrimPrefix(got, "ok: ") + ")")
			case strings.Contains(got, "waits for"):
				answer.WriteString("!")
			case strings.Contains(got, "nested"):
				answer.WriteString("#")
			case strings.HasPrefix(got, "unavailable: "):
				answer.WriteString("-" + got + ";")
			default:
				return nil, fmt.Errorf("a wrong outcome: %s", got)
			}
		}
		return []byte(answer.String()), nil
	}}
}

// expected is the answer to a plan of a component that nobody else calls, with instances of
// each component and those of them that wait. depth is how many calls are nested.
func expected(plan string, instances, waiting []int, self, depth int) string {
	var answer strings.Builder
	waiting[self]++
	for plan != "" {
		target, inner, rest := cutPlan(plan)
		plan = rest
		k, _ := strconv.Atoi(target)
		switch {
		case depth == 16:
			answer.WriteString("#")
		case waiting[k] == instances[k]:
			answer.WriteString("!")
		default:
			answer.WriteString("(" + expected(inner, instances, waiting, k, depth+1) + ")")
		}
	}
	waiting[self]--
	return answer.String()
}

func drawPlan(t *rapid.T, components, depth int) string {
	var plan strings.Builder
	for range rapid.IntRange(0, 3).Draw(t, "calls") {
		inner := ""
		if depth > 0 {
			inner = drawPlan(t, components, depth-1)
		}
		fmt.Fprintf(&plan, "%d(%s)", rapid.IntRange(0, components-1).Draw(t, "target"), inner)
	}
	return plan.String()
}

// graphHost is a host with planners c/0, c/1 and so on, which provide f/0, f/1 and so on.
type graphHost struct {
	*testHost
	calls     atomic.Int64
	instances []int
}

func newGraph(t testing.TB, p parts, config host.Config, instances []int) *graphHost {
	config.FunctionOptions = make(map[string]host.FunctionOptions)
	for i := range instances {
		config.FunctionOptions[fmt.Sprint("f/", i)] = host.FunctionOptions{Component: plannerID(i), MaxConcurrent: 10_000}
	}
	h := &graphHost{testHost: p.start(t, config), instances: instances}
	for i, n := range instances {
		check(t, h.Deploy(within(t), h.planner(i, n)))
	}
	return h
}

func plannerID(i int) core.ComponentID { return id(fmt.Sprint("c/", i)) }

func (h *graphHost) planner(i, instances int) host.Deployment {
	d := callerDeployment(h.t, plannerID(i).String(), planner(&h.calls))
	d.Instances = instances
	d.Limits.HandlerTime = time.Minute // a ring that is missed does not end in time
	d.Restart.MaxRestarts = -1
	return d
}

// ended checks that each call has ended once.
func (h *graphHost) ended() {
	h.t.Helper()
	s := h.balance()
	equal(h.t, "calls", int64(s.Calls), h.calls.Load())
	equal(h.t, "calls in progress", len(s.Waits), 0)
}

// Exactly those calls are refused that would close a ring.
func TestFunctionGraph(t *testing.T) {
	p := allParts[0]
	rapid.Check(t, func(rt *rapid.T) {
		instances := rapid.SliceOfN(rapid.IntRange(1, 3), 1, 4).Draw(rt, "instances")
		h := newGraph(t, p, host.Config{Workers: rapid.IntRange(1, 2).Draw(rt, "workers")}, instances)
		for range 5 {
			plan := drawPlan(rt, len(instances), 3)
			got, err := h.request("c/0", plan)
			if err != nil {
				rt.Fatal(err)
			}
			if want := expected(plan, instances, make([]int, len(instances)), 0, 0); got != want {
				rt.Fatalf("instances %v, plan %s: got %s, want %s", instances, plan, got, want)
			}
		}
		h.ended()
		check(t, h.Stop(within(t)))
	})
}

// randomPlan is drawPlan for many plans.
func randomPlan(r *rand.Rand, components, depth int) string {
	var plan strings.Builder
	for range r.IntN(4) {
		inner := ""
		if depth > 0 {
			inner = randomPlan(r, components, depth-1)
		}
		fmt.Fprintf(&plan, "%d(%s)", r.IntN(components), inner)
	}
	return plan.String()
}

// change makes one random change of a random component.
func (h *graphHost) change(r *rand.Rand) {
	i := r.IntN(len(h.instances))
	d := h.planner(i, 1+r.IntN(3))
	switch ctx := within(h.t); r.IntN(5) {
	case 0:
		check(h.t, h.Restart(ctx, d.ID))
	case 1:
		check(h.t, h.Replace(ctx, d))
	case 2:
		check(h.t, h.Replace(ctx, h.planner(i, h.instances[i])))
	case 3:
		check(h.t, h.Undeploy(ctx, d.ID))
		check(h.t, h.Deploy(ctx, d))
	case 4:
		d.Source = core.Source{}
		check(h.t, h.Update(ctx, d))
	}
}

// Calls in random graphs end, also while components are restarted, replaced, updated and removed,
// and nobody waits for ever.
func TestFunctionGraphUnderChange(t *testing.T) {
	everyPart(t, func(t *testing.T, p parts) {
		const components, askers = 6, 8
		instances := []int{1, 2, 3, 1, 2, 1}
		h := newGraph(t, p, host.Config{Workers: 2, HeldUpWorkers: 2}, instances)
		end := time.Now().Add(loadTime(t))
		var all sync.WaitGroup
		for n := range askers {
			r := rand.New(rand.NewPCG(1, uint64(n)))
			all.Go(func() {
				for time.Now().Before(end) {
					target := plannerID(r.IntN(components)).String()
					got, err := h.request(target, randomPlan(r, components, 3))
					for _, why := range strings.Split(got, ";") {
						if i := strings.Index(why, "-"); i >= 0 && !strings.Contains(why, "is not deployed") {
							t.Errorf("a refusal: %s", why[i:])
						}
					}
					if err != nil && !strings.Contains(err.Error(), "target-not-found") {
						t.Errorf("%s: %v", target, err)
						return
					}
				}
			})
		}
		r := rand.New(rand.NewPCG(2, 0))
		for time.Now().Before(end) {
			h.change(r)
		}
		all.Wait()
		h.ended()
	})
}

// A thousand guests call each other at random, for AIRHOST_LOAD.
func TestFunctionLoad(t *testing.T) {
	guests := 1000
	if loadTime(t) < time.Second {
		guests = 100
	}
	instances := make([]int, guests)
	for i := range instances {
		instances[i] = 1 + i%10/9
	}
	h := newGraph(t, allParts[0], host.Config{}, instances)
	end := time.Now().Add(loadTime(t))
	var all sync.WaitGroup
	for n := range 16 {
		r := rand.New(rand.NewPCG(3, uint64(n)))
		all.Go(func() {
			for time.Now().Before(end) {
				got, err := h.request(plannerID(r.IntN(guests)).String(), randomPlan(r, guests, 3))
				check(t, err)
				if strings.Contains(got, "-") {
					t.Errorf("a refusal: %s", got)
				}
			}
		})
	}
	all.Wait()
	h.ended()
	t.Logf("%d calls", h.calls.Load())
}
