// Package slab is airhost's default tracker. It allocates memory only when more
// requests are pending than ever before, and none for a single request.
//
// A request takes a slot, and the slot is used again afterwards. An id names a slot
// and one of its uses, so the tracker does not find an id of an earlier use or one
// that was made up. The slots are divided into shards, each with its own lock. The
// waiter determines the shard, so that components on different cores rarely use the
// same lock. Waiters that reserve ids share a shard only if there are more of them than
// shards. Each shard has a timing wheel for its timeouts; all wheels use one coarse
// clock.
package slab

import (
	"fmt"
	"hash/maphash"
	"math/bits"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/airhost/airhost/core"
)

const (
	maxShards     = 256
	shardsPerCore = 16
)

// Config configures a tracker. The zero value is the default.
type Config struct {
	// Shards is the number of shards, from 1 to 256; it is rounded up to a power of
	// two. 0 stands for 16 for each processor that Go uses, at most 256.
	Shards int
}

// Tracker is a [core.Tracker] and a [core.Reserver]. It takes about 48 bytes for each
// request of the most that were ever pending at once, and frees none before Close.
type Tracker struct {
	seed   maphash.Seed
	shards []shard
	clock  *core.Clock
	due    [chunk]expiry // used by tick alone

	mu    sync.Mutex             // guards homes, and homes of all shards
	homes map[core.Waiter]*shard // shard of each waiter that reserves ids
}

var _ core.Reserver = (*Tracker)(nil)

// New returns a tracker without requests, or an error if config is wrong.
func New(config Config) (*Tracker, error) {
	count := config.Shards
	if count < 0 || count > maxShards {
		return nil, fmt.Errorf("slab tracker: %d shards, want 1 to %d, or 0 for the default", count, maxShards)
	}
	if count == 0 {
		count = min(shardsPerCore*runtime.GOMAXPROCS(0), maxShards)
	}
	shardBits := bits.Len(uint(count - 1))
	t := &Tracker{seed: maphash.MakeSeed(), shards: make([]shard, 1<<shardBits), homes: map[core.Waiter]*shard{}}
	for i := range t.shards {
		t.shards[i].init(uint64(i), shardBits)
	}
	t.clock = core.NewClock(t.tick)
	return t, nil
}

// Register implements [core.Tracker]. A timeout out of range, or no waiter, is
// invalid-argument. More requests of one waiter than a shard can name, hundreds of
// thousands, are unavailable.
func (t *Tracker) Register(w core.Waiter, timeout time.Duration) (core.RequestID, error) {
	if err := check(w, timeout); err != nil {
		return 0, err
	}
	id, err := t.shardOf(w).add(w, timeout)
	t.clock.Now() // after the request is in the shard: the clock must tick for it
	return id, err
}

func check(w core.Waiter, timeout time.Duration) error {
	if timeout <= 0 || timeout > core.MaxTimeout {
		return invalid("timeout %v: want above 0 and at most %v", timeout, core.MaxTimeout)
	}
	if w == nil {
		return invalid("a request needs a waiter")
	}
	return nil
}

// Reserve implements [core.Reserver]. It takes the lock of one shard once, as all ids
// that are reserved for a waiter are in one shard.
func (t *Tracker) Reserve(w core.Waiter, ids []core.RequestID) error {
	if err := check(w, 1); err != nil || len(ids) == 0 {
		return err
	}
	if !slices.Contains(ids, 0) {
		return t.shardNaming(ids[0]).reserve(w, ids)
	}
	t.mu.Lock() // until w has its ids: Remove of w comes before or after
	defer t.mu.Unlock()
	return t.homeLocked(w).reserve(w, ids)
}

// homeLocked returns the shard in which w reserves ids. A new waiter gets a shard with
// the fewest such waiters. The caller holds t.mu.
func (t *Tracker) homeLocked(w core.Waiter) *shard {
	home := t.homes[w]
	if home == nil {
		home = &t.shards[0]
		for i := range t.shards {
			if s := &t.shards[i]; s.homes < home.homes {
				home = s
			}
		}
		home.homes++
		t.homes[w] = home
	}
	return home
}

// leave removes w from its home, and returns that home or nil.
func (t *Tracker) leave(w core.Waiter) *shard {
	t.mu.Lock()
	defer t.mu.Unlock()
	home := t.homes[w]
	if home != nil {
		home.homes--
		delete(t.homes, w)
	}
	return home
}

// RegisterReserved implements [core.Reserver].
func (t *Tracker) RegisterReserved(id core.RequestID, w core.Waiter, timeout time.Duration) (core.RequestID, error) {
	if err := check(w, timeout); err != nil {
		return 0, err
	}
	next, err := t.shardNaming(id).addReserved(id, w, timeout)
	t.clock.Now() // as in Register
	return next, err
}

func invalid(format string, args ...any) error {
	return &core.MessagingError{Case: core.CaseInvalidArgument, Text: fmt.Sprintf(format, args...)}
}

// shardOf returns the shard for requests of w without a reserved id.
func (t *Tracker) shardOf(w core.Waiter) *shard {
	return &t.shards[maphash.Comparable(t.seed, w)&uint64(len(t.shards)-1)]
}

// shardNaming returns the shard that id names.
func (t *Tracker) shardNaming(id core.RequestID) *shard {
	return &t.shards[uint64(id)&uint64(len(t.shards)-1)]
}

// Resolve implements [core.Tracker].
func (t *Tracker) Resolve(id core.RequestID) (core.Waiter, bool) {
	w := t.shardNaming(id).remove(id, nil)
	return w, w != nil
}

// Cancel implements [core.Tracker].
func (t *Tracker) Cancel(id core.RequestID, w core.Waiter) bool {
	return w != nil && t.shardNaming(id).remove(id, w) != nil
}

// Remove implements [core.Tracker].
func (t *Tracker) Remove(w core.Waiter) []core.RequestID {
	if w == nil {
		return nil
	}
	hashed := t.shardOf(w)
	ids := hashed.removeAll(w)
	if home := t.leave(w); home != nil && home != hashed {
		ids = append(ids, home.removeAll(w)...)
	}
	return ids
}

// IsPending implements [core.Tracker].
func (t *Tracker) IsPending(id core.RequestID) bool { return t.shardNaming(id).isPending(id) }

// Pending implements [core.Tracker].
func (t *Tracker) Pending() int {
	total := 0
	for i := range t.shards {
		total += t.shards[i].count()
	}
	return total
}

// Close implements [core.Tracker]. It waits for the end of calls of Waiter.Expired,
// which therefore must not call it. A second Close returns nil.
func (t *Tracker) Close() error {
	for i := range t.shards {
		t.shards[i].close()
	}
	t.clock.Close()
	t.mu.Lock()
	defer t.mu.Unlock()
	clear(t.homes)
	return nil
}
