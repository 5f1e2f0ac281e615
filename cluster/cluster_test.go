package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const soon = 2 * time.Second

// simulate runs a test in its own time.
func simulate(t *testing.T, f func(t *testing.T, b *bus)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := newBus(t)
		f(t, b)
		b.end()
	})
}

// TestEachRunsOnce: hosts that start at the same time share the components, and each runs on one.
func TestEachRunsOnce(t *testing.T) {
	simulate(t, func(t *testing.T, b *bus) {
		for _, name := range []string{"a", "b", "c"} {
			b.join(name, some(60)...)
		}
		b.await("all run", soon, func() bool { return b.onceEachLocked(60) })
		for _, m := range b.hosts {
			if n := len(m.running); n < 10 || n > 30 {
				t.Errorf("%s runs %d of 60 components", m.name, n)
			}
		}
		if err := b.hosts["a"].c.Await(t.Context()); err != nil {
			t.Error(err)
		}
		for _, place := range b.hosts["a"].c.Places() {
			if got := b.whereLocked(place.ID); len(got) != 1 || got[0] != place.Host || place.Here != (got[0] == "a") {
				t.Errorf("%s is told to be on %s, and is on %v", place.ID, place.Host, got)
			}
		}
		b.pass(4 * leaseTime) // nothing moves
		for _, m := range b.hosts {
			for id, n := range m.starts {
				if n != 1 {
					t.Errorf("%s was started %d times", id, n)
				}
			}
		}
	})
}

// TestHostDies: the components of a host that is not heard any more run elsewhere within its lease and
// a second, and the others stay where they are.
func TestHostDies(t *testing.T) {
	simulate(t, func(t *testing.T, b *bus) {
		for _, name := range []string{"a", "b", "c"} {
			b.join(name, some(60)...)
		}
		b.await("all run", soon, func() bool { return b.onceEachLocked(60) })
		b.do(func() { b.hosts["b"].cut = true })
		took := b.await("others run them", leaseTime+time.Second, func() bool { return b.onceEachLocked(60) })
		t.Log("after", took)
		for _, m := range []*member{b.hosts["a"], b.hosts["c"]} {
			for id, n := range m.starts {
				if n != 1 || !m.running[id] {
					t.Errorf("%s was started %d times on %s", id, n, m.name)
				}
			}
		}
	})
}

// TestDeaf: a host that the directory tells nothing any more, such as since a server is
// dead, asks it anew, and takes the components of a host that dies at the same time.
func TestDeaf(t *testing.T) {
	simulate(t, func(t *testing.T, b *bus) {
		for _, name := range []string{"a", "b", "c"} {
			b.join(name, some(60)...)
		}
		b.await("all run", soon, func() bool { return b.onceEachLocked(60) })
		b.pass(leaseTime)
		a := b.hosts["a"]
		if a.watches != 1 {
			t.Errorf("%d watches while all is well", a.watches)
		}
		b.do(func() { a.deaf, b.hosts["b"].cut = a.watches, true })
		took := b.await("others run them", 2*leaseTime+time.Second, func() bool { return b.onceEachLocked(60) })
		t.Log("after", took)
		b.pass(leaseTime)
		if a.watches != 2 {
			t.Errorf("%d watches, want 2", a.watches)
		}
		for id, n := range a.starts {
			if n != 1 {
				t.Errorf("%s was started %d times on a", id, n)
			}
		}
	})
}

// TestCutOff: a host that is cut off stops its components before others have them, and gets its
// part when it is back.
func TestCutOff(t *testing.T) {
	simulate(t, func(t *testing.T, b *bus) {
		a, _ := b.join("a", some(40)...), b.join("b", some(40)...)
		b.await("all run", soon, func() bool { return b.onceEachLocked(40) })
		before := len(a.running)
		b.do(func() { a.cut = true })
		b.await("it stops its own", leaseTime, func() bool { return len(a.running) == 0 })
		b.await("the other runs all", leaseTime+time.Second, func() bool { return b.onceEachLocked(40) })
		b.do(func() { a.cut = false })
		b.await("it gets its part again", 4*leaseTime, func() bool { return b.onceEachLocked(40) && len(a.running) == before })
		for id := range a.running {
			if a.state[id] != stateOf(id) {
				t.Errorf("%s came without its state: %q", id, a.state[id])
			}
		}
	})
}

