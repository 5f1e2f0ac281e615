package host_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/airhost/airhost/backends/native"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
)

// pilgrim notes its messages with their times. Its state is how many it has handled.
type pilgrim struct {
	at      string
	notes   *[]string
	began   time.Time
	count   int
	ids     []guest.TimerID
	save    error
	restore error
}

func (p *pilgrim) HandleMessage(h guest.Host, sender string, m []byte) ([]byte, error) {
	p.count++
	switch text := string(m); {
	case strings.HasPrefix(text, "timer "):
		for _, text := range strings.Fields(text[6:]) {
			left, err := time.ParseDuration(text)
			if err != nil {
				return nil, err
			}
			id, err := guest.After(h, left, []byte("fired "+text))
			if err != nil {
				return nil, err
			}
			p.ids = append(p.ids, id)
		}
	case strings.HasPrefix(text, "cancel "):
		i, err := strconv.Atoi(text[7:])
		return strconv.AppendBool(nil, err == nil && guest.CancelTimer(h, p.ids[i])), nil
	case strings.HasPrefix(text, "work "):
		took, err := time.ParseDuration(text[5:])
		if err != nil {
			return nil, err
		}
		<-time.After(took)
	}
	note := p.at + " " + string(m)
	if strings.HasPrefix(string(m), "fired ") {
		note += fmt.Sprint(" after ", time.Since(p.began).Round(100*time.Millisecond))
	}
	*p.notes = append(*p.notes, note)
	return fmt.Append(nil, p.at, " ", p.count), nil
}

func (p *pilgrim) Save(guest.Host) ([]byte, error) {
	return fmt.Append(nil, p.count, fmt.Sprint(p.ids)), p.save
}

func (p *pilgrim) Restore(_ guest.Host, state []byte) error {
	count, ids, _ := strings.Cut(strings.TrimSuffix(string(state), "]"), "[")
	p.count, _ = strconv.Atoi(count)
	for _, text := range strings.Fields(ids) {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return err
		}
		p.ids = append(p.ids, guest.TimerID(n))
	}
	return p.restore
}

// pilgrimage returns the deployment of a pilgrim.
func pilgrimage(at string, notes *[]string, change func(*pilgrim)) host.Deployment {
	p := pilgrim{at: at, notes: notes, began: time.Now()}
	if change != nil {
		change(&p)
	}
	d := deployment("a/pilgrim", nil)
	d.Source = native.Source(func() guest.Component { c := p; return &c })
	d.Limits.HandlerTime = time.Minute
	return d
}

// apart returns the notes of messages, and those of timers.
func apart(notes []string) (messages, timers []string) {
	for _, note := range notes {
		if strings.Contains(note, "fired") {
			timers = append(timers, note)
		} else {
			messages = append(messages, note)
		}
	}
	return messages, timers
}

var pilgrimID = id("a/pilgrim")

// journey is a pilgrim on the first one of two hosts.
type journey struct {
	t        *testing.T
	bus      *bus
	from, to *testHost
	next     host.Deployment // that of the second host
	notes    []string
}

// journeys runs a test on two hosts of each kind. change, which may be nil, changes the pilgrim before.
func journeys(t *testing.T, change func(*pilgrim), test func(t *testing.T, j *journey)) {
	twoHosts(t, func(t *testing.T, b *bus, from, to *testHost) {
		j := &journey{t: t, bus: b, from: from, to: to}
		j.next = pilgrimage("to", &j.notes, nil)
		check(t, from.Deploy(within(t), pilgrimage("from", &j.notes, change)))
		test(t, j)
	})
}

// send sends messages to the pilgrim from its first host.
func (j *journey) send(texts ...string) {
	j.t.Helper()
	for _, text := range texts {
		check(j.t, j.from.Send(pilgrimID, []byte(text)))
	}
}

// ask returns the answer of the pilgrim to a host.
func (j *journey) ask(of *testHost, text string) string {
	j.t.Helper()
	got, err := of.request(pilgrimID.String(), text)
	check(j.t, err)
	return got
}

// there deploys the pilgrim on the second host.
func (j *journey) there(ctx context.Context, m *core.Moving) error {
	return onto(j.to, j.next)(ctx, m)
}

// move moves the pilgrim to the second host.
func (j *journey) move(ctx context.Context) error { return j.from.MoveAway(ctx, pilgrimID, j.there) }

// begin begins to move the pilgrim by a hand, and returns when that has begun.
func (j *journey) begin(hand func(context.Context, *core.Moving) error) (moved <-chan error) {
	begun := make(chan struct{})
	moved = background(func() error {
		return j.from.MoveAway(within(j.t), pilgrimID, func(ctx context.Context, m *core.Moving) error {
			close(begun)
			return hand(ctx, m)
		})
	})
	<-begun
	return moved
}

// after is a hand that takes its time.
func (j *journey) after(d time.Duration) func(context.Context, *core.Moving) error {
	return func(ctx context.Context, m *core.Moving) error {
		<-time.After(d)
		return j.there(ctx, m)
	}
}

