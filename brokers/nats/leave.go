package nats

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	natsgo "github.com/nats-io/nats.go"

	"github.com/airhost/airhost/core"
)

// taken are the last frames of each route that have come to a component. A frame's number is in the
// subject of its receipt, behind that of its route.
type taken struct {
	mu    sync.Mutex        // guards the following
	last  map[string]uint64 // by the subject without the frame's number
	ended bool              // no other frame counts
}

// maxTaken bounds the routes: more frames get no receipt.
const maxTaken = maxGranted

// take notes a frame. It returns false for one that has come before, or came too late. One without
// a number is no frame, which others find out.
func (t *taken) take(reply string) bool {
	dot := strings.LastIndexByte(reply, '.')
	number, err := strconv.ParseUint(reply[dot+1:], 16, 64)
	if dot < 0 || err != nil {
		return true
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	last, known := t.last[reply[:dot]]
	if t.ended || number <= last || !known && len(t.last) >= maxTaken {
		return false
	}
	t.noteLocked(reply[:dot], number)
	return true
}

func (t *taken) noteLocked(route string, number uint64) {
	if t.last == nil {
		t.last = make(map[string]uint64)
	}
	t.last[route] = number
}

// end returns the last frames, after which no other one counts.
func (t *taken) end() map[string]uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ended = true
	return t.last
}

// departure is the way of the messages of a component that leaves this host.
type departure struct {
	*attached
	taken   *taken
	drained atomic.Bool // all frames that were on their way have come
}

var _ core.Mover = (*Broker)(nil)

// Leaving implements [core.Mover]. It waits until the subscription is the last one of a component that
// has just come here itself, which takes some milliseconds.
func (b *Broker) Leaving(id core.ComponentID) (core.Departure, error) {
	b.mu.RLock()
	err := b.checkLocked()
	a := b.local[id]
	b.mu.RUnlock()
	if err == nil && a == nil {
		err = errors.New("it is not attached")
	}
	switch {
	case errors.Is(err, core.ErrClosed):
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("departure of %s from NATS broker: %w", id, err)
	}
	if err := a.awaitJoined(); err != nil {
		return nil, fmt.Errorf("departure of %s from NATS broker: %w", id, err)
	}
	if a.mail != nil {
		b.await(a.mail.isSure) // without JetStream in vain: the next host may get messages again
		a.mail.rest()
	}
	d := &departure{attached: a, taken: new(taken)}
	a.leaving.Store(d.taken)
	return d, nil
}

// awaitJoined waits until a has the subscription of the queue group alone.
func (a *attached) awaitJoined() error {
	switch {
	case a.arrival == nil || a.broker.await(a.arrival.isOver):
		return nil
	case a.broker.refusal.Load() == errClosed:
		return core.ErrClosed
	}
	return errors.New("it has come to this host a moment ago, and messages are still on their way by the former one: try again later")
}

// await waits until something is so, for a lease at most, or until the broker closes.
func (b *Broker) await(is func() bool) bool {
	again, late := time.NewTicker(time.Millisecond), time.After(b.config.Lease)
	defer again.Stop()
	for !is() {
		select {
		case <-again.C:
		case <-b.done:
			return false
		case <-late:
			return false
		}
	}
	return true
}

// Handing implements [core.Departure].
func (d *departure) Handing() {
	if d.mail != nil {
		d.mail.end() // the other host has the rest
	}
}

// Stay implements [core.Departure].
func (d *departure) Stay() {
	d.leaving.Store(nil)
	if d.mail != nil {
		d.mail.resume()
	}
}

// Leave implements [core.Departure]. Frames that are on their way here still come to the
// component's receiver, also after Detach.
func (d *departure) Leave() {
	d.mu.Lock()
	d.left = true
	s := d.subscription
	d.mu.Unlock()
	d.broker.newRoute(d.id).setHere(false)
	d.broker.endAfterOverlap(s)
	d.say(append(d.word(), followBegins))
	d.broker.whenDrained(s, func() { d.drained.Store(true) })
}

