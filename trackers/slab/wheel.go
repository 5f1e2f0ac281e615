package slab

import (
	"time"

	"github.com/airhost/airhost/core"
)

const (
	// buckets is the number of buckets in a wheel. Each stands for one clock tick, so a
	// wheel turns once in about a second. A request with a longer timeout is checked,
	// and put back, once in a turn.
	buckets = 1024
	// chunk is the number of requests that a tick sorts before it releases the lock.
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

// expiry is a request that has expired, for a call of its waiter.
type expiry struct {
	waiter core.Waiter
	id     core.RequestID
}

// tick is called by the clock.
func (t *Tracker) tick(now time.Duration) (busy bool) {
	for i := range t.shards {
		if t.shards[i].tick(now, t) {
			busy = true
		}
	}
	return busy
}

// tick ends the requests that have waited too long, and reports whether other requests
// are still pending.
//
// The time of a request begins with the first tick after Register, not with the time
// that the clock showed at Register. That time is too old by an unknown amount on a
// busy machine, and the request would end early. Most requests are resolved before
// their first tick, and never reach the wheel.
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
	now = t.clock.Exact() // with the lock held: later than all fresh requests
	s.sieveLocked(&s.fresh, now, now, t)
	last := bucketOf(now)
	for b := max(s.cursor, last-buckets+1); b <= last && !s.closed; b++ {
		s.sieveLocked(&s.wheel[b%buckets], now, 0, t)
	}
	s.cursor = last // this bucket again: it may hold requests that are due a little later
	return s.pending > 0
}

func bucketOf(deadline time.Duration) int64 { return int64(deadline / core.ClockResolution) }

// sieveLocked adds shift to the deadlines in a list, ends the requests that are due,
// and puts the others into their buckets. It releases the lock between chunks and
// returns with the lock held.
func (s *shard) sieveLocked(from *list, now, shift time.Duration, t *Tracker) {
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
			s.releaseLocked(n)
		}
		s.mu.Unlock()
		tell(due)
		s.mu.Lock()
	}
}

// tell calls the waiters of the requests that are due.
func tell(due []expiry) {
	for i, e := range due {
		due[i].waiter = nil
		e.waiter.Expired(e.id, core.ErrTimeout)
	}
}
