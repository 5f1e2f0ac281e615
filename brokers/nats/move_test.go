package nats_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/airhost/airhost/backends/native"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
)

// notes are what the instances of a traveller have handled, in order.
type notes struct {
	mu  sync.Mutex
	all []string
}

func (n *notes) add(text string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.all = append(n.all, text)
}

func (n *notes) list() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.all)
}

// turn waits until one more message may be sent, so that no more wait than a mailbox has room for. It
// reports false after stop.
func (n *notes) turn(sent *atomic.Int64, stop <-chan struct{}) bool {
	for number := int(sent.Add(1)); number > len(n.list())+2000; {
		select {
		case <-stop:
			return false
		case <-time.After(time.Millisecond):
		}
	}
	select {
	case <-stop:
		return false
	default:
		return true
	}
}

// await waits until there are so many notes.
func (n *notes) await(t testing.TB, count int) []string {
	t.Helper()
	for until := within(t); len(n.list()) < count; {
		select {
		case <-time.After(time.Millisecond):
		case <-until.Done():
			t.Fatalf("%d notes, want %d", len(n.list()), count)
		}
	}
	return n.list()
}

// traveller notes what it handles. Its state is the number of its messages.
type traveller struct {
	at    string
	notes *notes
	gate  <-chan struct{} // if not nil, each message takes something from it
	count int
	timer guest.TimerID
}

func (v *traveller) HandleMessage(h guest.Host, _ string, m []byte) (answer []byte, err error) {
	v.count++
	if v.gate != nil {
		<-v.gate
	}
	switch text := string(m); {
	case strings.HasPrefix(text, "timer "):
		var left time.Duration
		if left, err = time.ParseDuration(text[6:]); err == nil {
			v.timer, err = guest.After(h, left, []byte("fired"))
		}
	case text == "cancel":
		return strconv.AppendBool(nil, guest.CancelTimer(h, v.timer)), nil
	}
	v.notes.add(v.at + " " + string(m))
	return fmt.Append(nil, v.at, " ", v.count), err
}

func (v *traveller) Save(guest.Host) ([]byte, error) {
	return fmt.Append(nil, v.count, " ", v.timer), nil
}

func (v *traveller) Restore(_ guest.Host, state []byte) error {
	_, err := fmt.Sscan(string(state), &v.count, &v.timer)
	return err
}

var travellerID = core.MustComponentID("a/traveller")

// travel returns the deployment of a traveller at a host.
func travel(v traveller, m *core.Moving, change func(*host.Deployment)) host.Deployment {
	any, err := core.ParseIDPattern("*")
	if err != nil {
		panic(err)
	}
	d := host.Deployment{
		ID: travellerID, Engine: native.Name, Source: core.Source{Value: func() guest.Component { c := v; return &c }}, Moving: m,
		Capabilities: host.Capabilities{Send: []core.IDPattern{any}, Request: []core.IDPattern{any}},
		Limits:       core.Limits{HandlerTime: time.Minute, Mailbox: 4096},
	}
	if change != nil {
		change(&d)
	}
	return d
}

// to is a hand that makes a host deploy what moves, by way of its binary form.
func to(m *member, v traveller, change func(*host.Deployment)) func(context.Context, *core.Moving) error {
	return func(ctx context.Context, moving *core.Moving) error {
		data, err := moving.MarshalBinary()
		if err != nil {
			return err
		}
		read := new(core.Moving)
		if err := read.UnmarshalBinary(data); err != nil {
			return err
		}
		return m.Deploy(ctx, travel(v, read, change))
	}
}

// away moves the traveller of a host whose gate lets few messages pass before it has ended its call.
func (m *member) away(ctx context.Context, gate chan<- struct{}, hand func(context.Context, *core.Moving) error) error {
	handed, moved := make(chan struct{}), make(chan error, 1)
	go func() {
		moved <- m.MoveAway(ctx, travellerID, func(ctx context.Context, moving *core.Moving) error {
			close(handed)
			return hand(ctx, moving)
		})
	}()
	for {
		select {
		case <-time.After(time.Millisecond):
			select {
			case gate <- struct{}{}:
			case <-handed:
				return <-moved
			case err := <-moved:
				return err
			}
		case <-handed:
			return <-moved
		case err := <-moved:
			return err
		}
	}
}