// TestMoveAway: a component goes on with its state and its timers, which have the time that
// was left and their ids, and with its messages, in order.
func TestMoveAway(t *testing.T) {
	journeys(t, nil, func(t *testing.T, j *journey) {
		from, to := j.from, j.to
		j.ask(from, "timer 10s 3s 1s 15s 100ms")
		<-time.After(time.Second / 2)
		j.send("work 2s") // a timer fires meanwhile
		synctest.Wait()
		for i := range 1000 {
			j.send(fmt.Sprint(i))
		}
		answer := make(chan string)
		go func() {
			got, err := to.request("a/pilgrim", "?")
			answer <- fmt.Sprint(got, err)
		}()
		synctest.Wait()
		changes, cancel := from.Subscribe(10)
		defer cancel()
		check(t, j.move(within(t)))
		equal(t, "answer", <-answer, "to 1004<nil>")
		equal(t, "first event", receive(t, "event", changes).Kind, host.EventMoving)
		equal(t, "second event", receive(t, "event", changes).Kind, host.EventMoved)
		for i, running := range []string{"true", "true", "false", "true", "false"} {
			if i == 0 || i == 2 || i == 4 {
				equal(t, fmt.Sprint("cancel of timer ", i), j.ask(to, fmt.Sprint("cancel ", i)), running)
			}
		}
		j.ask(to, "timer 4s")
		<-time.After(15 * time.Second)
		want := []string{"from timer 10s 3s 1s 15s 100ms", "from work 2s"}
		for i := range 1000 {
			want = append(want, fmt.Sprint("to ", i))
		}
		want = append(want, "to ?", "to timer 4s")
		fired := "from fired 100ms after 100ms, to fired 1s after 2.5s, to fired 3s after 3s, to fired 4s after 6.5s, to fired 15s after 15s"
		to.quiesce()
		handled, timers := apart(j.notes)
		if !slices.Equal(handled, want) {
			t.Errorf("got %q", handled)
		}
		equal(t, "timers", strings.Join(timers, ", "), fired)
		equal(t, "timers of the former host", from.Snapshot().Timers, 0)
		equal(t, "its components", len(from.Components()), 0)
		from.even()
		to.even()
	})
}

// TestMoveFails: whatever fails, the component goes on where it was, with its state, its timers and its
// messages, and can move later.
func TestMoveFails(t *testing.T) {
	wrong := errors.New("wrong")
	for name, c := range map[string]struct {
		hand          func(context.Context, *core.Moving) error
		save, restore error
		timers        int // limits.timers of the other host
		want          error
		says          string
	}{
		"hand":      {hand: func(context.Context, *core.Moving) error { return wrong }, want: wrong},
		"slow hand": {hand: func(ctx context.Context, _ *core.Moving) error { <-ctx.Done(); return ctx.Err() }, want: context.DeadlineExceeded},
		"save":      {save: wrong, want: core.ErrFailed, says: "save"},
		"restore":   {restore: wrong, want: core.ErrFailed, says: "restore"},
		"limits":    {timers: 1, want: host.ErrInvalidDeployment, says: "the component brings 3 timers, limits.timers allows 1: raise it"},
	} {
		t.Run(name, func(t *testing.T) {
			journeys(t, func(p *pilgrim) { p.save = c.save }, func(t *testing.T, j *journey) {
				good := j.next
				j.next = pilgrimage("to", &j.notes, func(p *pilgrim) { p.restore = c.restore })
				j.next.Limits.Timers = c.timers
				hand := c.hand
				if hand == nil {
					hand = j.there
				}
				j.ask(j.from, "timer 1s 2s 1h")
				j.send("work 1500ms", "waits")
				synctest.Wait()
				err := j.from.MoveAway(limited(t, 10*time.Second), pilgrimID, hand)
				isError(t, "move", err, c.want)
				contains(t, "error", fmt.Sprint(err), c.says)
				equal(t, "components of the other host", len(j.to.Components()), 0)
				<-time.After(10 * time.Second)
				equal(t, "cancel", j.ask(j.from, "cancel 2"), "true")
				equal(t, "answer", j.ask(j.from, "?"), "from 7")
				want := "from timer 1s 2s 1h; from work 1500ms; from waits; from ?"
				messages, timers := apart(j.notes)
				equal(t, "notes", strings.Join(messages, "; "), want)
				equal(t, "timers", len(timers), 2)
				contains(t, "log", j.from.log.String(), `msg="component rolled-back" component=a/pilgrim`)
				if name != "save" {
					j.next = good
					check(t, j.move(within(t)))
					equal(t, "answer", j.ask(j.to, "?"), "to 8")
				}
				j.from.even()
				j.to.even()
			})
		})
	}
}

// TestMoveWithoutABroker: a host whose broker joins no hosts says so.
func TestMoveWithoutABroker(t *testing.T) {
	h := start(t, host.Config{})
	h.deploy("a/echo", echo)
	err := h.MoveAway(within(t), id("a/echo"), func(context.Context, *core.Moving) error { t.Error("called"); return nil })
	isError(t, "move", err, host.ErrNotJoined)
	isError(t, "move", (&bus{}).start(t, allParts[0]).MoveAway(within(t), id("a/echo"), nil), core.ErrTargetNotFound)
	d := deployment("a/echo", echo)
	d.Moving = new(core.Moving)
	isError(t, "replacement", h.Replace(within(t), d), host.ErrInvalidDeployment)
	isError(t, "update", h.Update(within(t), d), host.ErrInvalidDeployment)
	h.do("a/echo")
}
