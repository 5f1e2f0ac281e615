//go:build race

package host

import (
	"bytes"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"sync"
)

// raced says that this is a build with -race.
const raced = true

// mutex is a lock of a rank. It panics if a goroutine takes it while the goroutine
// holds one of the same or a later rank.
type mutex[R ranked] struct{ mu sync.Mutex }

func (m *mutex[R]) rank() int {
	var r R
	return r.rank()
}

// Lock implements [sync.Locker].
func (m *mutex[R]) Lock() {
	held.add(m.rank(), false)
	m.mu.Lock()
}

// Unlock implements [sync.Locker].
func (m *mutex[R]) Unlock() {
	m.mu.Unlock()
	held.remove(m.rank())
}

// lockPartner is Lock for the second component of an exchange, while the lock of the
// first is held. Only the watchdog takes both, always in this order.
func (m *mutex[R]) lockPartner() {
	held.add(m.rank(), true)
	m.mu.Lock()
}

// held are the ranks that each goroutine holds, in the order in which it took them.
var held = heldRanks{of: make(map[uint64][]int)}

type heldRanks struct {
	mu sync.Mutex
	of map[uint64][]int // by the goroutine's number
}

func (h *heldRanks) add(rank int, partner bool) {
	g := goroutine()
	h.mu.Lock()
	defer h.mu.Unlock()
	ranks := h.of[g]
	if n := len(ranks); n > 0 && (rank < ranks[n-1] || rank == ranks[n-1] && !partner) {
		panic(fmt.Sprintf("host: a lock of rank %d is taken by a goroutine that holds the ranks %v", rank, ranks))
	}
	h.of[g] = append(ranks, rank)
}

func (h *heldRanks) remove(rank int) {
	g := goroutine()
	h.mu.Lock()
	defer h.mu.Unlock()
	ranks := h.of[g]
	i := len(ranks) - 1
	for ranks[i] != rank {
		i--
	}
	if h.of[g] = slices.Delete(ranks, i, i+1); len(ranks) == 1 {
		delete(h.of, g)
	}
}

// goroutine returns the number of the goroutine that calls it, which the first line
// of its stack names: "goroutine 7 [running]:".
func goroutine() uint64 {
	var buffer [64]byte
	words := bytes.Fields(buffer[:runtime.Stack(buffer[:], false)])
	n, err := strconv.ParseUint(string(words[1]), 10, 64)
	if err != nil {
		panic(err)
	}
	return n
}
