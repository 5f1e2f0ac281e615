package cluster

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/airhost/airhost/core"
)

// drain drains a host, and returns the steps.
func drain(t testing.TB, m *member) (all []Moved) {
	t.Helper()
	if err := m.c.Drain(t.Context(), func(one Moved) { all = append(all, one) }); err != nil {
		t.Fatal(err)
	}
	return all
}

// pair is two hosts with components that all run, more than none on each.
func (b *bus) pair(n int) (x, y *member) {
	x, y = b.join("a", some(n)...), b.join("b", some(n)...)
	b.await("all run", soon, func() bool { return b.onceEachLocked(n) && len(x.running) > 0 && len(y.running) > 0 })
	return x, y
}

// TestDrain: a host that is drained moves its components with their state to the others, takes none, and
// takes its part again afterwards.
func TestDrain(t *testing.T) {
	simulate(t, func(t *testing.T, b *bus) {
		x, y := b.pair(20)
		b.join("c", some(20)...)
		was := map[string]bool{}
		for id := range x.running {
			was[id.String()] = true
		}
		if draining, left := x.c.Draining(); draining || !left {
			t.Errorf("before: draining %v, components left %v", draining, left)
		}
		all := drain(t, x)
		if draining, left := x.c.Draining(); !draining || left {
			t.Errorf("afterwards: draining %v, components left %v", draining, left)
		}
		if len(all) != len(was) || len(x.running) != 0 {
			t.Errorf("%d of %d moved, %d are left", len(all), len(was), len(x.running))
		}
		for i, m := range all {
			if m.Err != nil || m.Left != len(all)-1-i || !was[m.ID.String()] || m.Host == "a" {
				t.Errorf("%+v", m)
			}
			if to := b.hosts[m.Host]; !to.running[m.ID] || to.state[m.ID] != stateOf(m.ID) {
				t.Errorf("%s is not on %s with its state: %q", m.ID, m.Host, to.state[m.ID])
			}
			if y.floor[m.ID] > x.fences[m.ID] {
				t.Errorf("%s: what it has sent before is refused", m.ID)
			}
		}
		b.do(func() { b.hosts["c"].cut = true }) // its components go to the host that is left
		b.await("one runs all", leaseTime+time.Second, func() bool { return len(y.running) == 20 })
		b.do(func() { b.hosts["c"].cut = false })
		b.await("balance", 5*leaseTime, func() bool { return b.onceEachLocked(20) && len(b.hosts["c"].running) > 2 })
		if len(x.running) > 0 {
			t.Error("a host that is drained has taken components")
		}
		check(t, x.c.Undrain(t.Context()))
		if draining, _ := x.c.Draining(); draining {
			t.Error("draining after Undrain")
		}
		b.await("it takes its part", 5*leaseTime, func() bool { return b.onceEachLocked(20) && len(x.running) > 2 })
	})
}

// TestDrainFails: a component that cannot move goes on where it was, and the reason is told.
func TestDrainFails(t *testing.T) {
	for name, test := range map[string]struct {
		arrange func(b *bus, x, y *member)
		want    string
	}{
		"nobody else":         {func(b *bus, _, y *member) { y.c.setDraining(true); b.pass(time.Second) }, "no other host that lives can run it"},
		"it does not start":   {func(_ *bus, _, y *member) { failAll(y, 20) }, "no licence"},
		"the target has died": {func(_ *bus, x, y *member) { x.atHand = func() { y.bus.do(func() { y.cut = true }) } }, "does not answer"},
	} {
		t.Run(name, func(t *testing.T) {
			simulate(t, func(t *testing.T, b *bus) {
				x, y := b.pair(20)
				test.arrange(b, x, y)
				n := len(x.running)
				for _, m := range drain(t, x) {
					if !strings.Contains(fmt.Sprint(m.Err), test.want) {
						t.Errorf("got %v, want %q", m.Err, test.want)
					}
				}
				if draining, left := x.c.Draining(); !draining || !left {
					t.Errorf("draining %v, components left %v", draining, left)
				}
				if len(x.running) < n {
					t.Errorf("%d of %d are left", len(x.running), n)
				}
				for id := range x.running {
					if !x.valid[id]() || x.fences[id] < x.floor[id] {
						t.Errorf("%s goes on without a valid claim", id)
					}
				}
			})
		})
	}
}

func failAll(m *member, n int) {
	for _, id := range some(n) {
		m.fail[id] = errors.New("it has no licence here")
	}
}

