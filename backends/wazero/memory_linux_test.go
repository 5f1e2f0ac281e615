package wazero

import (
	"bytes"
	"testing"
)

// TestArena: slots do not overlap, a reused slot is zeroed, and a region is unmapped
// after its last slot was returned.
func TestArena(t *testing.T) {
	var a arena
	var all []*memory
	for i := range 2 * (regionSize / slotStride) {
		_, m, err := newMemory(t.Context(), &a, slotSize, 4*slotSize)
		if err != nil {
			t.Fatal(err)
		}
		for j := range m.current {
			m.current[j] = byte(i)
		}
		all = append(all, m)
	}
	for i, m := range all {
		if m.current[0] != byte(i) || m.current[slotSize-1] != byte(i) {
			t.Fatalf("memory %d holds another one's bytes", i)
		}
	}
	if len(a.regions) != 2 {
		t.Errorf("%d regions, want 2", len(a.regions))
	}
	all[0].Free()
	_, again, err := newMemory(t.Context(), &a, slotSize, slotSize)
	if err != nil || !bytes.Equal(again.current, make([]byte, slotSize)) {
		t.Errorf("a slot that was used before is not zeroed, %v", err)
	}
	for _, m := range append(all[1:], again) {
		m.Free()
	}
	if len(a.regions) != 0 {
		t.Errorf("%d regions are left, want none", len(a.regions))
	}
}

// TestMemoryOutgrowsItsSlot: a memory that outgrows its slot keeps its content,
// returns the slot, and stays within its limit.
func TestMemoryOutgrowsItsSlot(t *testing.T) {
	var a arena
	_, m, err := newMemory(t.Context(), &a, slotSize, 3*slotSize)
	if err != nil {
		t.Fatal(err)
	}
	copy(m.current, "kept")
	for _, size := range []uint64{2 * slotSize, 3 * slotSize} {
		if grown := m.Reallocate(size); uint64(len(grown)) != size || string(grown[:4]) != "kept" || &grown[0] != &m.current[0] {
			t.Errorf("grown to %d bytes: got %d", size, len(grown))
		}
	}
	if len(a.regions) != 0 {
		t.Error("the slot was not given back")
	}
	if m.Reallocate(3*slotSize+1) != nil || len(m.current) != 3*slotSize {
		t.Error("the memory grew beyond its limit")
	}
	m.Free()
	m.Free()
}
