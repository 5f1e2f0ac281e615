// Package storetest is a suite that tests a key-value store: a store's own test calls it in a few
// lines.
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) storetest.Store { return mystore.New() })
//	}
package storetest

import (
	"context"
	"slices"
	"testing"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
)

// Store is a store under test.
type Store interface {
	host.KeyValueStore

	// Buckets returns the names of the buckets that are not empty, sorted.
	Buckets(ctx context.Context) ([]string, error)
	// Export calls each with the pairs of a bucket as they were at one moment, sorted.
	Export(ctx context.Context, bucket string, each func(key string, data []byte) error) error
}

// T is the part of [testing.T] that a promise uses.
type T interface {
	Context() context.Context
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	Helper()
}

// promise is one that each store keeps.
type promise struct {
	name  string
	check func(t T, s Store)
}

var promises = []promise{
	{"values", values}, {"odd keys", oddKeys}, {"increment", increment}, {"swap", swap}, {"keys", keys}, {"keys while others change them", keysChange},
	{"quota", quota}, {"quota of writers that race", quotaRace}, {"atomicity", atomicity}, {"export", export}, {"export while others write", exportChange}, {"end of the context", contextEnds},
}

// Run runs the suite. Each promise has a store of its own, which open returns empty.
func Run(t *testing.T, open func(t *testing.T) Store) {
	for _, p := range promises {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			p.check(t, open(t))
		})
	}
}

// tester calls a bucket for a promise, which fails for an unexpected error.
type tester struct {
	t     T
	b     host.StoreBucket
	quota host.BucketQuota
}

func (x tester) write(w host.BucketWrite) host.BucketWritten {
	x.t.Helper()
	done, err := x.try(w)
	if err != nil {
		x.t.Fatalf("%s of %.40q: %v", kindName(w.Kind), w.Key, err)
	}
	return done
}

func kindName(k host.WriteKind) string {
	return [...]string{"set", "delete", "increment", "swap"}[k]
}

func (x tester) try(w host.BucketWrite) (host.BucketWritten, error) {
	if w.Quota = x.quota; w.Quota == (host.BucketQuota{}) {
		w.Quota = host.NoBucketQuota
	}
	return x.b.Write(x.t.Context(), w)
}

func (x tester) set(key, data string) {
	x.t.Helper()
	x.write(host.BucketWrite{Kind: host.WriteSet, Key: key, Data: []byte(data)})
}

func (x tester) remove(key string) {
	x.t.Helper()
	x.write(host.BucketWrite{Kind: host.WriteDelete, Key: key})
}

func (x tester) get(key string) core.Value {
	x.t.Helper()
	v, err := x.b.Get(x.t.Context(), key)
	if err != nil {
		x.t.Fatalf("get of %.40q: %v", key, err)
	}
	return v
}

func (x tester) has(key, data string) {
	x.t.Helper()
	if v := x.get(key); v.Version == 0 || string(v.Data) != data {
		x.t.Fatalf("%.40q is %.40q (version %d), want %.40q", key, v.Data, v.Version, data)
	}
}

func (x tester) used(bytes, keys int64) {
	x.t.Helper()
	got, err := x.b.Usage(x.t.Context())
	if want := (host.BucketUsage{Bytes: bytes, Keys: keys}); err != nil || got != want {
		x.t.Fatalf("usage is %v, %v, want %v", got, err, want)
	}
}

// all returns all keys, so many at a time.
func (x tester) all(most int) (all []string) {
	x.t.Helper()
	for after, more := "", true; more; {
		var page []string
		var err error
		if page, more, err = x.b.Keys(x.t.Context(), after, most); err != nil || len(page) > most || more && len(page) < most {
			x.t.Fatalf("%d keys, more is %v: %v", len(page), more, err)
		}
		if all = append(all, page...); len(page) > 0 {
			after = page[len(page)-1]
		}
	}
	if !slices.IsSorted(all) {
		x.t.Fatalf("the keys are not in their order")
	}
	return all
}
