package wasi

import (
	"errors"
	"fmt"
	"testing"

	"github.com/airhost/airhost/core"
)

const (
	store   = "wasi:keyvalue/store"
	atomics = "wasi:keyvalue/atomics"
	batch   = "wasi:keyvalue/batch"
)

// bucket is a bucket of a test, in which all is there but "none", and "full" fails.
type bucket struct {
	swaps   int
	changed []string
}

var errFull = &core.KeyValueError{Case: core.KeyValueOther, Text: "full"}

func (b *bucket) Get(key string) (core.Value, error) {
	switch key {
	case "none":
		return core.Value{}, nil
	case "full":
		return core.Value{}, errFull
	case "large":
		return core.Value{Data: make([]byte, maxMany/2+1), Version: 7}, nil
	}
	return core.Value{Data: []byte("of " + key), Version: 7}, nil
}

func (b *bucket) Has(key string) (bool, error) {
	v, err := b.Get(key)
	return v.Version != 0, err
}

func (b *bucket) Set(key string, data []byte) error {
	b.changed = append(b.changed, key+"="+string(data))
	_, err := b.Get(key)
	return err
}

func (b *bucket) Delete(key string) error { return b.Set(key, nil) }

func (b *bucket) Keys(after string) ([]string, bool, error) {
	return []string{after + "1", after + "2"}, after == "", nil
}

func (b *bucket) Increment(key string, delta int64) (int64, error) {
	_, err := b.Get(key)
	return delta * 2, err
}

// Swap succeeds at the second time.
func (b *bucket) Swap(key string, version uint64, data []byte) (bool, error) {
	b.swaps++
	return b.swaps > 1, nil
}

// keeper is a fake with buckets.
type keeper struct {
	*fake
	bucket
}

func (k *keeper) OpenBucket(name string) (core.Bucket, error) {
	if name != "default" {
		return nil, core.ErrAccessDenied
	}
	return &k.bucket, nil
}

func testKeyValue(g *fake) {
	g.call(store, "open", "default")
	want(g, "a host without buckets", fmt.Sprint(g.u8(area), g.u8(area+4)), "1 0")
	g.in = New(&keeper{fake: g}, nil)
	g.call(store, "open", "other")
	want(g, "another bucket", fmt.Sprint(g.u8(area), g.u8(area+4)), "1 1")
	g.call(store, "open", "default")
	want(g, "open", g.u8(area), 0)
	b := g.u32(area + 4)
	g.call(store, "[method]bucket.get", b, "key")
	want(g, "get", fmt.Sprint(g.u8(area), g.u8(area+4), g.text(area+8)), "0 1of key")
	g.call(store, "[method]bucket.get", b, "none")
	want(g, "get", fmt.Sprint(g.u8(area), g.u8(area+4)), "0 0")
	for _, name := range []string{"get", "delete", "exists"} {
		g.call(store, "[method]bucket."+name, b, "full")
		want(g, name, fmt.Sprint(g.u8(area), g.u8(area+4), g.text(area+8)), "1 2full")
	}
	g.call(store, "[method]bucket.set", b, "full", "x")
	want(g, "set", fmt.Sprint(g.u8(area), g.u8(area+4), g.text(area+8)), "1 2full")
	g.call(store, "[method]bucket.set", b, "key", "x")
	want(g, "set", g.u8(area), 0)
	g.call(store, "[method]bucket.exists", b, "key")
	want(g, "exists", fmt.Sprint(g.u8(area), g.u8(area+4)), "0 1")
	g.call(store, "[method]bucket.list-keys", b, 0, 0, 0)
	want(g, "keys", fmt.Sprint(g.u8(area), g.texts(area+4, 1), g.u8(area+12), g.text(area+16)), "0 [1 2] 12")
	g.call(store, "[method]bucket.list-keys", b, 1, "2")
	want(g, "keys", fmt.Sprint(g.u8(area), g.texts(area+4, 1), g.u8(area+12)), "0 [21 22] 0")
	g.in.guest.(*keeper).changed = nil
	g.call(atomics, "increment", b, "key", ^uint64(0))
	want(g, "increment", fmt.Sprint(g.u8(area), int64(g.u64(area+8))), "0 -2")
	g.call(atomics, "increment", b, "full", 1)
	want(g, "increment", fmt.Sprint(g.u8(area), g.u8(area+8), g.text(area+12)), "1 2full")
	testCAS(g, b)
	testBatch(g, b)
	g.call(store, "[resource-drop]bucket", b)
	g.ended("which does not exist", store, "[method]bucket.get", b, "key")
}

