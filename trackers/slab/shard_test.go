package slab

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/airhost/airhost/core"
)

// counter is a waiter that counts its expiries, and waits for its gate to open if it
// has one.
type counter struct {
	gate  chan struct{}
	calls int
}

func (c *counter) Expired(core.RequestID, *core.RequestError) {
	c.calls++
	if c.gate != nil {
		<-c.gate
	}
}

func newTracker(t *testing.T, shards int) *Tracker {
	t.Helper()
	tracker, err := New(Config{Shards: shards})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tracker.Close() })
	return tracker
}

func register(t *testing.T, tracker *Tracker, w core.Waiter) core.RequestID {
	t.Helper()
	id, err := tracker.Register(w, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestShardsAreAPowerOfTwo(t *testing.T) {
	for shards, want := range map[int]int{1: 1, 2: 2, 3: 4, 100: 128, 256: 256} {
		if got := len(newTracker(t, shards).shards); got != want {
			t.Errorf("Shards %d: got %d, want %d", shards, got, want)
		}
	}
	for _, shards := range []int{-1, 257} {
		if _, err := New(Config{Shards: shards}); err == nil {
			t.Errorf("Shards %d: got no error", shards)
		}
	}
}

// TestReserversAreSpread: no two waiters that reserve ids share a shard while there are
// enough shards, and each waiter keeps its shard.
func TestReserversAreSpread(t *testing.T) {
	const shards = 8
	tracker := newTracker(t, shards)
	waiters := make([]counter, shards)
	reserve := func(w *counter) core.RequestID {
		ids := []core.RequestID{0}
		if err := tracker.Reserve(w, ids); err != nil {
			t.Fatal(err)
		}
		return ids[0] % shards
	}
	for range 3 {
		taken := map[core.RequestID]bool{}
		for i := range waiters {
			shard := reserve(&waiters[i])
			if taken[shard] {
				t.Errorf("shard %d has two waiters", shard)
			}
			if other := reserve(&waiters[i]); other != shard {
				t.Errorf("a waiter of shard %d is put into shard %d, too", shard, other)
			}
			taken[shard] = true
			register(t, tracker, &waiters[i]) // in any shard
		}
		for i := range waiters { // leaves its shard to the next waiter
			if ids := tracker.Remove(&waiters[i]); len(ids) != 1 || len(tracker.homes) != shards-1 {
				t.Errorf("removed %d requests, %d waiters left, want 1, %d", len(ids), len(tracker.homes), shards-1)
			}
			reserve(&waiters[i])
		}
	}
}

func TestNothingIsAllocatedPerRequest(t *testing.T) {
	tracker, w := newTracker(t, 0), new(counter)
	register(t, tracker, w)
	allocs := testing.AllocsPerRun(1000, func() {
		id, _ := tracker.Register(w, time.Hour)
		tracker.Resolve(id)
	})
	if allocs != 0 {
		t.Errorf("got %v allocations for a request, want none", allocs)
	}
}

func TestMemoryFollowsThePeak(t *testing.T) {
	tracker, w := newTracker(t, 1), new(counter)
	for range 100_000 {
		first, second := register(t, tracker, w), register(t, tracker, w)
		tracker.Resolve(first)
		tracker.Resolve(second)
	}
	s := &tracker.shards[0]
	if len(s.pages) != 1 {
		t.Errorf("got %d pages for two requests at a time, want 1", len(s.pages))
	}
	for i := range s.pages[0] {
		if s.pages[0][i].waiter != nil {
			t.Errorf("slot %d keeps the waiter of a request that has ended", i)
		}
	}
}

func TestAFullShardRefuses(t *testing.T) {
	tracker := newTracker(t, 256)
	for i := range tracker.shards {
		tracker.shards[i].pages = make([]*[pageSlots]slot, 1<<(placeBits-8-pageBits))
	}
	_, err := tracker.Register(new(counter), time.Hour)
	if !errors.Is(err, core.ErrUnavailable) {
		t.Errorf("got %v, want unavailable", err)
	}
	for i := range tracker.shards {
		tracker.shards[i].pages = nil
	}
}

func TestGenerationsWrapPastZero(t *testing.T) {
	tracker, w := newTracker(t, 1), new(counter)
	s := &tracker.shards[0]
	tracker.Resolve(register(t, tracker, w))
	s.free.id |= ^(generation - 1) // the last generation
	last := register(t, tracker, w)
	tracker.Resolve(last)
	first := register(t, tracker, w)
	if last&(generation-1) != first&(generation-1) || first>>placeBits != 1 {
		t.Errorf("after id %#x came %#x, want the same slot in generation 1", last, first)
	}
	if _, ok := tracker.Resolve(last); ok {
		t.Error("the id of the last generation is still known")
	}
}

func TestIDsOfAnotherTrackerAreUnknown(t *testing.T) {
	ours, theirs, w := newTracker(t, 1), newTracker(t, 1), new(counter)
	for range 1000 {
		register(t, ours, w)
	}
	for range 1000 {
		if id := register(t, theirs, w); ours.Cancel(id, w) {
			t.Fatalf("id %#x of another tracker is known", id)
		}
	}
}

// TestCloseBetweenChunks closes a tracker in a tick, between two chunks.
func TestCloseBetweenChunks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tracker := newTracker(t, 1)
		first := &counter{gate: make(chan struct{})}
		for range 10 * chunk {
			if _, err := tracker.Register(first, time.Millisecond); err != nil {
				t.Fatal(err)
			}
		}
		<-time.After(3 * time.Millisecond)
		synctest.Wait()
		closed := make(chan struct{})
		go func() {
			tracker.Close()
			close(closed)
		}()
		synctest.Wait()
		close(first.gate)
		<-closed
		if first.calls != chunk {
			t.Errorf("got %d calls of Expired, want the %d that had left before Close", first.calls, chunk)
		}
		if got := tracker.Pending(); got != 0 {
			t.Errorf("got %d pending after Close, want 0", got)
		}
	})
}
