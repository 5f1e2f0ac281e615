package wazero

import (
	"context"
	"errors"

	"github.com/tetratelabs/wazero/experimental"
)

// memory is a guest's one linear memory, as wazero's allocator and as what the
// engine looks into without asking wazero.
type memory struct {
	current []byte // what the guest has now
	most    uint64 // its largest size in bytes
	reserve
}

// errNoMemory says that the system has no room for a guest's memory.
var errNoMemory = errors.New("the system has no memory left for a guest")

// newMemory returns a memory of least to most bytes, and a context that makes
// wazero use it. Where wazero fails to, it must be freed.
func newMemory(ctx context.Context, a *arena, least, most uint64) (context.Context, *memory, error) {
	m := &memory{most: most}
	m.open(a, most)
	if m.Reallocate(least) == nil { // as wazero will do, which expects no refusal
		return nil, nil, errNoMemory
	}
	return experimental.WithMemoryAllocator(ctx, m), m, nil
}

// Allocate implements [experimental.MemoryAllocator].
func (m *memory) Allocate(_, _ uint64) experimental.LinearMemory { return m }

// Reallocate implements [experimental.LinearMemory]: nil is a refusal.
func (m *memory) Reallocate(size uint64) []byte {
	if size > m.most {
		return nil
	}
	resized := m.resize(m.current, size)
	if resized != nil {
		m.current = resized
	}
	return resized
}

// Free implements [experimental.LinearMemory].
func (m *memory) Free() {
	m.current = nil
	m.close()
}
