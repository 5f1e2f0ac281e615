package slab

import (
	"time"

	"github.com/airhost/airhost/core"
)

const (
	// buckets of one clock tick each make a turn of about a second. A longer
	// timeout is looked at, and put back, once a turn.
	buckets = 1024
	// chunk is how many requests are handled before the lock is given to others.
	chunk = 64
)

// list is a doubly linked list of slots.
type list struct{ head *slot }

func (l *list) push(n *slot) {
	n.next, n.prev = l.head, &l.head
	if n.next != nil {
		n.next.prev = &n.next
	}
	l.head = n
}

func (n *slot) unlink() {
	*n.prev = n.next
	if n.next != nil {
		n.next.prev = n.prev
	}
}

// take moves all of from into l, which is empty.
func (l *list) take(from *list) {
	l.head, from.head = from.head, nil
	if l.head != nil {
		l.head.prev = &l.head
	}
}

// expiry is a request that has left the tracker and whose waiter is to be told.
type expiry struct {
	waiter core.Waiter
	id     core.RequestID
}

// tick is what the clock calls.
func (t *Tracker) tick(now time.Duration) (busy bool) {
	for i := range t.shards {
		if t.shards[i].tick(now, t) {
			busy = true
		}
	}
	return busy
}

// tick ends the requests that have waited too long, and reports whether any are
// left to watch.
//
// A request's deadline is counted from the first tick after it was registered,
// not from the clock's time at that moment: that could be older than it is, by
// more than anyone knows on a busy machine, and the request would end early.
// Most requests are resolved before that tick, and never see the wheel.
func (s *shard) tick(now time.Duration, t *Tracker) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pending == 0 {
		s.cursor = max(s.cursor, bucketOf(now))
		return false
	}
	if s.wheel == nil {
		s.wheel = make([]list, buckets)
	}
	now = t.clock.Exact() // with the lock held: after all that is fresh
	s.sieve(&s.fresh, now, now, t)
	last := bucketOf(now)
	for b := max(s.cursor, last-buckets+1); b <= last && !s.closed; b++ {
		s.sieve(&s.wheel[b%buckets], now, 0, t)
	}
	s.cursor = last // again, for what is due later within it
	return s.pending > 0
}

func bucketOf(deadline time.Duration) int64 { return int64(deadline / core.ClockResolution) }

// sieve adds shift to the deadlines in a list, ends the requests that are due,
// and puts the others in their buckets. It gives up the lock between chunks.
func (s *shard) sieve(from *list, now, shift time.Duration, t *Tracker) {
	s.sieved.take(from)
	for s.sieved.head != nil {
		due := t.due[:0]
		for i := 0; i < chunk && s.sieved.head != nil; i++ {
			n := s.sieved.head
			n.deadline += shift
			if n.deadline > now {
				n.unlink()
				s.wheel[bucketOf(n.deadline)%buckets].push(n)
				continue
			}
			due = append(due, expiry{n.waiter, n.id})
			s.release(n)
		}
		s.mu.Unlock()
		tell(due)
		s.mu.Lock()
	}
}

func tell(due []expiry) {
	for i, e := range due {
		due[i].waiter = nil
		e.waiter.Expired(e.id, core.ErrTimeout)
	}
}
