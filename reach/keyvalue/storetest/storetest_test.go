package storetest

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/reach/keyvalue"
)

// faulty is a store with a fault: where a function is there, it takes the place of the store's own.
type faulty struct {
	keyvalue.Store
	key    func(string) string
	get    func(core.Value) core.Value
	write  func(b host.StoreBucket, ctx context.Context, w host.BucketWrite) (host.BucketWritten, error)
	keys   func(b host.StoreBucket, ctx context.Context, after string, most int) ([]string, bool, error)
	export func(s keyvalue.Store, ctx context.Context, bucket string, each func(string, []byte) error) error
}

type faultyBucket struct {
	host.StoreBucket
	of *faulty
}

func (f *faulty) Bucket(name string) host.StoreBucket {
	return faultyBucket{f.Store.Bucket(name), f}
}

func (f *faulty) Export(ctx context.Context, bucket string, each func(string, []byte) error) error {
	if f.export != nil {
		return f.export(f.Store, ctx, bucket, each)
	}
	return f.Store.Export(ctx, bucket, each)
}

func (b faultyBucket) Get(ctx context.Context, key string) (core.Value, error) {
	if b.of.key != nil {
		key = b.of.key(key)
	}
	v, err := b.StoreBucket.Get(ctx, key)
	if b.of.get != nil && v.Version != 0 {
		v = b.of.get(v)
	}
	return v, err
}

func (b faultyBucket) Write(ctx context.Context, w host.BucketWrite) (host.BucketWritten, error) {
	if b.of.key != nil {
		w.Key = b.of.key(w.Key)
	}
	if b.of.write != nil {
		return b.of.write(b.StoreBucket, ctx, w)
	}
	return b.StoreBucket.Write(ctx, w)
}

func (b faultyBucket) Keys(ctx context.Context, after string, most int) ([]string, bool, error) {
	if b.of.keys != nil {
		return b.of.keys(b.StoreBucket, ctx, after, most)
	}
	return b.StoreBucket.Keys(ctx, after, most)
}

// faults has, for each promise, stores that break it.
var faults = []struct {
	promise, fault string
	store          func() *faulty
}{
	{"values", "has one version of a key", func() *faulty {
		return &faulty{get: func(v core.Value) core.Value { v.Version = 1; return v }}
	}},
	{"values", "cuts large values", func() *faulty {
		return &faulty{get: func(v core.Value) core.Value { v.Data = v.Data[:min(len(v.Data), 1<<16)]; return v }}
	}},
	{"odd keys", "takes one key for another", func() *faulty {
		return &faulty{key: func(key string) string { return strings.ReplaceAll(key, ".", "=2E") }}
	}},
	{"increment", "begins again behind the largest number", func() *faulty {
		return &faulty{write: func(b host.StoreBucket, ctx context.Context, w host.BucketWrite) (host.BucketWritten, error) {
			done, err := b.Write(ctx, w)
			if err != nil && w.Kind == host.WriteIncrement {
				return host.BucketWritten{}, nil
			}
			return done, err
		}}
	}},
	{"swap", "looks at no version", func() *faulty {
		return &faulty{write: func(b host.StoreBucket, ctx context.Context, w host.BucketWrite) (host.BucketWritten, error) {
			if w.Kind == host.WriteSwap {
				w.Kind = host.WriteSet
				_, err := b.Write(ctx, w)
				return host.BucketWritten{Swapped: true}, err
			}
			return b.Write(ctx, w)
		}}
	}},
	{"keys", "ends after a page", func() *faulty {
		return &faulty{keys: func(b host.StoreBucket, ctx context.Context, after string, most int) ([]string, bool, error) {
			keys, _, err := b.Keys(ctx, after, most)
			return keys, false, err
		}}
	}},
	{"keys while others change them", "keeps the first listing", keepsListing},
	{"quota", "knows no quota", func() *faulty { return &faulty{write: generous(1 << 20)} }},
	{"quota of writers that race", "takes some more", func() *faulty { return &faulty{write: generous(3)} }},
	{"atomicity", "loses increments", func() *faulty {
		return &faulty{write: func(b host.StoreBucket, ctx context.Context, w host.BucketWrite) (host.BucketWritten, error) {
			if w.Kind == host.WriteIncrement {
				if v, err := b.Get(ctx, w.Key); err != nil || string(v.Data) == "7" {
					w.Delta = 0
				}
			}
			return b.Write(ctx, w)
		}}
	}},
	{"export", "leaves the last pair out", func() *faulty {
		return &faulty{export: func(s keyvalue.Store, ctx context.Context, bucket string, each func(string, []byte) error) error {
			return s.Export(ctx, bucket, func(key string, data []byte) error {
				if key == "099" {
					return nil
				}
				return each(key, data)
			})
		}}
	}},
	{"export while others write", "reads one key after the other", readsSlowly},
	{"end of the context", "changes half", func() *faulty {
		return &faulty{write: func(b host.StoreBucket, ctx context.Context, w host.BucketWrite) (host.BucketWritten, error) {
			if err := ctx.Err(); err != nil {
				w.Data = w.Data[:1]
				_, _ = b.Write(context.WithoutCancel(ctx), w)
				return host.BucketWritten{}, err
			}
			return b.Write(ctx, w)
		}}
	}},
}

