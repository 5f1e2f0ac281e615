package keyvalue

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"go.etcd.io/bbolt"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/reach/keyvalue/internal/change"
)

// FileConfig are the settings of a store in a file.
type FileConfig struct {
	// Path is the file's. It is made if there is none.
	Path string
	// Sync says that a change is on the disk before the call returns. Without it changes are
	// written within a tenth of a second: a host that is killed loses those of that time, and
	// the file is whole all the same.
	Sync bool
	// Logger gets failures of writing that no call returns; slog.Default() if nil.
	Logger *slog.Logger
}

const (
	// flushAfter is how long a change waits for others to be written with it.
	flushAfter = 100 * time.Millisecond
	// retryAfter is how long a store waits after a failure to write.
	retryAfter = time.Second
	// maxWaiting is how many bytes of changes wait to be written, before further changes
	// wait too.
	maxWaiting = 8 << 20
	// entryOverhead counts to these bytes for each change.
	entryOverhead = 128
)

// file is a store in a file of bbolt. Changes are collected in memory. One goroutine writes all that
// have come meanwhile in one transaction.
type file struct {
	config FileConfig
	db     *bbolt.DB
	log    *slog.Logger

	wake    chan struct{} // there is something to write
	hurry   chan struct{} // and somebody waits for it
	closing chan struct{}
	ended   chan struct{} // the writer has

	mu       sync.RWMutex // guards the following
	buckets  map[string]*fileBucket
	versions versions
	waiting  *flush                               // takes changes
	writing  *flush                               // is being written, or nil
	update   func(func(tx *bbolt.Tx) error) error // of db; tests make it fail
	failure  error                                // why the last flush could not be written; without Sync alone
	closed   bool
}

// flush are changes that are written together.
type flush struct {
	changes map[*fileBucket]map[string]core.Value // without a version: the key goes
	used    map[*fileBucket]host.BucketUsage      // at its end; set when the writing begins
	bytes   int
	done    chan struct{} // closed when it has been written, or err says why not
	err     error
}

func newFlush() *flush {
	return &flush{changes: make(map[*fileBucket]map[string]core.Value), done: make(chan struct{})}
}

// set notes the new value of a key.
func (f *flush) set(b *fileBucket, key string, v core.Value) {
	changes := f.changes[b]
	if changes == nil {
		changes = make(map[string]core.Value)
		f.changes[b] = changes
	}
	if _, again := changes[key]; !again {
		f.bytes += len(key) + entryOverhead
	}
	f.bytes += len(v.Data) - len(changes[key].Data)
	changes[key] = v
}

// fileBucket is a bucket in a file.
type fileBucket struct {
	*file
	name string
	used host.BucketUsage // with the changes that wait
}

// Bucket implements [host.KeyValueStore].
func (f *file) Bucket(name string) host.StoreBucket { return f.bucket(name) }

func (f *file) bucket(name string) *fileBucket {
	f.mu.Lock()
	defer f.mu.Unlock()
	b := f.buckets[name]
	if b == nil {
		b = &fileBucket{file: f, name: name}
		f.buckets[name] = b
	}
	return b
}

// Blocks implements [host.KeyValueStore].
func (f *file) Blocks() bool { return true }

// Get implements [host.StoreBucket]. With Sync it returns nothing that could be lost.
func (b *fileBucket) Get(ctx context.Context, key string) (core.Value, error) {
	for {
		b.mu.RLock()
		v, waits, err := b.findLocked(key)
		b.mu.RUnlock()
		if err != nil || waits == nil || !b.config.Sync {
			return v, err
		}
		if err = b.await(ctx, waits); err == nil || ctx.Err() != nil {
			return v, err
		}
	}
}

// findLocked returns the value of a key, and the changes that it is one of if it has not been
// written.
func (b *fileBucket) findLocked(key string) (core.Value, *flush, error) {
	if b.closed {
		return core.Value{}, nil, ErrClosed
	}
	for _, f := range []*flush{b.waiting, b.writing} {
		if f == nil {
			continue
		}
		if v, found := f.changes[b][key]; found {
			return v, f, nil
		}
	}
	v, err := b.read(key)
	return v, nil, err
}

// Write implements [host.StoreBucket].
func (b *fileBucket) Write(ctx context.Context, w host.BucketWrite) (host.BucketWritten, error) {
	if err := b.room(ctx); err != nil {
		return host.BucketWritten{}, err
	}
	done, waits, err := b.change(&w)
	if err == nil && waits != nil && b.config.Sync {
		err = b.await(ctx, waits)
	}
	if err != nil {
		return host.BucketWritten{}, err
	}
	return done, nil
}

// room waits until there is room for another change.
func (b *fileBucket) room(ctx context.Context) error {
	for {
		b.mu.RLock()
		f, full := b.waiting, b.waiting.bytes > maxWaiting && b.failure == nil
		b.mu.RUnlock()
		if !full {
			return nil
		}
		if err := b.await(ctx, f); ctx.Err() != nil {
			return err
		}
	}
}

