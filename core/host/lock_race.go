//go:build race

package host

import (
	"bytes"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
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

// lockPartner is Lock for a second component, while the lock of the first is held: the
// watchdog takes the locks of both sides of an exchange, and a member that of its front,
// always in this order.
func (m *mutex[R]) lockPartner() {
	held.add(m.rank(), true)
	m.mu.Lock()
}

// held are the ranks that each goroutine holds, in the order in which it took them.
var held heldRanks

// heldRanks looks at one in eight blocks of 1,024 calls, since it takes long to find out
// the number of a goroutine. It knows only the locks that were taken in the block.
type heldRanks struct {
	calls  atomic.Uint64
	always bool // looks at all calls; set by tests

	mu    sync.Mutex
	block uint64
	of    map[uint64][]int // by the goroutine's number
}

// look returns the block of the next call, and whether the call is looked at.
func (h *heldRanks) look() (block uint64, looks bool) {
	block = h.calls.Add(1) >> 10
	if h.always {
		return 0, true
	}
	return block, block%8 == 0
}

func (h *heldRanks) add(rank int, partner bool) {
	h.change(func(ranks []int) []int {
		if n := len(ranks); n > 0 && (rank < ranks[n-1] || rank == ranks[n-1] && !partner) {
			panic(fmt.Sprintf("host: a lock of rank %d is taken by a goroutine that holds the ranks %v", rank, ranks))
		}
		return append(ranks, rank)
	})
}

func (h *heldRanks) remove(rank int) {
	h.change(func(ranks []int) []int {
		for i := len(ranks) - 1; i >= 0; i-- {
			if ranks[i] == rank {
				return slices.Delete(ranks, i, i+1)
			}
		}
		return ranks // it was taken before the block
	})
}

// change changes the ranks of the goroutine that calls it, if the call is looked at.
func (h *heldRanks) change(f func(ranks []int) []int) {
	block, looks := h.look()
	if !looks {
		return
	}
	g := goroutine()
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.of == nil || h.block != block {
		h.block, h.of = block, make(map[uint64][]int)
	}
	h.of[g] = f(h.of[g])
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
