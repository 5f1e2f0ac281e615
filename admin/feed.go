package admin

import "sync"

// keptEntries and keptBytes bound the entries that a feed keeps.
const (
	keptEntries = 1000
	keptBytes   = 4 << 20
)

// feed keeps the last entries of a stream. A reader holds the number of the entry that it wants
// next, and nothing else: it holds up no writer and takes no memory, and entries that it was
// too slow for are gone.
type feed[T any] struct {
	// stamp sets the number of an entry, and adds how many before it a reader has missed.
	stamp func(entry *T, number, missed uint64)

	mu    sync.Mutex    // guards the following
	kept  []sized[T]    // the oldest first, with numbers that follow each other
	bytes int           // of kept
	last  uint64        // the number of the newest entry
	more  chan struct{} // closed with the next entry; nil if nobody waits
	ended bool
}

type sized[T any] struct {
	entry T
	size  int
}

// add appends an entry of about so many bytes.
func (f *feed[T]) add(entry T, size int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last++
	f.stamp(&entry, f.last, 0)
	f.kept, f.bytes = append(f.kept, sized[T]{entry, size}), f.bytes+size
	for len(f.kept) > keptEntries || f.bytes > keptBytes && len(f.kept) > 1 {
		f.bytes -= f.kept[0].size
		f.kept[0] = sized[T]{}
		f.kept = f.kept[1:]
	}
	f.wakeLocked()
}

// end tells the readers that nothing follows.
func (f *feed[T]) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ended = true
	f.wakeLocked()
}

func (f *feed[T]) wakeLocked() {
	if f.more != nil {
		close(f.more)
		f.more = nil
	}
}

// batch is a part of a feed.
type batch[T any] struct {
	entries []T
	first   uint64 // the number of the first of entries
	missed  uint64 // entries before it that are gone
	ended   bool   // nothing follows
	more    <-chan struct{}
}

// next is the number of the entry after the batch.
func (b *batch[T]) next() uint64 { return b.first + uint64(len(b.entries)) }

// read returns at most so many entries from a number on. If there are none, a receive from more
// waits for the next one.
func (f *feed[T]) read(from uint64, most int) (b batch[T]) {
	f.mu.Lock()
	defer f.mu.Unlock()
	oldest := f.last + 1 - uint64(len(f.kept))
	if from < oldest {
		b.missed, from = oldest-from, oldest
	}
	b.first = from
	for i := from - oldest; i < uint64(len(f.kept)) && len(b.entries) < most; i++ {
		b.entries = append(b.entries, f.kept[i].entry)
	}
	b.ended = f.ended && b.next() > f.last
	if f.more == nil && !f.ended {
		f.more = make(chan struct{})
	}
	b.more = f.more
	return b
}

// bounds returns the number of the oldest entry that is kept, and of the newest one.
func (f *feed[T]) bounds() (oldest, newest uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.last + 1 - uint64(len(f.kept)), f.last
}
