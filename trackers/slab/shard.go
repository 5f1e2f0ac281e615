package slab

import (
	"math/rand/v2"
	"sync"
	"time"

	"github.com/airhost/airhost/core"
)

// An id consists of, from the lowest bits: the shard, the slot in the shard, and the
// generation of the slot. The generation is never 0 and starts at random, so that the
// tracker does not find an id of another tracker or of an earlier run of the program.
const (
	placeBits  = 28 // of shard and slot
	generation = core.RequestID(1) << placeBits
	pageBits   = 8
	pageSlots  = 1 << pageBits
)

// shard is a part of the tracker: slots, and the wheel with their timeouts. The caller
// of a method with Locked at the end of its name holds mu.
type shard struct {
	number    uint64
	shardBits int
	homes     int // number of waiters that reserve ids here; guarded by Tracker.mu

	mu      sync.Mutex // guards the fields below
	free    *slot      // linked by next
	fresh   list       // registered since the last tick: deadline is still the timeout
	sieved  list       // being sorted by the tick in progress
	wheel   []list     // by deadline; made when first needed
	cursor  int64      // first bucket that may hold a deadline that has passed
	pending int
	pages   []*[pageSlots]slot
	closed  bool

	_ [128]byte // so that the locks of two shards share no cache line
}

// slot holds one request at a time. Its request is pending, or reserved, while the slot
// has a waiter.
type slot struct {
	next     *slot
	prev     **slot // the pointer to the slot in its list
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
	n, err := s.takeLocked()
	if err != nil {
		s.mu.Unlock()
		return 0, err
	}
	n.waiter = w
	s.startLocked(n, timeout)
	id := n.id
	s.mu.Unlock()
	return id, nil
}

// takeLocked takes a free slot.
func (s *shard) takeLocked() (*slot, error) {
	n := s.free
	if n == nil {
		if err := s.growLocked(); err != nil {
			return nil, err
		}
		n = s.free
	}
	s.free = n.next
	return n, nil
}

// startLocked makes the request of n pending.
func (s *shard) startLocked(n *slot, timeout time.Duration) {
	n.deadline = timeout
	s.fresh.push(n)
	s.pending++
}

// reserve is [core.Reserver.Reserve] for ids of this shard.
func (s *shard) reserve(w core.Waiter, ids []core.RequestID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, id := range ids {
		next, err := s.replaceLocked(id, w)
		if err != nil {
			return err
		}
		ids[i] = next
	}
	return nil
}

// replaceLocked returns a reserved id for w, in the place of a reserved id or of 0.
func (s *shard) replaceLocked(id core.RequestID, w core.Waiter) (core.RequestID, error) {
	if id == 0 {
		return s.setAsideLocked(w)
	}
	n := s.reservedSlotLocked(id, w)
	if n == nil {
		return 0, s.notReservedLocked(id)
	}
	n.advance()
	return n.id, nil
}

// setAsideLocked reserves a slot for w and returns its id.
func (s *shard) setAsideLocked(w core.Waiter) (core.RequestID, error) {
	n, err := s.takeLocked()
	if err != nil {
		return 0, err
	}
	n.waiter, n.reserved = w, true
	return n.id, nil
}

// addReserved registers a request under its reserved id, and reserves the next id.
func (s *shard) addReserved(id core.RequestID, w core.Waiter, timeout time.Duration) (next core.RequestID, err error) {
	s.mu.Lock()
	n := s.reservedSlotLocked(id, w)
	if n == nil {
		defer s.mu.Unlock()
		return 0, s.notReservedLocked(id)
	}
	n.reserved = false
	s.startLocked(n, timeout)
	next, _ = s.setAsideLocked(w) // 0 if the shard is full
	s.mu.Unlock()
	return next, nil
}

// reservedSlotLocked returns the slot of an id that is reserved for w, or nil.
func (s *shard) reservedSlotLocked(id core.RequestID, w core.Waiter) *slot {
	if n := s.slotLocked(id); n != nil && n.reserved && n.waiter == w {
		return n
	}
	return nil
}

func (s *shard) notReservedLocked(id core.RequestID) error {
	if s.closed {
		return core.ErrClosed
	}
	return invalid("request id %d is not reserved for its waiter", id)
}

// growLocked adds a page of free slots. It moves no slot, because lists have pointers
// to them, and because it would keep the lock long.
func (s *shard) growLocked() error {
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
		start := core.RequestID(rand.Uint64()) | generation // not generation 0
		page[i].id = start&^(generation-1) | core.RequestID(place)
		page[i].next, s.free = s.free, &page[i]
	}
	s.pages = append(s.pages, page)
	return nil
}

// remove ends the request id and returns its waiter. It returns nil and does nothing if
// the request is not pending, or if owner is neither nor the request's waiter.
func (s *shard) remove(id core.RequestID, owner core.Waiter) core.Waiter {
	s.mu.Lock()
	n := s.pendingSlotLocked(id)
	if n == nil || owner != nil && n.waiter != owner {
		s.mu.Unlock()
		return nil
	}
	w := n.waiter
	s.releaseLocked(n)
	s.mu.Unlock()
	return w
}

func (s *shard) isPending(id core.RequestID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pendingSlotLocked(id) != nil
}

// pendingSlotLocked returns the slot of a pending request, or nil.
func (s *shard) pendingSlotLocked(id core.RequestID) *slot {
	if n := s.slotLocked(id); n != nil && !n.reserved {
		return n
	}
	return nil
}

// slotLocked returns the slot that has this id and a waiter, or nil.
func (s *shard) slotLocked(id core.RequestID) *slot {
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

// releaseLocked ends the request of a pending slot and frees the slot.
func (s *shard) releaseLocked(n *slot) {
	n.unlink()
	s.pending--
	s.vacateLocked(n)
}

// vacateLocked frees a slot, which is in no list.
func (s *shard) vacateLocked(n *slot) {
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

// removeAll ends all requests of w and returns their ids. It takes the lock once for
// each page, so that others need not wait long.
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
				s.vacateLocked(n)
			default:
				ids = append(ids, n.id)
				s.releaseLocked(n)
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

// close removes all requests and slots.
func (s *shard) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.free, s.pages, s.wheel = nil, nil, nil
	s.fresh, s.sieved = list{}, list{}
	s.pending = 0
}