// TestCutOffInMove: a host that is cut off when its components begin to move stops them
// before others have them, though the others do not answer.
func TestCutOffInMove(t *testing.T) {
	simulate(t, func(t *testing.T, b *bus) {
		b.lease = time.Second // shorter than the wait for an answer
		a := b.join("a", some(20)...)
		b.await("it runs all", soon, func() bool { return len(a.running) == 20 })
		var cut time.Time
		a.atAsk = func() {
			b.do(func() {
				if a.cut = true; cut.IsZero() {
					cut = time.Now()
				}
			})
		}
		b.join("b", some(20)...)
		b.await("they begin to move", 3*b.lease, func() bool { return a.cut })
		b.await("it stops its own", b.lease, func() bool { return len(a.running) == 0 })
		t.Log("after", time.Since(cut))
		b.await("the other runs all", b.lease+time.Second, func() bool { return b.onceEachLocked(20) })
	})
}

// TestLostInMove: a component does not move to a host that has lost its lease since it said
// that the component may come. It goes on, and moves later.
func TestLostInMove(t *testing.T) {
	simulate(t, func(t *testing.T, b *bus) {
		a := b.join("a", some(40)...)
		b.await("it runs all", soon, func() bool { return len(a.running) == 40 })
		third := b.join("c", some(40)...)
		b.await("they are shared", 10*leaseTime, func() bool { return b.onceEachLocked(40) && len(third.running) > 10 })
		b.pass(leaseTime)
		other, over := b.join("b", some(40)...), false
		a.atHand = func() {
			b.do(func() {
				e := b.values["host.b"]
				var value hostValue
				if err := json.Unmarshal(e.value, &value); err != nil || over {
					return
				}
				over, value.Gone = true, true
				b.revision++
				e.value, _ = json.Marshal(value)
				e.revision = b.revision
				b.values[e.key] = e
			})
			<-time.After(100 * time.Millisecond)
		}
		b.await("all are shared", 10*leaseTime, func() bool { return over && b.onceEachLocked(40) && len(other.running) > 5 })
		b.pass(4 * leaseTime)
		for _, m := range []*member{other, third} {
			for id := range m.running {
				if m.state[id] != stateOf(id) {
					t.Errorf("%s came to %s without its state", id, m.name)
				}
			}
		}
		if !strings.Contains(a.log.String(), "host b has lost its lease meanwhile") {
			t.Errorf("the log of a: %s", a.log)
		}
	})
}

// TestAllCutOff: without the directory each host stops its components, and all of them run again when
// it is back.
func TestAllCutOff(t *testing.T) {
	simulate(t, func(t *testing.T, b *bus) {
		a, c := b.join("a", some(20)...), b.join("b", some(20)...)
		b.await("all run", soon, func() bool { return b.onceEachLocked(20) })
		b.do(func() { a.cut, c.cut = true, true })
		b.await("both stop", leaseTime, func() bool { return len(a.running)+len(c.running) == 0 })
		b.pass(time.Minute)
		b.do(func() { a.cut, c.cut = false, false })
		b.await("all run again", 2*leaseTime, func() bool { return b.onceEachLocked(20) })
	})
}

// TestFrozen: a host that does not get to stop its components, such as one that was suspended, has no
// valid claim when others have theirs, and its fence is too low for all that know the new one.
func TestFrozen(t *testing.T) {
	simulate(t, func(t *testing.T, b *bus) {
		a, c := b.join("a", some(20)...), b.join("b", some(20)...)
		b.await("all run", soon, func() bool { return b.onceEachLocked(20) })
		mine := map[string]uint64{}
		b.do(func() {
			a.cut, a.stuck = true, true
			for id := range a.running {
				mine[id.String()] = a.fences[id]
			}
		})
		b.await("the other runs all", leaseTime+time.Second, func() bool { return len(c.running) == 20 })
		b.do(func() {
			for id := range a.running {
				if a.valid[id]() || mine[id.String()] >= c.floor[id] {
					t.Errorf("%s: the claim is valid, or its fence %d is not below %d", id, mine[id.String()], c.floor[id])
				}
			}
		})
		b.do(func() { a.cut, a.stuck = false, false })
		b.await("each runs once", 4*leaseTime, func() bool { return b.onceEachLocked(20) })
	})
}

