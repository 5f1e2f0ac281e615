package storetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
)

func values(t T, s Store) {
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
		t.Errorf("the version is the same after a change")
	}
	x.used(1, 1)
	x.remove("a")
	x.remove("a")
	if v := x.get("a"); v.Version != 0 {
		t.Errorf("a is %v after its removal", v)
	}
	x.used(0, 0)
	large := strings.Repeat("\x00\xff", 200_000)
	x.set("large", large)
	x.has("large", large)
	tester{t: t, b: s.Bucket("other/cart")}.set("a", "theirs")
	if x.get("a").Version != 0 {
		t.Errorf("a bucket has another one's key")
	}
}

// oddKeys are keys that a store may take for something else.
func oddKeys(t T, s Store) {
	x := tester{t: t, b: s.Bucket("shop/c.a-r_t")}
	all := []string{
		" ", "*", ".", "..", ".>", ">", "a", "a b", "a.b", "a/b", "a=b", "a=2Eb", "A", "\x00", "\n", "\x7f", "%2e", "$KV", "ä", "\u00e4\u0308", "k", "u", "k.u", "=", "==", "\ufeff",
		strings.Repeat("k", core.MaxKey), strings.Repeat("\u00ff", core.MaxKey/2), strings.Repeat(".", core.MaxKey),
	}
	for i, key := range all {
		x.set(key, fmt.Sprint(i))
	}
	for i, key := range all {
		x.has(key, fmt.Sprint(i))
	}
	slices.Sort(all)
	if got := x.all(7); !slices.Equal(got, all) {
		t.Errorf("keys are %.400q, want %.400q", got, all)
	}
	n := 0
	err := s.Export(t.Context(), "shop/c.a-r_t", func(key string, _ []byte) error {
		if n < len(all) && key != all[n] {
			t.Errorf("pair %d is of %.40q, want %.40q", n, key, all[n])
		}
		n++
		return nil
	})
	if err != nil || n != len(all) {
		t.Errorf("%d pairs, %v", n, err)
	}
}

func increment(t T, s Store) {
	x := tester{t: t, b: s.Bucket("b")}
	for _, step := range []struct{ delta, want int64 }{{3, 3}, {-5, -2}, {0, -2}, {math.MaxInt64, math.MaxInt64 - 2}, {2, math.MaxInt64}} {
		if done := x.write(host.BucketWrite{Kind: host.WriteIncrement, Key: "n", Delta: step.delta}); done.Number != step.want {
			t.Fatalf("%d more is %d, want %d", step.delta, done.Number, step.want)
		}
		x.has("n", fmt.Sprint(step.want))
	}
	if _, err := x.try(host.BucketWrite{Kind: host.WriteIncrement, Key: "n", Delta: 1}); err == nil {
		t.Errorf("a sum that does not fit was taken")
	}
	x.set("m", fmt.Sprint(math.MinInt64+1))
	if _, err := x.try(host.BucketWrite{Kind: host.WriteIncrement, Key: "m", Delta: math.MinInt64}); err == nil {
		t.Errorf("a sum that does not fit was taken")
	}
	for _, text := range []string{"", "x", "1.5", "9223372036854775808", " 1"} {
		x.set("t", text)
		if _, err := x.try(host.BucketWrite{Kind: host.WriteIncrement, Key: "t", Delta: 1}); err == nil {
			t.Errorf("%q counted as a number", text)
		}
		x.has("t", text)
	}
}

func swap(t T, s Store) {
	x := tester{t: t, b: s.Bucket("b")}
	swap := func(version uint64, data string) bool {
		return x.write(host.BucketWrite{Kind: host.WriteSwap, Key: "k", Version: version, Data: []byte(data)}).Swapped
	}
	if !swap(0, "one") {
		t.Fatalf("a key without a value was not set")
	}
	if swap(0, "two") {
		t.Fatalf("a key with a value was set as if it had none")
	}
	version := x.get("k").Version
	x.set("k", "else")
	x.set("k", "one") // the same value is another version
	if swap(version, "two") {
		t.Fatalf("a value that was changed meanwhile was swapped")
	}
	x.remove("k")
	if swap(version, "two") {
		t.Fatalf("a key that went was swapped")
	}
	x.set("k", "one")
	if swap(version, "two") {
		t.Fatalf("a key that went and came again was swapped")
	}
	x.remove("k")
	if !swap(0, "one") {
		t.Fatalf("a key that went was not set")
	}
	if !swap(x.get("k").Version, "three") {
		t.Fatalf("the version that the key has was refused")
	}
	x.has("k", "three")
}

func keys(t T, s Store) {
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
			got := x.all(1 + i%7)
			if sorted := slices.Sorted(maps.Keys(want)); !slices.Equal(got, sorted) {
				t.Fatalf("keys are %v, want %v", got, sorted)
			}
		}
	}
	page, more, err := x.b.Keys(t.Context(), "zzz", 10)
	if len(page) != 0 || more || err != nil {
		t.Errorf("behind all keys there are %v, %v, %v", page, more, err)
	}
}

// keysChange: a page has what was set or removed before it was asked for.
func keysChange(t T, s Store) {
	x := tester{t: t, b: s.Bucket("b")}
	for _, key := range []string{"a", "b", "d", "e", "f"} {
		x.set(key, "")
	}
	page := func(after string, more bool, want ...string) {
		t.Helper()
		got, left, err := x.b.Keys(t.Context(), after, 2)
		if !slices.Equal(got, want) || left != more || err != nil {
			t.Fatalf("behind %q there are %v, more is %v: %v; want %v, %v", after, got, left, err, want, more)
		}
	}
	page("", true, "a", "b")
	x.set("c", "")
	x.remove("d")
	page("b", true, "c", "e")
	x.set("e", "new")
	page("e", false, "f")
	x.remove("f")
	page("e", false)
}

func quota(t T, s Store) {
	x := tester{t: t, b: s.Bucket("b"), quota: host.BucketQuota{Bytes: 10, Keys: 2}}
	refused := func(want error, w host.BucketWrite) {
		t.Helper()
		before := x.get(w.Key)
		if _, err := x.try(w); !errors.Is(err, want) {
			t.Fatalf("the error is %v, want %v", err, want)
		}
		if now := x.get(w.Key); now.Version != before.Version {
			t.Fatalf("a write that was refused has changed the key")
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
}

func export(t T, s Store) {
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
}

// contextEnds: a call with a context that has ended changes nothing, or all that it should.
func contextEnds(t T, s Store) {
	x := tester{t: t, b: s.Bucket("b")}
	x.set("k", "v")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := x.b.Write(ctx, host.BucketWrite{Kind: host.WriteSet, Key: "k", Data: []byte("new"), Quota: host.NoBucketQuota})
	if v := string(x.get("k").Data); err == nil && v != "new" || v != "new" && v != "v" {
		t.Errorf("the value is %q after %v", v, err)
	}
	x.set("k", "last")
	x.has("k", "last")
	x.used(5, 1)
}
