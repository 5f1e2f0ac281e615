package wazero

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/tetratelabs/wazero/experimental"
)

// memory is a guest's only linear memory. It serves wazero as an allocator, and the
// engine reads it without calling wazero.
type memory struct {
	current []byte // the guest's memory at present
	most    uint64 // maximum size in bytes
	reserve
	size atomic.Int64 // of current; for other goroutines than the one that calls the guest
}

// errNoMemory reports that the system has no memory left for a guest.
var errNoMemory = errors.New("the system has no memory left for a guest")

// newMemory returns a memory of least bytes, which may grow to most bytes, and a
// context that makes wazero use it. If wazero fails to instantiate, the caller must
// free it.
func newMemory(ctx context.Context, a *arena, least, most uint64) (context.Context, *memory, error) {
	m := &memory{most: most}
	m.open(a, most)
	if m.Reallocate(least) == nil { // wazero does the same, but cannot handle a failure
		return nil, nil, errNoMemory
	}
	return experimental.WithMemoryAllocator(ctx, m), m, nil
}

// Allocate implements [experimental.MemoryAllocator].
func (m *memory) Allocate(_, _ uint64) experimental.LinearMemory { return m }

// Reallocate implements [experimental.LinearMemory]. It returns nil to refuse.
func (m *memory) Reallocate(size uint64) []byte {
	if size > m.most {
		return nil
	}
	resized := m.resize(m.current, size)
	if resized != nil {
		m.current = resized
		m.size.Store(int64(size))
	}
	return resized
}

// Free implements [experimental.LinearMemory].
func (m *memory) Free() {
	m.current = nil
	m.size.Store(0)
	m.close()
}
