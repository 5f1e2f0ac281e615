package keyvalue

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
)

// stores are all kinds of stores, which must do the same.
var stores = map[string]func(t *testing.T) Store{
	"memory": func(*testing.T) Store { return NewMemory() },
	"file":   func(t *testing.T) Store { return openTest(t, filepath.Join(t.TempDir(), "kv.db"), false) },
	"sync":   func(t *testing.T) Store { return openTest(t, filepath.Join(t.TempDir(), "kv.db"), true) },
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

func eachStore(t *testing.T, test func(t *testing.T, s Store)) {
	for _, name := range slices.Sorted(maps.Keys(stores)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, stores[name](t))
		})
	}
}

// tester calls a bucket for a test, and fails it for an unexpected error.
type tester struct {
	t     testing.TB
	b     host.StoreBucket
	quota host.BucketQuota
}

func (x tester) write(w host.BucketWrite) host.BucketWritten {
	x.t.Helper()
	done, err := x.try(w)
	if err != nil {
		x.t.Fatal(err)
	}
	return done
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

func TestValues(t *testing.T) {
	eachStore(t, func(t *testing.T, s Store) {
		x := tester{t: t, b: s.Bucket("shop/cart")}
		if v := x.get("a"); v.Version != 0 || v.Data != nil {
			t.Fatalf("an empty bucket has %v", v)
		}
		data := []byte("one")
		x.write(host.BucketWrite{Kind: host.WriteSet, Key: "a", Data: data})
		copy(data, "XXX") // the store has a copy
		x.has("a", "one")
		first := x.get("a").Version
		x.set("a", "")
		x.has("a", "")
		if x.get("a").Version == first {
			t.Error("the version is the same after a change")
		}
		x.used(1, 1)
		x.remove("a")
		x.remove("a")
		if v := x.get("a"); v.Version != 0 {
			t.Errorf("a is %v after its removal", v)
		}
		x.used(0, 0)
		tester{t: t, b: s.Bucket("other/cart")}.set("a", "theirs")
		if x.get("a").Version != 0 {
			t.Error("a bucket has another one's key")
		}
	})
}

func TestIncrement(t *testing.T) {
	eachStore(t, func(t *testing.T, s Store) {
		x := tester{t: t, b: s.Bucket("b")}
		for _, step := range []struct{ delta, want int64 }{{3, 3}, {-5, -2}, {0, -2}, {math.MaxInt64, math.MaxInt64 - 2}, {2, math.MaxInt64}} {
			if done := x.write(host.BucketWrite{Kind: host.WriteIncrement, Key: "n", Delta: step.delta}); done.Number != step.want {
				t.Fatalf("%d more is %d, want %d", step.delta, done.Number, step.want)
			}
			x.has("n", fmt.Sprint(step.want))
		}
		if _, err := x.try(host.BucketWrite{Kind: host.WriteIncrement, Key: "n", Delta: 1}); err == nil {
			t.Error("a sum that does not fit was taken")
		}
		x.set("m", fmt.Sprint(math.MinInt64+1))
		if _, err := x.try(host.BucketWrite{Kind: host.WriteIncrement, Key: "m", Delta: math.MinInt64}); err == nil {
			t.Error("a sum that does not fit was taken")
		}
		for _, text := range []string{"", "x", "1.5", "9223372036854775808", " 1"} {
			x.set("t", text)
			if _, err := x.try(host.BucketWrite{Kind: host.WriteIncrement, Key: "t", Delta: 1}); err == nil {
				t.Errorf("%q counted as a number", text)
			}
			x.has("t", text)
		}
	})
}

func TestSwap(t *testing.T) {
	eachStore(t, func(t *testing.T, s Store) {
		x := tester{t: t, b: s.Bucket("b")}
		swap := func(version uint64, data string) bool {
			return x.write(host.BucketWrite{Kind: host.WriteSwap, Key: "k", Version: version, Data: []byte(data)}).Swapped
		}
		if !swap(0, "one") {
			t.Fatal("a key without a value was not set")
		}
		if swap(0, "two") {
			t.Fatal("a key with a value was set as if it had none")
		}
		version := x.get("k").Version
		x.set("k", "else")
		x.set("k", "one") // the same value is another version
		if swap(version, "two") {
			t.Fatal("a value that was changed meanwhile was swapped")
		}
		x.remove("k")
		x.set("k", "one")
		if swap(version, "two") {
			t.Fatal("a key that went and came again was swapped")
		}
		if !swap(x.get("k").Version, "three") {
			t.Fatal("the version that the key has was refused")
		}
		x.has("k", "three")
	})
}

func TestKeys(t *testing.T) {
	eachStore(t, func(t *testing.T, s Store) {
		x := tester{t: t, b: s.Bucket("b")}
		want := map[string]bool{}
		random := rand.New(rand.NewPCG(1, 2))
		for i := range 400 {
			key := fmt.Sprint("key-", random.IntN(150))
			if want[key] = i%3 > 0; want[key] {
				x.set(key, "v")
			} else {
				delete(want, key)
				x.remove(key)
			}
			if i%100 == 99 {
				got := allKeys(t, x.b, 1+i%7)
				if sorted := slices.Sorted(maps.Keys(want)); !slices.Equal(got, sorted) {
					t.Fatalf("keys are %v, want %v", got, sorted)
				}
			}
		}
		keys, more, err := x.b.Keys(t.Context(), "zzz", 10)
		if len(keys) != 0 || more || err != nil {
			t.Errorf("behind all keys there are %v, %v, %v", keys, more, err)
		}
	})
}

// allKeys returns all keys, so many at a time.
func allKeys(t *testing.T, b host.StoreBucket, most int) (all []string) {
	t.Helper()
	for after, more := "", true; more; {
		var keys []string
		var err error
		if keys, more, err = b.Keys(t.Context(), after, most); err != nil || len(keys) > most || more && len(keys) < most {
			t.Fatalf("%d keys, more is %v: %v", len(keys), more, err)
		}
		if all = append(all, keys...); len(keys) > 0 {
			after = keys[len(keys)-1]
		}
	}
	return all
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

func TestQuota(t *testing.T) {
	eachStore(t, func(t *testing.T, s Store) {
		x := tester{t: t, b: s.Bucket("b"), quota: host.BucketQuota{Bytes: 10, Keys: 2}}
		refused := func(want error, w host.BucketWrite) {
			t.Helper()
			before := x.get(w.Key)
			if _, err := x.try(w); !errors.Is(err, want) {
				t.Fatalf("the error is %v, want %v", err, want)
			}
			if now := x.get(w.Key); now.Version != before.Version {
				t.Fatal("a write that was refused has changed the key")
			}
		}
		x.set("a", "123456789")
		x.used(10, 1)
		refused(host.ErrBucketBytes, host.BucketWrite{Kind: host.WriteSet, Key: "a", Data: []byte("1234567890")})
		refused(host.ErrBucketBytes, host.BucketWrite{Kind: host.WriteSet, Key: "b"})
		refused(host.ErrBucketBytes, host.BucketWrite{Kind: host.WriteIncrement, Key: "b", Delta: 1})
		refused(host.ErrBucketBytes, host.BucketWrite{Kind: host.WriteSwap, Key: "b"})
		x.set("a", "1")
		x.set("b", "1")
		x.used(4, 2)
		refused(host.ErrBucketKeys, host.BucketWrite{Kind: host.WriteSet, Key: "c"})
		x.quota = host.BucketQuota{Bytes: 2, Keys: 1} // less than there is
		x.set("a", "2")
		refused(host.ErrBucketBytes, host.BucketWrite{Kind: host.WriteSet, Key: "a", Data: []byte("22")})
		x.remove("a")
		x.used(2, 1)
	})
}

// TestQuotaRace: writers that race do not pass the quota, and the usage is that of all keys.
func TestQuotaRace(t *testing.T) {
	eachStore(t, func(t *testing.T, s Store) {
		const most = 50
		b := s.Bucket("b")
		quota := host.BucketQuota{Bytes: most * 8, Keys: most}
		var taken atomic.Int64
		var all sync.WaitGroup
		for g := range 8 {
			all.Go(func() {
				for i := range 30 {
					_, err := b.Write(context.Background(), host.BucketWrite{Kind: host.WriteSet, Key: fmt.Sprintf("%02d-%02d", g, i), Data: []byte("xxx"), Quota: quota})
					switch {
					case err == nil:
						taken.Add(1)
					case !errors.Is(err, host.ErrBucketKeys) && !errors.Is(err, host.ErrBucketBytes):
						t.Error(err)
					}
					if i%5 == 4 {
						if _, err := b.Write(context.Background(), host.BucketWrite{Kind: host.WriteDelete, Key: fmt.Sprintf("%02d-%02d", g, i-4)}); err != nil {
							t.Error(err)
						}
					}
					if used, err := b.Usage(context.Background()); err != nil || used.Keys > quota.Keys || used.Bytes > quota.Bytes {
						t.Errorf("the usage is %v, %v", used, err)
					}
				}
			})
		}
		all.Wait()
		keys := allKeys(t, b, 1000)
		if len(keys) > most || taken.Load() < most {
			t.Errorf("%d keys are there, %d writes were taken", len(keys), taken.Load())
		}
		tester{t: t, b: b}.used(int64(len(keys)*8), int64(len(keys)))
	})
}

// TestAtomicity: increments and swaps of many are as if one came after the other.
func TestAtomicity(t *testing.T) {
	eachStore(t, func(t *testing.T, s Store) {
		const writers, times = 4, 25
		x := tester{t: t, b: s.Bucket("b")}
		var all sync.WaitGroup
		for range writers {
			all.Go(func() {
				for range times {
					if _, err := x.try(host.BucketWrite{Kind: host.WriteIncrement, Key: "n", Delta: 1}); err != nil {
						t.Error(err)
					}
					for swapped := false; !swapped; {
						old, err := x.b.Get(context.Background(), "s")
						if err != nil {
							t.Error(err)
						}
						done, err := x.try(host.BucketWrite{Kind: host.WriteSwap, Key: "s", Version: old.Version, Data: append(slices.Clone(old.Data), 'x')})
						if swapped = done.Swapped; err != nil {
							t.Error(err)
						}
					}
				}
			})
		}
		all.Wait()
		x.has("n", fmt.Sprint(writers*times))
		x.has("s", strings.Repeat("x", writers*times))
	})
}

// TestExport: an export has the bucket of one moment, whatever is written meanwhile, and holds up
// no writer.
func TestExport(t *testing.T) {
	eachStore(t, func(t *testing.T, s Store) {
		x := tester{t: t, b: s.Bucket("b")}
		for i := range 100 {
			x.set(fmt.Sprintf("%03d", i), "before")
		}
		n := 0
		err := s.Export(t.Context(), "b", func(key string, data []byte) error {
			if want := fmt.Sprintf("%03d", n); key != want || string(data) != "before" {
				t.Fatalf("%s has %q, want %s", key, data, want)
			}
			n++
			x.set("099", "after")
			x.set("100", "after")
			return nil
		})
		if n != 100 || err != nil {
			t.Errorf("%d pairs, %v", n, err)
		}
		stop := errors.New("enough")
		if err := s.Export(t.Context(), "b", func(string, []byte) error { return stop }); !errors.Is(err, stop) {
			t.Errorf("the error is %v", err)
		}
		if err := s.Export(t.Context(), "none", func(string, []byte) error { return stop }); err != nil {
			t.Errorf("the error is %v", err)
		}
		tester{t: t, b: s.Bucket("a")}.set("k", "v")
		gone := tester{t: t, b: s.Bucket("gone")}
		gone.set("k", "v")
		gone.remove("k")
		if names, err := s.Buckets(t.Context()); err != nil || !slices.Equal(names, []string{"a", "b"}) {
			t.Errorf("the buckets are %v, %v", names, err)
		}
	})
}
