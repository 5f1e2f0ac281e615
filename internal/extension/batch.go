package extension

import "sync"

// Batch gathers what is to be sent on a stream, for the one goroutine that sends.
// The zero value is empty and without a limit.
type Batch[T any] struct {
	// Most is how many bytes, or whatever sizes count, wait until Put does; 0 is
	// without a limit. It is set before use.
	Most int

	mu     sync.Mutex // guards what follows
	moved  sync.Cond  // something has been put or taken, or the end has come
	items  []T
	size   int
	closed bool
}

// Put adds an item. Where there is a limit it waits until there is room. It
// reports false when the batch was closed: the item is not taken then.
func (b *Batch[T]) Put(item T, size int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.moved.L = &b.mu
	for !b.closed && b.Most > 0 && b.size > b.Most {
		b.moved.Wait()
	}
	if b.closed {
		return false
	}
	b.items = append(b.items, item)
	b.size += size
	b.moved.Broadcast()
	return true
}

// Take waits for items and returns all there are; spare is used for the next
// ones. It returns false once the batch is closed and empty.
func (b *Batch[T]) Take(spare []T) ([]T, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.moved.L = &b.mu
	for len(b.items) == 0 && !b.closed {
		b.moved.Wait()
	}
	items := b.items
	b.items, b.size = spare[:0], 0
	b.moved.Broadcast()
	return items, len(items) > 0
}

// Close lets nothing more in. What is there can still be taken.
func (b *Batch[T]) Close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.moved.L = &b.mu
	b.closed = true
	b.moved.Broadcast()
}
