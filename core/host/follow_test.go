package host_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
)

var errFull = &core.MessagingError{Case: core.CaseQueueFull, Text: "the way"}

// refuse makes the bus refuse messages to other hosts while refuses does.
func (b *bus) refuse(refuses func(m *core.Message) error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refuses = refuses
}

// TestFollowWithoutRoom: messages wait while the way has no room. Those that come meanwhile wait behind
// them, until the mailbox refuses them; none is lost, and a sender's messages stay in order.
func TestFollowWithoutRoom(t *testing.T) {
	journeys(t, nil, func(t *testing.T, j *journey) {
		j.send("work 1s")
		synctest.Wait()
		for i := range 500 {
			j.send(fmt.Sprint("m", i))
		}
		var tries atomic.Int64
		j.bus.refuse(func(*core.Message) error {
			if tries.Add(1)%3 != 0 {
				return errFull
			}
			return nil
		})
		moved := background(func() error { return j.move(within(t)) })
		refused := 0
		for i := 500; i < 3000; {
			switch err := j.from.Send(pilgrimID, fmt.Append(nil, "m", i)); {
			case err == nil:
				i++
			case errors.Is(err, core.ErrQueueFull):
				refused++
				<-time.After(time.Millisecond)
			default:
				t.Fatal(err)
			}
		}
		check(t, receive(t, "move", moved))
		j.from.quiesce()
		j.to.quiesce()
		messages, _ := apart(j.notes)
		for i, note := range messages[1:] {
			if note != fmt.Sprint("to m", i) {
				t.Fatalf("message %d is %q", i, note)
			}
		}
		equal(t, "messages", len(messages), 3001)
		equal(t, "refused", refused > 0, true)
		equal(t, "dead letters", j.from.even().DeadLetters+j.to.even().DeadLetters, 0)
	})
}

// TestFollowEndsWithContext: messages that have not left when ctx ends are dead letters, and the
// requests among them end; the component has moved.
func TestFollowEndsWithContext(t *testing.T) {
	journeys(t, nil, func(t *testing.T, j *journey) {
		j.send("work 1s")
		synctest.Wait()
		j.send(slices.Repeat([]string{"m"}, 10)...)
		asked := background(func() error { _, err := j.to.request("a/pilgrim", "?"); return err })
		synctest.Wait()
		j.bus.refuse(func(m *core.Message) error {
			if m.Payload == nil || string(m.Payload) == "m" || m.IsRequest() {
				return errFull
			}
			return nil
		})
		check(t, j.move(limited(t, 3*time.Second)))
		isError(t, "request", receive(t, "outcome", asked), core.ErrRequestUnavailable)
		j.bus.refuse(nil)
		equal(t, "dead letters", j.from.even().DeadLetters, 11)
		contains(t, "reason", j.from.DeadLetters()[0].Reason, "the way")
		j.ask(j.from, "!")
		j.to.even()
	})
}

// TestMoveOfABusyComponent: a component that hangs in its call moves when the call has ended, or goes on
// where it is if ctx ends before.
func TestMoveOfABusyComponent(t *testing.T) {
	journeys(t, nil, func(t *testing.T, j *journey) {
		j.send("work 10s")
		synctest.Wait()
		err := j.move(limited(t, time.Second))
		isError(t, "move", err, context.DeadlineExceeded)
		contains(t, "move", err.Error(), "its call has not ended")
		check(t, j.move(within(t)))
		equal(t, "answer", j.ask(j.from, "?"), "to 2")
	})
}

// envoy sends requests to b/slow, and notes their outcomes. Its state is how many it has had.
type envoy struct {
	at       string
	notes    *[]string
	outcomes int
}

func (w *envoy) HandleMessage(h guest.Host, _ string, m []byte) ([]byte, error) {
	if string(m) == "?" {
		return strconv.AppendInt(nil, int64(w.outcomes), 10), nil
	}
	_, err := h.Request("b/slow", m, time.Hour)
	return nil, err
}

func (w *envoy) HandleCallback(_ guest.Host, _ guest.RequestID, response []byte, err error) error {
	w.outcomes++
	*w.notes = append(*w.notes, fmt.Sprint(w.at, " ", string(response), " ", err))
	return nil
}

func (w *envoy) Save(guest.Host) ([]byte, error) { return []byte{byte(w.outcomes)}, nil }

func (w *envoy) Restore(_ guest.Host, state []byte) error { w.outcomes = int(state[0]); return nil }

// TestMoveWaitsForOutcomes: the outcomes of a component's requests come before it moves, for 5 s; those
// that come later are orphans.
func TestMoveWaitsForOutcomes(t *testing.T) {
	for _, c := range []struct {
		takes   string
		timeout time.Duration
		count   string
		orphans uint64
	}{{"3s", time.Hour, "1", 0}, {"6s", time.Hour, "0", 1}, {"3s", 4 * time.Second, "0", 1}} {
		t.Run(fmt.Sprint(c.takes, " ", c.timeout), func(t *testing.T) {
			twoHosts(t, func(t *testing.T, _ *bus, from, to *testHost) {
				var notes []string
				slow := pilgrimage("slow", new([]string), nil)
				slow.ID = id("b/slow")
				check(t, from.Deploy(within(t), slow))
				from.deploy("a/envoy", &envoy{at: "from", notes: &notes})
				check(t, from.Send(id("a/envoy"), []byte("work "+c.takes)))
				synctest.Wait()
				check(t, from.MoveAway(limited(t, c.timeout), id("a/envoy"), onto(to, deployment("a/envoy", &envoy{at: "to", notes: &notes}))))
				got, err := from.request("a/envoy", "?")
				check(t, err)
				equal(t, "outcomes", got, c.count)
				equal(t, "orphans", from.even().Orphans, c.orphans)
				if c.count == "1" {
					equal(t, "notes", strings.Join(notes, "; "), "from slow 1 <nil>")
				}
			})
		})
	}
}

