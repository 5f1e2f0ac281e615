package extension

import "sync"

// Batch collects items for the one goroutine that sends on a stream. The zero value
// is empty and has no limit.
type Batch[T any] struct {
	// Most is the total size of waiting items above which Put blocks; 0 means no
	// limit. The size arguments of Put have the same unit, usually bytes. Set Most
	// before use.
	Most int

	mu      sync.Mutex // guards the fields below
	changed sync.Cond  // signals that items were put or taken, or that the batch was closed
	items   []T
	size    int
	closed  bool
}

// Put adds an item. It blocks while the limit is exceeded. It returns false, and
// does not add the item, if the batch is closed.
func (b *Batch[T]) Put(item T, size int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.changed.L = &b.mu
	for !b.closed && b.Most > 0 && b.size > b.Most {
		b.changed.Wait()
	}
	if b.closed {
		return false
	}
	b.items = append(b.items, item)
	b.size += size
	b.changed.Broadcast()
	return true
}

// Take blocks until there are items and returns all of them. The batch reuses spare
// for the next items. Take returns false if the batch is closed and empty.
func (b *Batch[T]) Take(spare []T) ([]T, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.changed.L = &b.mu
	for len(b.items) == 0 && !b.closed {
		b.changed.Wait()
	}
	items := b.items
	b.items, b.size = spare[:0], 0
	b.changed.Broadcast()
	return items, len(items) > 0
}

// Close makes Put return false. Take still returns the remaining items.
func (b *Batch[T]) Close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.changed.L = &b.mu
	b.closed = true
	b.changed.Broadcast()
}