// TestFailedStart: a component that does not start on its host starts on another one, and is not tried
// again where it failed until its configuration changes.
func TestFailedStart(t *testing.T) {
	simulate(t, func(t *testing.T, b *bus) {
		a, c := b.join("a", idOf(0)), b.join("b", idOf(0))
		if Choose(idOf(0), []string{"a", "b"}) != "a" {
			a, c = c, a
		}
		b.await("it runs", soon, func() bool { return b.onceEachLocked(1) })
		b.do(func() { a.fail[idOf(0)] = errors.New("it has no licence here") })
		check(t, a.c.Remove(t.Context(), idOf(0)))
		b.await("it runs elsewhere", soon, func() bool { return c.running[idOf(0)] })
		check(t, c.c.Remove(t.Context(), idOf(0)))
		a.c.Add(idOf(0))
		b.await("it fails", soon, func() bool { return strings.Contains(a.log.String(), "did not start here") })
		if place := a.c.Places(); place[0].Err == nil || place[0].Here || place[0].Host != "" {
			t.Errorf("the places are %v", place)
		}
		c.c.Add(idOf(0))
		b.await("it runs where it starts", soon, func() bool { return c.running[idOf(0)] })
		b.pass(firstBlock / 2)
		if n := strings.Count(a.log.String(), "did not start here"); n != 1 {
			t.Errorf("it was tried %d times", n)
		}
	})
}

// TestLeaving: a host that stops ends its lease when its components have ended, and the others need
// not wait. Messages of its components that are under way are not refused.
func TestLeaving(t *testing.T) {
	simulate(t, func(t *testing.T, b *bus) {
		a, c := b.join("a", some(20)...), b.join("b", some(20)...)
		b.await("all run", soon, func() bool { return b.onceEachLocked(20) })
		a.c.Stop()
		var mine []uint64
		b.do(func() {
			for id := range a.running {
				mine = append(mine, a.fences[id])
			}
		})
		for id := range a.running {
			check(t, a.Stop(t.Context(), id))
		}
		a.close(t.Context())
		a.c.Close()
		b.await("the other runs all", time.Second, func() bool { return len(c.running) == 20 })
		for id := range a.valid {
			if c.floor[id] > a.fences[id] {
				t.Errorf("%s: what it has sent with fence %d is refused below %d", id, a.fences[id], c.floor[id])
			}
		}
		if len(mine) == 0 {
			t.Error("the host had nothing")
		}
	})
}

// TestSameName: a host with the name of one that lives waits, and says so by having no lease.
func TestSameName(t *testing.T) {
	simulate(t, func(t *testing.T, b *bus) {
		a := b.join("a", some(5)...)
		b.await("all run", soon, func() bool { return len(a.running) == 5 })
		other := b.join("a", some(5)...)
		b.pass(5 * leaseTime)
		if len(other.running) != 0 || len(a.running) != 5 {
			t.Errorf("the second one runs %d, the first %d", len(other.running), len(a.running))
		}
		b.do(func() { a.cut = true })
		b.await("the second takes over", leaseTime+time.Second, func() bool { return len(other.running) == 5 })
		a.c.Close()
	})
}

// TestDirectoryIsLost: without their directory hosts stop their components, and begin again with
// higher fences.
func TestDirectoryIsLost(t *testing.T) {
	simulate(t, func(t *testing.T, b *bus) {
		a, c := b.join("a", some(10)...), b.join("b", some(10)...)
		b.await("all run", soon, func() bool { return b.onceEachLocked(10) })
		b.do(func() { b.values, b.revision = map[string]entry{}, 0 })
		b.await("both stop", 2*leaseTime, func() bool { return len(a.running)+len(c.running) == 0 })
		b.await("all run again", 2*leaseTime, func() bool { return b.onceEachLocked(10) })
	})
}

// TestWrongController: a controller needs all of its parts.
func TestWrongController(t *testing.T) {
	if _, err := New(Config{Host: "a"}); err == nil {
		t.Error("want an error")
	}
}

// TestNoDirectory: a start without a directory says why. It answers no other host then, so
// that the next controller of the host is the only one that does.
func TestNoDirectory(t *testing.T) {
	m := new(member)
	c, err := New(Config{Host: "a", Lease: leaseTime, Directory: noDirectory{}, Hosts: m, Fences: m, Runner: m})
	check(t, err)
	if err := c.Start(t.Context()); fmt.Sprint(err) != "there is none" {
		t.Errorf("got %v", err)
	}
	c.Close()
	if m.answer != nil {
		t.Error("it answers other hosts")
	}
}

type noDirectory struct{ Directory }

func (noDirectory) Watch(context.Context, func(string, []byte, uint64)) error {
	return errors.New("there is none")
}

func (noDirectory) AtClose(func(context.Context)) {}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestTooManyComponents: a host that has more components than a message can name takes as many as that,
// and says so.
func TestTooManyComponents(t *testing.T) {
	simulate(t, func(t *testing.T, b *bus) {
		a := b.join("a", some(200)...)
		b.await("it has some", soon, func() bool { return len(a.running) > 50 })
		b.pass(leaseTime)
		if len(a.running) > 100 || !strings.Contains(a.log.String(), "raise max_payload") {
			t.Errorf("it runs %d:\n%s", len(a.running), a.log)
		}
	})
}
