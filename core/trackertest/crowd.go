package trackertest

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/airhost/airhost/core"
)

// account counts for each id its requests, and those of them that have left. An id may
// be given again after its request has left.
type account struct {
	mu    sync.Mutex // guards the fields below
	given map[core.RequestID]int
	left  map[core.RequestID]int
}

func newAccount() *account {
	return &account{given: make(map[core.RequestID]int), left: make(map[core.RequestID]int)}
}

func (a *account) enter(id core.RequestID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.given[id]++
}

func (a *account) leave(id core.RequestID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.left[id]++
}

// open returns the number of requests that have not left.
func (a *account) open() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	open := 0
	for _, n := range a.given {
		open += n
	}
	for _, n := range a.left {
		open -= n
	}
	return open
}

// exactlyOnce: waiters on several goroutines register requests, resolve each other's
// requests, cancel and remove their own, while requests expire.
func exactlyOnce(f *fixture) {
	const waiters, rounds = 6, 2000
	a := newAccount()
	ids := make(chan core.RequestID, waiters*rounds)
	var working sync.WaitGroup
	for range waiters {
		w := &requester{onExpired: a.leave}
		working.Go(func() {
			for range rounds {
				f.step(w, a, ids)
			}
		})
	}
	f.within("the waiters", working.Wait)
	for start := time.Now(); a.open() > 0; <-time.After(time.Millisecond) {
		f.require(time.Since(start) < patience, fmt.Sprint(a.open(), " requests that have not left"), "all to have left")
	}
	f.require(len(a.left) == len(a.given), fmt.Sprint(len(a.left), " ids that left, of ", len(a.given), " given"), "each registered request to leave")
	for id, given := range a.given {
		f.require(a.left[id] == given, fmt.Sprintf("id %d given %d times, left %d times", id, given, a.left[id]), "each to leave once")
	}
	f.pending(0)
}

// step takes one random step. Requests that no step ends expire.
func (f *fixture) step(w *requester, a *account, ids chan core.RequestID) {
	switch n := rand.IntN(100); {
	case n < 50:
		timeout := time.Duration(1 + rand.IntN(int(5*time.Millisecond)))
		if id, err := f.tracker.Register(w, timeout); err == nil {
			a.enter(id)
			ids <- id
		}
	case n < 75:
		f.endOne(a, ids, func(id core.RequestID) bool {
			_, ok := f.tracker.Resolve(id)
			return ok
		})
	case n < 90:
		f.endOne(a, ids, func(id core.RequestID) bool { return f.tracker.Cancel(id, w) })
	case n < 91:
		for _, id := range f.tracker.Remove(w) {
			a.leave(id)
		}
	default:
		<-time.After(time.Duration(rand.IntN(int(100 * time.Microsecond))))
	}
}

func (f *fixture) endOne(a *account, ids chan core.RequestID, end func(core.RequestID) bool) {
	select {
	case id := <-ids:
		if end(id) {
			a.leave(id)
		}
	default:
	}
}
