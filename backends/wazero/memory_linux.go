package wazero

import (
	"slices"
	"sync"
	"syscall"
)

// reserve is the address space of a memory. It lies outside of Go's heap, costs the
// garbage collector nothing, and is freed when the instance is closed. A memory of
// one page, as small guests have, is a slot of a shared region. A larger memory has
// its own mapping of its maximum size, which uses physical memory only for the pages
// that the guest touches.
type reserve struct {
	slot      []byte // nil after the memory has outgrown it
	region    *region
	arena     *arena
	addresses []byte
	most      uint64
}

func (r *reserve) open(a *arena, most uint64) { r.arena, r.most = a, most }

// resize returns the memory with another size, or nil if the system has no memory
// left.
func (r *reserve) resize(current []byte, size uint64) []byte {
	if r.addresses == nil && size <= slotSize {
		if r.slot == nil {
			r.region, r.slot = r.arena.take()
		}
		if r.slot != nil {
			return r.slot[:size:size]
		}
	}
	if r.addresses == nil {
		addresses, err := mapped(int(r.most), syscall.MADV_NOHUGEPAGE)
		if err != nil {
			return nil
		}
		r.addresses = addresses
		copy(addresses, current)
		r.leaveSlot()
	}
	return r.addresses[:size:size]
}

func (r *reserve) leaveSlot() {
	if r.slot != nil {
		r.arena.give(r.region, r.slot)
		r.slot = nil
	}
}

func (r *reserve) close() {
	r.leaveSlot()
	if r.addresses != nil {
		_ = syscall.Munmap(r.addresses) // fails only for an address that is not mapped
		r.addresses = nil
	}
}

// mapped returns zeroed memory. The system provides each page on first use. advice
// is about huge pages: a memory of its own must not use them, since an idle guest
// would take 2 MiB for each byte that it touched.
func mapped(size, advice int) ([]byte, error) {
	b, err := syscall.Mmap(-1, 0, size, syscall.PROT_READ|syscall.PROT_WRITE,
		syscall.MAP_PRIVATE|syscall.MAP_ANON|syscall.MAP_NORESERVE)
	if err == nil {
		// A kernel without huge pages returns an error, which does no harm.
		_ = syscall.Madvise(b, advice)
	}
	return b, err
}

const (
	slotSize   = 64 << 10
	regionSize = 32 << 20

	// slotStride is the distance of two slots. With the size of a slot, the same address
	// of all guests would be in one set of a processor's cache.
	slotStride = slotSize + 64
)

// arena keeps the memories of small guests close together, on huge pages. Otherwise,
// with a thousand guests that send to each other, address translation would cost
// more than anything else in a message.
type arena struct {
	mu      sync.Mutex // guards the fields below, and the regions
	regions []*region  // in the order of their creation
}

// region is a mapping of many slots.
type region struct {
	mapping []byte
	free    [][]byte
	fresh   int // slots that were never used
	taken   int
}

// take returns a zeroed slot, or nil if the system has no memory left.
func (a *arena) take() (*region, []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	i := slices.IndexFunc(a.regions, func(r *region) bool { return len(r.free) > 0 || r.fresh > 0 })
	if i < 0 {
		mapping, err := mapped(regionSize, syscall.MADV_HUGEPAGE)
		if err != nil {
			return nil, nil
		}
		a.regions = append(a.regions, &region{mapping: mapping, fresh: regionSize / slotStride})
		i = len(a.regions) - 1
	}
	r := a.regions[i]
	return r, r.take()
}

func (r *region) take() (slot []byte) {
	r.taken++
	if n := len(r.free); n > 0 {
		slot, r.free = r.free[n-1], r.free[:n-1]
		return slot
	}
	r.fresh--
	at := regionSize - (r.fresh+1)*slotStride
	return r.mapping[at : at+slotSize : at+slotSize]
}

// give returns a slot. It unmaps a region without used slots.
func (a *arena) give(r *region, slot []byte) {
	clear(slot)
	a.mu.Lock()
	defer a.mu.Unlock()
	r.taken--
	r.free = append(r.free, slot)
	if r.taken == 0 {
		a.regions = slices.DeleteFunc(a.regions, func(other *region) bool { return other == r })
		_ = syscall.Munmap(r.mapping)
	}
}