// change makes a change in memory, and returns the flush that will write it, or nil.
func (b *fileBucket) change(w *host.BucketWrite) (host.BucketWritten, *flush, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	old, waits, err := b.findLocked(w.Key)
	if err == nil && b.failure != nil {
		err = b.failure
	}
	if err != nil {
		return host.BucketWritten{}, nil, err
	}
	c, err := change.Of(w, old)
	if err != nil || c.None {
		return c.Done, waits, err
	}
	used, err := change.After(b.used, w, old, &c)
	if err != nil {
		return host.BucketWritten{}, nil, err
	}
	v := core.Value{}
	if !c.Remove {
		v = core.Value{Data: append([]byte{}, c.Data...), Version: b.versions.next()}
	}
	b.used = used
	b.waiting.set(b, w.Key, v)
	signal(b.wake)
	return c.Done, b.waiting, nil
}

// signal puts an entry into a channel that has room for one.
func signal(to chan struct{}) {
	select {
	case to <- struct{}{}:
	default:
	}
}

// await waits until a flush has been written.
func (f *file) await(ctx context.Context, waits *flush) error {
	signal(f.hurry)
	select {
	case <-waits.done:
		return waits.err
	default:
	}
	select {
	case <-waits.done:
		return waits.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// settle waits until all changes so far have been written.
func (f *file) settle(ctx context.Context) error {
	f.mu.RLock()
	last, failure := f.writing, f.failure
	if len(f.waiting.changes) > 0 {
		last = f.waiting
	}
	closed := f.closed
	f.mu.RUnlock()
	switch {
	case closed:
		return ErrClosed
	case failure != nil:
		return failure
	case last == nil:
		return nil
	}
	return f.await(ctx, last)
}

// write is the goroutine that writes the changes.
func (f *file) write() {
	defer close(f.ended)
	for over := false; !over; {
		select {
		case <-f.wake:
		case <-f.closing:
			over = true
		}
		if !f.config.Sync && !over {
			over = f.linger(flushAfter)
		}
		for f.flush() != nil && !over {
			over = f.linger(retryAfter)
		}
	}
}

// linger waits for a time, or until somebody is in a hurry. over reports that the store is being
// closed.
func (f *file) linger(d time.Duration) (over bool) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-f.hurry:
	case <-f.closing:
		return true
	}
	return false
}

// flush writes the changes that wait. It returns an error if they are to be written again.
func (f *file) flush() error {
	f.mu.Lock()
	now := f.waiting
	if len(now.changes) == 0 {
		f.mu.Unlock()
		return nil
	}
	now.used = make(map[*fileBucket]host.BucketUsage, len(now.changes))
	for b := range now.changes {
		now.used[b] = b.used
	}
	f.writing, f.waiting = now, newFlush()
	update := f.update
	f.mu.Unlock()
	err := update(now.write)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.writing = nil
	if err != nil {
		return f.failedLocked(now, fmt.Errorf("the store cannot write to %s: %w", f.config.Path, err))
	}
	if f.failure != nil {
		f.failure = nil
		f.log.Info("the key-value store can write again", "file", f.config.Path)
	}
	close(now.done)
	return nil
}

// failedLocked takes back changes that could not be written, and those that came later and may be
// made of them. Without Sync their callers know them to be done: then they wait again, and no
// others are taken meanwhile.
func (f *file) failedLocked(now *flush, err error) error {
	if f.config.Sync {
		for _, failed := range []*flush{now, f.waiting} {
			for b := range failed.changes {
				b.used = b.readUsage()
			}
			failed.err = err
			close(failed.done)
		}
		f.waiting = newFlush()
		return nil
	}
	if f.failure == nil {
		f.log.Error("the key-value store cannot write, and takes no changes", "file", f.config.Path, "reason", err)
	}
	f.failure = err
	later := f.waiting
	f.waiting = newFlush()
	for _, of := range []*flush{now, later} {
		for b, changes := range of.changes {
			for key, v := range changes {
				f.waiting.set(b, key, v)
			}
		}
		of.err = err
		close(of.done)
	}
	return err
}

// The buckets of bbolt at the top of a file: bucketsOf has one for each bucket, with the values
// behind their versions, usageOf its usage.
var (
	bucketsOf = []byte("buckets")
	usageOf   = []byte("usage")
)

// write writes the changes.
func (f *flush) write(tx *bbolt.Tx) error {
	all, usage := tx.Bucket(bucketsOf), tx.Bucket(usageOf)
	for b, changes := range f.changes {
		name := []byte(b.name)
		into, err := all.CreateBucketIfNotExists(name)
		if err != nil {
			return err
		}
		for _, key := range slices.Sorted(maps.Keys(changes)) {
			if v := changes[key]; v.Version == 0 {
				err = into.Delete([]byte(key))
			} else {
				err = into.Put([]byte(key), append(binary.BigEndian.AppendUint64(nil, v.Version), v.Data...))
			}
			if err != nil {
				return err
			}
		}
		if f.used[b].Keys == 0 {
			if err = all.DeleteBucket(name); err == nil {
				err = usage.Delete(name)
			}
		} else {
			err = usage.Put(name, usageBytes(f.used[b]))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func usageBytes(used host.BucketUsage) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, uint64(used.Bytes)), uint64(used.Keys))
}

func usageIn(b []byte) (used host.BucketUsage) {
	if len(b) == 16 {
		used.Bytes, used.Keys = int64(binary.BigEndian.Uint64(b)), int64(binary.BigEndian.Uint64(b[8:]))
	}
	return used
}