// generous takes more than the quota.
func generous(more int64) func(host.StoreBucket, context.Context, host.BucketWrite) (host.BucketWritten, error) {
	return func(b host.StoreBucket, ctx context.Context, w host.BucketWrite) (host.BucketWritten, error) {
		if w.Quota != host.NoBucketQuota {
			w.Quota.Bytes, w.Quota.Keys = w.Quota.Bytes+8*more, w.Quota.Keys+more
		}
		return b.Write(ctx, w)
	}
}

// keepsListing returns a store that makes all pages of the keys of the first one.
func keepsListing() *faulty {
	var first []string
	return &faulty{keys: func(b host.StoreBucket, ctx context.Context, after string, most int) ([]string, bool, error) {
		if after == "" {
			var err error
			if first, _, err = b.Keys(ctx, "", 1000); err != nil {
				return nil, false, err
			}
		}
		at, found := slices.BinarySearch(first, after)
		if found {
			at++
		}
		left := first[at:]
		return left[:min(most, len(left))], len(left) > most, nil
	}}
}

// readsSlowly returns a store that exports what it reads key for key, while others write.
func readsSlowly() *faulty {
	return &faulty{export: func(s keyvalue.Store, ctx context.Context, bucket string, each func(string, []byte) error) error {
		b := s.Bucket(bucket)
		keys, _, err := b.Keys(ctx, "", 1000)
		for i, key := range keys {
			v, _ := b.Get(ctx, key)
			if i == 0 {
				err = awaitChanges(ctx, b, keys[len(keys)-1])
			}
			if err == nil {
				err = each(key, v.Data)
			}
			if err != nil {
				return err
			}
		}
		return err
	}}
}

// awaitChanges waits until a key has changed some times.
func awaitChanges(ctx context.Context, b host.StoreBucket, key string) error {
	before := core.Value{}
	for changes := 0; changes < 4; {
		v, err := b.Get(ctx, key)
		if err != nil || ctx.Err() != nil {
			return fmt.Errorf("nobody writes: %v, %v", err, ctx.Err())
		}
		if v.Version != before.Version {
			changes++
		}
		before = v
		runtime.Gosched()
	}
	return nil
}

// recorder is a T that notes failures.
type recorder struct {
	ctx context.Context

	mu       sync.Mutex // guards failures
	failures []string
}

func (r *recorder) Context() context.Context { return r.ctx }
func (r *recorder) Helper()                  {}

func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}

// failuresOf runs a promise with a store.
func failuresOf(t *testing.T, p promise, s Store) []string {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	r := &recorder{ctx: ctx}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		p.check(r, s)
	}()
	<-ended
	return r.failures
}

// TestFaults: each promise fails a store that breaks it, and none that does not.
func TestFaults(t *testing.T) {
	for _, p := range promises {
		if failures := failuresOf(t, p, &faulty{Store: keyvalue.NewMemory()}); len(failures) > 0 {
			t.Errorf("%s: a store without a fault fails: %v", p.name, failures)
		}
		broken := 0
		for _, f := range faults {
			if f.promise != p.name {
				continue
			}
			broken++
			s := f.store()
			s.Store = keyvalue.NewMemory()
			if len(failuresOf(t, p, s)) == 0 {
				t.Errorf("%s: a store that %s does not fail", p.name, f.fault)
			}
		}
		if broken == 0 {
			t.Errorf("%s: no store breaks it", p.name)
		}
	}
}