// overlap is how long a subscription goes on beside the next one: the server may be about to send a frame
// to the subscriptions that it knew a moment ago.
const overlap = 25 * time.Millisecond

// endAfterOverlap drains a subscription that goes on beside the next one. It may be nil.
func (b *Broker) endAfterOverlap(s *natsgo.Subscription) {
	b.pause(overlap)
	b.drain(s)
}

// pause waits, but not when the broker is closed.
func (b *Broker) pause(d time.Duration) {
	over := time.NewTimer(d)
	defer over.Stop()
	select {
	case <-over.C:
	case <-b.done:
	}
}

// isDone reports whether the broker is closed.
func (b *Broker) isDone() bool {
	select {
	case <-b.done:
		return true
	default:
		return false
	}
}

// maxFlush is how long flush waits.
const maxFlush = 10 * time.Second

// flush waits until the server has all that was sent to it, and this host all that the server had sent before
// it answered. An error says that the connection is lost. One that is slow is not.
func (b *Broker) flush() error {
	for over := time.Now().Add(maxFlush); ; {
		err := b.server.FlushTimeout(b.config.Lease)
		if !errors.Is(err, natsgo.ErrTimeout) || b.refusal.Load() != nil || time.Now().After(over) || b.isDone() {
			return err
		}
	}
}

// whenDrained calls done when all frames have been handled that a subscription gets which is being
// drained. The connection knows that itself, but looks seldom.
func (b *Broker) whenDrained(s *natsgo.Subscription, done func()) {
	if s == nil || !b.enter() {
		done()
		return
	}
	go func() {
		defer b.work.Done()
		defer done()
		if b.flush() != nil { // when the server has answered, it sends no more to s
			return // the connection is lost, and nothing comes
		}
		again := time.NewTicker(100 * time.Microsecond)
		defer again.Stop()
		for {
			if pending, _, err := s.Pending(); err != nil || pending == 0 {
				return
			}
			select {
			case <-again.C:
			case <-b.done:
				return
			}
		}
	}()
}

// Deliver implements [core.Receiver].
func (d *departure) Deliver(m *core.Message) error { return d.broker.newRoute(d.id).Deliver(m) }

// Arriving implements [core.Departure].
func (d *departure) Arriving() bool {
	return !d.drained.Load()
}

// End implements [core.Departure].
func (d *departure) End() {
	word := append(d.word(), followTaken)
	head := len(word)
	for route, number := range d.taken.end() {
		if len(word) > frameBytes/2 {
			d.say(word)
			word = append(d.word(), followTaken)
		}
		word = binary.AppendUvarint(appendText(word, route), number)
	}
	if len(word) > head {
		d.say(word)
	}
	d.say(append(d.word(), followEnds))
}

func (d *departure) word() []byte { return appendHead(nil, followFrame, d.broker.config.Host) }

// say sends a word to the other host, after all that has been sent to the component before.
func (d *departure) say(word []byte) { d.broker.newRoute(d.id).say(word) }

// say sends a word behind all messages. If the connection is lost it does not come, and the component
// waits for it for a while.
func (r *remote) say(word []byte) {
	r.mu.Lock()
	if r.retired {
		r.mu.Unlock()
		r.broker.newRoute(r.target).say(word)
		return
	}
	r.waiting = append(r.waiting, &frame{data: &buffer{word}, word: true})
	queues := !r.queued
	r.queued = true
	r.mu.Unlock()
	if queues {
		r.broker.outbox.add(r)
	}
}

func (r *remote) publishWord(f *frame) {
	if err := r.broker.publish(r.subject, "", f.data.data); err != nil {
		r.broker.log.Warn("a host could not be told that the messages of a component follow it", "component", r.target.String(), "reason", err.Error())
	}
}
