package keyvalue

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/reach/keyvalue/internal/change"
)

// memory is a store in the memory of the host.
type memory struct {
	mu      sync.RWMutex
	buckets map[string]*memoryBucket
}

// NewMemory returns a store in the memory of the host. It ends with the host.
func NewMemory() Store { return &memory{buckets: make(map[string]*memoryBucket)} }

// Bucket implements [host.KeyValueStore].
func (m *memory) Bucket(name string) host.StoreBucket {
	m.mu.Lock()
	defer m.mu.Unlock()
	b := m.buckets[name]
	if b == nil {
		b = &memoryBucket{values: make(map[string]core.Value), versions: newVersions()}
		m.buckets[name] = b
	}
	return b
}

// Blocks implements [host.KeyValueStore].
func (m *memory) Blocks() bool { return false }

// Buckets implements [Store].
func (m *memory) Buckets(context.Context) ([]string, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	var names []string
	for name, b := range m.buckets {
		b.mu.RLock()
		if len(b.values) > 0 {
			names = append(names, name)
		}
		b.mu.RUnlock()
	}
	slices.Sort(names)
	return names, nil
}

// Export implements [Store].
func (m *memory) Export(ctx context.Context, bucket string, each func(key string, data []byte) error) error {
	m.mu.RLock()
	b := m.buckets[bucket]
	m.mu.RUnlock()
	if b == nil {
		return nil
	}
	b.mu.RLock()
	values := maps.Clone(b.values) // nobody changes the data
	b.mu.RUnlock()
	for _, key := range slices.Sorted(maps.Keys(values)) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := each(key, values[key].Data); err != nil {
			return err
		}
	}
	return nil
}

// Close implements [Store].
func (m *memory) Close() error { return nil }

// memoryBucket is a bucket in memory.
type memoryBucket struct {
	mu       sync.RWMutex // guards the following
	values   map[string]core.Value
	used     host.BucketUsage
	versions versions

	// The keys in their order, as far as somebody has asked for them: those of sorted, in
	// which some may be that have gone, and those that came later.
	sorted, fresh []string
}

// Get implements [host.StoreBucket].
func (b *memoryBucket) Get(_ context.Context, key string) (core.Value, error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.values[key], nil
}

// Write implements [host.StoreBucket].
func (b *memoryBucket) Write(_ context.Context, w host.BucketWrite) (host.BucketWritten, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	old := b.values[w.Key]
	c, err := change.Of(&w, old)
	if err != nil || c.None {
		return c.Done, err
	}
	if b.used, err = change.After(b.used, &w, old, &c); err != nil {
		return host.BucketWritten{}, err
	}
	if c.Remove {
		delete(b.values, w.Key)
		return c.Done, nil
	}
	if old.Version == 0 {
		b.addLocked(w.Key)
	}
	b.values[w.Key] = core.Value{Data: bytes.Clone(c.Data), Version: b.versions.next()}
	return c.Done, nil
}

// churn is how many more entries there may be than keys.
const churn = 1000

// addLocked notes a new key.
func (b *memoryBucket) addLocked(key string) {
	b.fresh = append(b.fresh, key)
	if len(b.fresh) > 2*len(b.values)+churn { // keys that come and go
		b.sortLocked()
	}
}

// sortLocked makes sorted all keys in their order.
func (b *memoryBucket) sortLocked() {
	slices.Sort(b.fresh)
	merged := make([]string, 0, len(b.values))
	old, fresh := b.sorted, b.fresh
	for len(old)+len(fresh) > 0 {
		from := &old
		if len(old) == 0 || len(fresh) > 0 && fresh[0] < old[0] {
			from = &fresh
		}
		key := (*from)[0]
		*from = (*from)[1:]
		if _, there := b.values[key]; there && (len(merged) == 0 || merged[len(merged)-1] != key) {
			merged = append(merged, key)
		}
	}
	b.sorted, b.fresh = merged, nil
}

// Keys implements [host.StoreBucket].
func (b *memoryBucket) Keys(_ context.Context, after string, most int) (keys []string, more bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.fresh) > 0 || len(b.sorted) > len(b.values)+churn {
		b.sortLocked()
	}
	at, found := slices.BinarySearch(b.sorted, after)
	if found {
		at++
	}
	for _, key := range b.sorted[at:] {
		if _, there := b.values[key]; !there {
			continue
		}
		if len(keys) == most {
			return keys, true, nil
		}
		keys = append(keys, key)
	}
	return keys, false, nil
}

// Usage implements [host.StoreBucket].
func (b *memoryBucket) Usage(context.Context) (host.BucketUsage, error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.used, nil
}