func testCAS(g *fake, b uint32) {
	g.call(atomics, "[static]cas.new", b, "full")
	want(g, "cas.new", fmt.Sprint(g.u8(area), g.u8(area+4), g.text(area+8)), "1 2full")
	g.call(atomics, "[static]cas.new", b, "key")
	want(g, "cas.new", g.u8(area), 0)
	cas := g.u32(area + 4)
	g.call(atomics, "[method]cas.current", cas)
	want(g, "current", fmt.Sprint(g.u8(area), g.u8(area+4), g.text(area+8)), "0 1of key")
	g.call(atomics, "swap", cas, "new")
	want(g, "a swap that fails", fmt.Sprint(g.u8(area), g.u8(area+4)), "1 1")
	again := g.u32(area + 8)
	g.call(atomics, "swap", again, "new")
	want(g, "a swap", g.u8(area), 0)
	g.ended("which does not exist", atomics, "swap", again, "new")
	for range 3 {
		g.call(atomics, "[static]cas.new", b, "key")
		g.call(atomics, "[resource-drop]cas", g.u32(area+4))
	}
	want(g, "bytes held", g.in.held, 0)
}

// list keeps texts in memory, as the elements of a list of strings, or of pairs of them.
func (g *fake) list(texts ...string) uint32 {
	var words []uint32
	for _, text := range texts {
		words = append(words, g.note([]byte(text)), uint32(len(text)))
	}
	return g.words(words...)
}

func testBatch(g *fake, b uint32) {
	g.call(batch, "get-many", b, g.list("a", "none", "b"), 3)
	all := g.u32(area + 4)
	got := fmt.Sprint(g.u8(area), g.u32(area+8), g.u8(all), g.text(all+4), g.text(all+12), g.u8(all+20), g.u8(all+40), g.text(all+44), g.text(all+52))
	want(g, "get-many", got, "0 3 1aof a0 1bof b")
	g.call(batch, "get-many", b, g.list("a", "full"), 2)
	want(g, "get-many", fmt.Sprint(g.u8(area), g.u8(area+4), g.text(area+8)), "1 2full")
	g.call(batch, "get-many", b, g.list("large", "large"), 2)
	want(g, "get-many of too much", fmt.Sprint(g.u8(area), g.u8(area+4), g.text(area+8)), "1 2"+errTooMany.Text)
	g.call(batch, "set-many", b, g.list("a", "1", "full", "2", "b", "3"), 3)
	want(g, "set-many", fmt.Sprint(g.u8(area), g.u8(area+4), g.text(area+8)), "1 2full")
	g.call(batch, "delete-many", b, g.list("a", "none"), 2)
	want(g, "delete-many", g.u8(area), 0)
	want(g, "changes", fmt.Sprint(g.in.guest.(*keeper).changed), "[a=1 full=2 a= none=]")
	g.ended("more than 4,096 elements", batch, "delete-many", b, 0, maxElements+1)
	long := g.note(make([]byte, 100<<10))
	var pairs []uint32
	for range 11 { // of the same bytes
		pairs = append(pairs, long, 1, long, 100<<10)
	}
	g.ended("more than 1 MiB", batch, "set-many", b, g.words(pairs...), 11)
}

// TestManyCAS: the keys of the handles that a guest has are bounded.
func TestManyCAS(t *testing.T) {
	g := newFake(t, nil)
	g.in = New(&keeper{fake: g}, nil)
	g.call(store, "open", "default")
	b, long := g.u32(area+4), string(make([]byte, 60<<10))
	var end error
	for range 20 {
		g.notes = notes
		if _, end = g.try(atomics, "[static]cas.new", b, long); end != nil {
			break
		}
	}
	if !errors.As(end, new(*core.TrapError)) {
		t.Errorf("got %v", end)
	}
}
