package slab

import (
	"math/rand/v2"
	"sync"
	"time"

	"github.com/airhost/airhost/core"
)

// A request's id is, from the lowest bits: the shard, the slot in the shard, and
// the slot's generation, which is never 0 and starts at random, so that an id of
// another tracker, or of this program's last run, finds nothing.
const (
	placeBits  = 28 // of shard and slot
	generation = core.RequestID(1) << placeBits
	pageBits   = 8
	pageSlots  = 1 << pageBits
)

// shard is a part of the tracker: slots, and the wheel that ends their requests.
type shard struct {
	number    uint64
	shardBits int
	homes     int // how many waiters reserve ids here; guarded by Tracker.mu

	mu      sync.Mutex // guards all below
	free    *slot      // chained by next
	fresh   list       // registered since the last tick: deadline is still the timeout
	sieved  list       // being sorted by the tick in progress
	wheel   []list     // by deadline; made when first needed
	cursor  int64      // the first bucket that may hold a deadline that has passed
	pending int
	pages   []*[pageSlots]slot
	closed  bool

	_ [128]byte // keeps neighbours' locks out of this one's cache line
}

// slot holds one request at a time. It is pending while it has a waiter.
type slot struct {
	next     *slot
	prev     **slot // what points at the slot in its list
	waiter   core.Waiter
	reserved bool           // for waiter, and in no list
	id       core.RequestID // of the request, or of the next one
	deadline time.Duration  // by the clock
}

func (s *shard) init(number uint64, shardBits int) {
	s.number, s.shardBits = number, shardBits
}

// add registers a request.
func (s *shard) add(w core.Waiter, timeout time.Duration) (core.RequestID, error) {
	s.mu.Lock()
	n, err := s.take()
	if err != nil {
		s.mu.Unlock()
		return 0, err
	}
	n.waiter = w
	s.start(n, timeout)
	id := n.id
	s.mu.Unlock()
	return id, nil
}

// take takes a free slot, with s.mu held.
func (s *shard) take() (*slot, error) {
	n := s.free
	if n == nil {
		if err := s.grow(); err != nil {
			return nil, err
		}
		n = s.free
	}
	s.free = n.next
	return n, nil
}

// start has n's request pending, with s.mu held.
func (s *shard) start(n *slot, timeout time.Duration) {
	n.deadline = timeout
	s.fresh.push(n)
	s.pending++
}

// reserve implements [core.Reserver] in this shard.
func (s *shard) reserve(w core.Waiter, ids []core.RequestID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, id := range ids {
		next, err := s.replace(id, w)
		if err != nil {
			return err
		}
		ids[i] = next
	}
	return nil
}

// replace returns the id that takes the place of a reserved one, or of 0. The caller
// holds s.mu.
func (s *shard) replace(id core.RequestID, w core.Waiter) (core.RequestID, error) {
	if id == 0 {
		return s.setAside(w)
	}
	n := s.reservedSlot(id, w)
	if n == nil {
		return 0, s.notReserved(id)
	}
	n.advance()
	return n.id, nil
}

// setAside reserves a slot for w and returns its id. The caller holds s.mu.
func (s *shard) setAside(w core.Waiter) (core.RequestID, error) {
	n, err := s.take()
	if err != nil {
		return 0, err
	}
	n.waiter, n.reserved = w, true
	return n.id, nil
}

// addReserved registers a request in the slot that was set aside for it, and
// sets the next one aside.
func (s *shard) addReserved(id core.RequestID, w core.Waiter, timeout time.Duration) (next core.RequestID, err error) {
	s.mu.Lock()
	n := s.reservedSlot(id, w)
	if n == nil {
		defer s.mu.Unlock()
		return 0, s.notReserved(id)
	}
	n.reserved = false
	s.start(n, timeout)
	next, _ = s.setAside(w) // 0 if the shard is full
	s.mu.Unlock()
	return next, nil
}

// reservedSlot returns the slot that was set aside for w, or nil.
func (s *shard) reservedSlot(id core.RequestID, w core.Waiter) *slot {
	if n := s.slot(id); n != nil && n.reserved && n.waiter == w {
		return n
	}
	return nil
}

func (s *shard) notReserved(id core.RequestID) error {
	if s.closed {
		return core.ErrClosed
	}
	return invalid("request id %d is not reserved for its waiter", id)
}

// grow makes a page of free slots. Slots stay where they are, because lists hold
// pointers to them, and because moving many would hold up their users.
func (s *shard) grow() error {
	first := uint64(len(s.pages)) << pageBits
	switch {
	case s.closed:
		return core.ErrClosed
	case first+pageSlots > 1<<(placeBits-s.shardBits):
		return &core.MessagingError{Case: core.CaseUnavailable, Text: "too many pending requests"}
	}
	page := new([pageSlots]slot)
	for i := range page {
		place := (first+uint64(i))<<s.shardBits | s.number
		start := core.RequestID(rand.Uint64()) | generation // so that it is not 0
		page[i].id = start&^(generation-1) | core.RequestID(place)
		page[i].next, s.free = s.free, &page[i]
	}
	s.pages = append(s.pages, page)
	return nil
}

// remove ends the request id, if it is pending and, with a non-nil owner, its
// own, and returns who waits for it.
func (s *shard) remove(id core.RequestID, owner core.Waiter) core.Waiter {
	s.mu.Lock()
	n := s.named(id)
	if n == nil || owner != nil && n.waiter != owner {
		s.mu.Unlock()
		return nil
	}
	w := n.waiter
	s.release(n)
	s.mu.Unlock()
	return w
}

func (s *shard) isPending(id core.RequestID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.named(id) != nil
}

// named returns the slot of a pending request, or nil.
func (s *shard) named(id core.RequestID) *slot {
	if n := s.slot(id); n != nil && !n.reserved {
		return n
	}
	return nil
}

// slot returns the slot that has this id and a waiter, or nil.
func (s *shard) slot(id core.RequestID) *slot {
	place := uint64(id&(generation-1)) >> s.shardBits
	page := place >> pageBits
	if page >= uint64(len(s.pages)) {
		return nil
	}
	if n := &s.pages[page][place%pageSlots]; n.id == id && n.waiter != nil {
		return n
	}
	return nil
}

// release frees a pending slot for its next use.
func (s *shard) release(n *slot) {
	n.unlink()
	s.pending--
	s.vacate(n)
}

// vacate has a slot, which is in no list, used again.
func (s *shard) vacate(n *slot) {
	n.waiter, n.reserved = nil, false
	n.advance()
	n.next, s.free = s.free, n
}

// advance gives a slot the id of its next request.
func (n *slot) advance() {
	n.id += generation
	if n.id < generation { // wrapped
		n.id += generation
	}
}

// removeAll ends all requests of w, a page at a time, so that the others' wait
// for the lock stays short.
func (s *shard) removeAll(w core.Waiter) []core.RequestID {
	var ids []core.RequestID
	for page := 0; ; page++ {
		s.mu.Lock()
		if page >= len(s.pages) {
			s.mu.Unlock()
			return ids
		}
		for i := range s.pages[page] {
			switch n := &s.pages[page][i]; {
			case n.waiter != w:
			case n.reserved:
				s.vacate(n)
			default:
				ids = append(ids, n.id)
				s.release(n)
			}
		}
		s.mu.Unlock()
	}
}

func (s *shard) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pending
}

// close forgets all requests and slots.
func (s *shard) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.free, s.pages, s.wheel = nil, nil, nil
	s.fresh, s.sieved = list{}, list{}
	s.pending = 0
}