// TestTargetDiesInTheMiddle: the host to which a component moves dies when the claim has passed: this
// host takes it back with its state, or another one runs it.
func TestTargetDiesInTheMiddle(t *testing.T) {
	simulate(t, func(t *testing.T, b *bus) {
		x, y := b.pair(20)
		y.onArrival = func() { b.do(func() { y.cut = true }); <-time.After(3 * leaseTime) }
		id := core.ComponentID{}
		b.do(func() {
			for id = range x.running {
				break
			}
		})
		done := make(chan error, 1)
		x.c.mu.Lock()
		p := x.c.placed[id]
		p.busy = true
		x.c.mu.Unlock()
		go func() { done <- x.c.move(context.Background(), p, "b") }()
		b.await("it is back", 3*leaseTime, func() bool { return len(done) == 1 })
		x.c.mu.Lock()
		p.busy = false
		x.c.mu.Unlock()
		err := <-done
		b.do(func() {
			if err == nil || !x.running[id] || !x.valid[id]() || x.fences[id] < x.floor[id] {
				t.Errorf("%v: it runs here: %v, with fence %d, want at least %d", err, x.running[id], x.fences[id], x.floor[id])
			}
		})
		b.pass(4 * leaseTime)
	})
}

// TestSenderDiesInTheMiddle: the host that gives a component away dies in this moment: one host runs it.
func TestSenderDiesInTheMiddle(t *testing.T) {
	simulate(t, func(t *testing.T, b *bus) {
		x, y := b.pair(20)
		y.onArrival = func() { b.do(func() { x.cut = true }) }
		go func() { _ = x.c.Drain(t.Context(), func(Moved) {}) }()
		b.await("the other runs all", 3*leaseTime, func() bool { return len(y.running) == 20 && len(x.running) == 0 })
		b.pass(moveTime)
	})
}

// TestDoubtfulWrites: writes that are made, with answers that are lost, neither lose a component nor run
// it twice, also while it moves.
func TestDoubtfulWrites(t *testing.T) {
	simulate(t, func(t *testing.T, b *bus) {
		x, y := b.pair(20)
		x.atHand = func() { b.do(func() { x.doubtful = true }) }
		drained := make(chan struct{})
		go func() { defer close(drained); _ = x.c.Drain(t.Context(), func(Moved) {}) }()
		b.await("the other runs all", 10*leaseTime, func() bool { return len(y.running) == 20 && len(x.running) == 0 })
		b.do(func() { x.atHand, x.doubtful = nil, false })
		<-drained
		b.pass(leaseTime)
	})
}

// TestAnswers: requests of other hosts are judged.
func TestAnswers(t *testing.T) {
	simulate(t, func(t *testing.T, b *bus) {
		x, _ := b.pair(20)
		own := core.ComponentID{}
		for own = range x.running {
			break
		}
		for _, test := range []struct {
			request []byte
			want    string
		}{
			{nil, errAsk.Error()}, {[]byte{200, 1}, errAsk.Error()}, {[]byte("\x02{}"), "component id"},
			{encodeAsk(ask{Op: "what", ID: own.String()}, nil), errAsk.Error()},
			{encodeAsk(ask{Op: opPrepare, ID: own.String()}, nil), "busy with"},
			{encodeAsk(ask{Op: opPrepare, ID: "a/b"}, nil), "it has no component a/b"},
			{encodeAsk(ask{Op: opPart, ID: own.String(), Move: "m"}, nil), "is over"},
			{encodeAsk(ask{Op: opStart, ID: own.String(), Move: "m"}, nil), "is over"},
		} {
			if got := string(x.answer(t.Context(), test.request)); !strings.Contains(got, test.want) {
				t.Errorf("%q: got %s, want %q", test.request, got, test.want)
			}
		}
	})
}

// TestFaults: whatever happens to three hosts, no component runs on two of them with a valid claim, and
// when all is well again each runs on one.
func TestFaults(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		faults := rapid.SliceOfN(rapid.IntRange(0, 5*3-1), 1, 12).Draw(r, "faults")
		pauses := rapid.SliceOfN(rapid.IntRange(1, 8000), len(faults), len(faults)).Draw(r, "pauses")
		simulate(t, func(t *testing.T, b *bus) {
			names := []string{"a", "b", "c"}
			for _, name := range names {
				b.join(name, some(12)...)
			}
			for i, fault := range faults {
				m := b.hosts[names[fault%3]]
				switch fault / 3 {
				case 0:
					b.do(func() { m.cut = !m.cut })
				case 1:
					b.do(func() { m.stuck = !m.stuck })
				case 2:
					b.do(func() { m.doubtful = !m.doubtful })
				case 3:
					m.c.work.Go(func() {
						ctx, cancel := context.WithTimeout(context.Background(), 2*leaseTime)
						defer cancel()
						_ = m.c.Drain(ctx, func(Moved) {})
					})
				case 4:
					m.c.setDraining(false)
				}
				b.pass(time.Duration(pauses[i]) * time.Millisecond)
			}
			for _, m := range b.hosts {
				b.do(func() { m.cut, m.stuck, m.doubtful = false, false, false })
				m.c.setDraining(false)
			}
			b.await("each runs once", 2*moveTime, func() bool { return b.onceEachLocked(12) })
		})
		if t.Failed() {
			r.Fatal("see above")
		}
	})
}