// send sends, and again while the window is full.
func send(t testing.TB, m *member, text string) {
	for until := within(t); ; {
		err := m.Send(travellerID, []byte(text))
		if err == nil {
			return
		}
		if !errors.Is(err, core.ErrQueueFull) || until.Err() != nil {
			t.Error(text, err)
			return
		}
		<-time.After(50 * time.Microsecond)
	}
}

// eachInOrder checks that the numbers of each sender ascend, and returns how many there are.
func eachInOrder(t *testing.T, all []string, senders string) int {
	t.Helper()
	last, n := map[byte]int{}, 0
	for _, note := range all {
		_, text, _ := strings.Cut(note, " ")
		if !strings.ContainsRune(senders, rune(text[0])) {
			continue
		}
		number, err := strconv.Atoi(text[1:])
		if err != nil {
			continue
		}
		n++
		if number != last[text[0]]+1 {
			t.Fatalf("%s comes after %c%d", text, text[0], last[text[0]])
		}
		last[text[0]] = number
	}
	return n
}

// TestMove: 1,000 messages that wait for a component follow it in order, with its state, while hosts
// go on sending. Requests of all hosts are answered by the other host.
func TestMove(t *testing.T) {
	url := serve(t, nil).ClientURL()
	a, b, c := join(t, url, "a"), join(t, url, "b"), join(t, url, "c")
	all, gate := new(notes), make(chan struct{})
	check(t, a.Deploy(within(t), travel(traveller{at: "a", notes: all, gate: gate}, nil, nil)))
	for i := range 500 {
		send(t, a, fmt.Sprint("a", i+1))
		send(t, c, fmt.Sprint("c", i+1))
	}
	answers := make(chan string, 3)
	for _, m := range []*member{a, b, c} {
		go func() {
			answer, err := m.Request(within(t), travellerID, []byte("request"))
			answers <- fmt.Sprint(string(answer), err)
		}()
	}
	for a.Snapshot().Arrived < 502 || a.Snapshot().Waiting < 1002 {
		<-time.After(time.Millisecond)
	}
	moved := make(chan error)
	go func() { moved <- a.away(within(t), gate, to(b, traveller{at: "b", notes: all}, nil)) }()
	stop := make(chan struct{})
	var senders sync.WaitGroup
	var sent atomic.Int64
	last := make([]int, 3)
	for i, m := range []*member{a, b, c} {
		senders.Go(func() {
			first := 501
			if m == b {
				first = 1
			}
			for n := first; all.turn(&sent, stop); n++ {
				send(t, m, fmt.Sprintf("%c%d", "abc"[i], n))
				last[i] = n
			}
		})
	}
	check(t, <-moved)
	b.says(t, `msg="component deployed"`, 1)
	all.await(t, 5000)
	close(stop)
	senders.Wait()
	list := all.await(t, 3+last[0]+last[1]+last[2])
	if n := eachInOrder(t, list, "abc"); n != last[0]+last[1]+last[2] {
		t.Errorf("%d messages, want %d", n, last)
	}
	here := slices.IndexFunc(list, func(note string) bool { return note[0] == 'b' })
	if here > 500 || slices.ContainsFunc(list[here:], func(note string) bool { return note[0] == 'a' }) {
		t.Errorf("%d messages were handled by the former host", here)
	}
	for range 3 {
		if answer := <-answers; !strings.HasPrefix(answer, "b ") || !strings.HasSuffix(answer, "<nil>") {
			t.Errorf("got %q", answer)
		}
	}
	answer, err := c.Request(within(t), travellerID, []byte("last"))
	if want := fmt.Sprint("b ", len(all.list())); string(answer) != want || err != nil {
		t.Errorf("got %q, %v, want %q", answer, err, want)
	}
	for _, m := range []*member{a, b, c} {
		if s := m.settled(t); s.DeadLetters > 0 || s.Orphans > 0 || s.Late > 0 {
			t.Errorf("%+v %+v", s, m.DeadLetters())
		}
		check(t, m.Quiesce(within(t)))
	}
	if s := a.Snapshot(); s.Components != 0 {
		t.Errorf("%d components at the former host", s.Components)
	}
}