// TestChangesDuringAMove: changes wait for the move, and find the component gone; Stop ends a move whose
// hand does not end.
func TestChangesDuringAMove(t *testing.T) {
	for name, change := range map[string]func(h *testHost, d host.Deployment) error{
		"undeploy": func(h *testHost, d host.Deployment) error { return h.Undeploy(within(h.t), d.ID) },
		"replace":  func(h *testHost, d host.Deployment) error { return h.Replace(within(h.t), d) },
		"restart":  func(h *testHost, d host.Deployment) error { return h.Restart(within(h.t), d.ID) },
		"update":   func(h *testHost, d host.Deployment) error { return h.Update(within(h.t), d) },
		"move": func(h *testHost, d host.Deployment) error {
			return h.MoveAway(within(h.t), d.ID, func(context.Context, *core.Moving) error { h.t.Error("moves twice"); return nil })
		},
	} {
		t.Run(name, func(t *testing.T) {
			journeys(t, nil, func(t *testing.T, j *journey) {
				moved := j.begin(j.after(5 * time.Second))
				isError(t, name, change(j.from, pilgrimage("from", new([]string), nil)), core.ErrTargetNotFound)
				check(t, receive(t, "move", moved))
				check(t, j.to.Undeploy(within(t), pilgrimID))
			})
		})
	}
	journeys(t, nil, func(t *testing.T, j *journey) {
		moved := j.begin(func(ctx context.Context, _ *core.Moving) error { <-ctx.Done(); return ctx.Err() })
		j.send("m")
		text := fmt.Sprint(j.from.Stop(limited(t, 8*time.Second))) // which and the move end in the same moment
		if !strings.Contains(text, "messages that were not handled: 1") && !strings.Contains(text, "a/pilgrim was not shut down") {
			t.Errorf("stop: %s", text)
		}
		isError(t, "move", receive(t, "move", moved), host.ErrNotRunning)
		synctest.Wait()
		s := j.from.Snapshot()
		equal(t, "messages handled here, and dead letters", s.Handled+s.DeadLetters, 1)
		equal(t, "components of the other host", len(j.to.Components()), 0)
	})
}

// TestStopDuringAMove: Stop waits for a move in progress, with the messages that follow.
func TestStopDuringAMove(t *testing.T) {
	journeys(t, nil, func(t *testing.T, j *journey) {
		moved := j.begin(j.after(7 * time.Second)) // longer than the drain
		j.send("m")
		check(t, j.from.Stop(within(t)))
		check(t, receive(t, "move", moved))
		j.to.quiesce()
		equal(t, "notes", strings.Join(j.notes, "; "), "to m")
	})
}

// TestMoveOfSeveralInstances: messages and timers of all instances move, and no state.
func TestMoveOfSeveralInstances(t *testing.T) {
	twoHosts(t, func(t *testing.T, _ *bus, from, to *testHost) {
		for _, instances := range [][2]int{{4, 4}, {4, 1}, {1, 4}} {
			var lock atomic.Int64
			notes := make(chan string, 1000)
			d := func(at string, n int) host.Deployment {
				d := deployment("a/many", behaviour{message: func(h guest.Host, sender string, m []byte) ([]byte, error) {
					if string(m) == "timer" {
						_, err := guest.After(h, time.Minute+time.Duration(lock.Add(1))*time.Second, fmt.Append(nil, "fired ", lock.Load()))
						return nil, err
					}
					if string(m) == "work" {
						<-time.After(100 * time.Millisecond)
						return nil, nil
					}
					notes <- at + " " + string(m)
					return nil, nil
				}})
				d.Instances, d.Spread = n, host.SpreadAny
				return d
			}
			check(t, from.Deploy(within(t), d("from", instances[0])))
			for range 8 {
				check(t, from.Send(id("a/many"), []byte("timer")))
			}
			from.quiesce()
			for range 4 {
				check(t, from.Send(id("a/many"), []byte("work")))
			}
			synctest.Wait()
			for i := range 100 {
				check(t, from.Send(id("a/many"), fmt.Append(nil, i)))
			}
			check(t, from.MoveAway(within(t), id("a/many"), onto(to, d("to", instances[1]))))
			to.quiesce()
			equal(t, "timers", to.Snapshot().Timers, 8)
			<-time.After(2 * time.Minute)
			to.quiesce()
			close(notes)
			var all []string
			for note := range notes {
				all = append(all, note)
			}
			equal(t, "notes", len(all), 108)
			equal(t, "notes of the other host", len(slices.DeleteFunc(all, func(note string) bool { return !strings.HasPrefix(note, "to ") })) > 90, true)
			check(t, to.Undeploy(within(t), id("a/many")))
			from.even()
			to.even()
		}
	})
}

// TestArrivalIsBounded: a component waits 10 s for what follows it if its former host does not say that this
// was all, and Stop does not wait for it.
func TestArrivalIsBounded(t *testing.T) {
	twoHosts(t, func(t *testing.T, b *bus, from, to *testHost) {
		var notes []string
		d := pilgrimage("to", &notes, nil)
		d.Moving = new(core.Moving)
		begun := time.Now()
		check(t, to.Deploy(within(t), d))
		got, err := to.request("a/pilgrim", "?")
		check(t, err)
		equal(t, "answer", got, "to 1")
		equal(t, "time", time.Since(begun).Round(time.Second), 10*time.Second)
		contains(t, "log", to.log.String(), "have not all come")
		check(t, from.Deploy(within(t), d))
		begun = time.Now()
		check(t, from.Stop(within(t)))
		equal(t, "time of Stop", time.Since(begun).Round(time.Second), 0)
	})
}
