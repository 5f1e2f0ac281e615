//go:build !linux

package wazero

// reserve is empty. Memories are on Go's heap and move when they grow.
type reserve struct{}

type arena struct{}

func (*reserve) open(*arena, uint64) {}

func (*reserve) resize(current []byte, size uint64) []byte {
	if current == nil || size > uint64(cap(current)) {
		current = append(make([]byte, 0, size), current...)
	}
	return current[:size]
}

func (*reserve) close() {}
