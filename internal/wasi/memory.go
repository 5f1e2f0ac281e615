package wasi

import "encoding/binary"

// memory is a view of a guest's memory. It is valid until the guest's code runs
// again. Its methods return false for addresses out of range.
type memory []byte

func (in *Instance) memory() memory { return in.guest.Memory() }

// read returns size bytes, without copying them.
func (m memory) read(at, size uint32) ([]byte, bool) {
	end := uint64(at) + uint64(size)
	if end > uint64(len(m)) {
		return nil, false
	}
	return m[at:end:end], true
}

// write32 writes v as 4 bytes.
func (m memory) write32(at, v uint32) bool {
	b, ok := m.read(at, 4)
	if ok {
		binary.LittleEndian.PutUint32(b, v)
	}
	return ok
}

// write64 writes v as 8 bytes.
func (m memory) write64(at uint32, v uint64) bool {
	b, ok := m.read(at, 8)
	if ok {
		binary.LittleEndian.PutUint64(b, v)
	}
	return ok
}
