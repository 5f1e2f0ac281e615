package keyvalue

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/reach/keyvalue/storetest"
)

// TestStores: all stores keep the same promises.
func TestStores(t *testing.T) {
	for name, open := range map[string]func(t *testing.T) storetest.Store{
		"memory": func(*testing.T) storetest.Store { return NewMemory() },
		"file":   func(t *testing.T) storetest.Store { return openTest(t, filepath.Join(t.TempDir(), "kv.db"), false) },
		"sync":   func(t *testing.T) storetest.Store { return openTest(t, filepath.Join(t.TempDir(), "kv.db"), true) },
	} {
		t.Run(name, func(t *testing.T) { storetest.Run(t, open) })
	}
}

func openTest(t testing.TB, path string, sync bool) Store {
	s, err := OpenFile(FileConfig{Path: path, Sync: sync})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// tester calls a bucket for a test, and fails it for an unexpected error.
type tester struct {
	t testing.TB
	b host.StoreBucket
}

func (x tester) set(key, data string) {
	x.t.Helper()
	x.write(host.BucketWrite{Kind: host.WriteSet, Key: key, Data: []byte(data)})
}

func (x tester) remove(key string) {
	x.t.Helper()
	x.write(host.BucketWrite{Kind: host.WriteDelete, Key: key})
}

func (x tester) write(w host.BucketWrite) {
	x.t.Helper()
	if _, err := x.try(w); err != nil {
		x.t.Fatal(err)
	}
}

func (x tester) try(w host.BucketWrite) (host.BucketWritten, error) {
	w.Quota = host.NoBucketQuota
	return x.b.Write(x.t.Context(), w)
}

func (x tester) get(key string) core.Value {
	x.t.Helper()
	v, err := x.b.Get(x.t.Context(), key)
	if err != nil {
		x.t.Fatal(err)
	}
	return v
}

func (x tester) has(key, data string) {
	x.t.Helper()
	if v := x.get(key); v.Version == 0 || string(v.Data) != data {
		x.t.Fatalf("%s is %q (version %d), want %q", key, v.Data, v.Version, data)
	}
}

func (x tester) used(bytes, keys int64) {
	x.t.Helper()
	got, err := x.b.Usage(x.t.Context())
	if want := (host.BucketUsage{Bytes: bytes, Keys: keys}); err != nil || got != want {
		x.t.Fatalf("usage is %v, %v, want %v", got, err, want)
	}
}

// TestChurn: keys that come and go leave nothing behind.
func TestChurn(t *testing.T) {
	x := tester{t: t, b: NewMemory().Bucket("b")}
	for i := range 20 * churn {
		key := fmt.Sprint(i)
		x.set(key, "")
		x.remove(key)
	}
	if b := x.b.(*memoryBucket); len(b.fresh) > 3*churn || len(b.sorted) > 3*churn {
		t.Errorf("%d and %d keys are kept of a bucket that is empty", len(b.fresh), len(b.sorted))
	}
}
