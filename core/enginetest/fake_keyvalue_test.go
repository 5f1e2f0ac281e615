package enginetest

import (
	"bytes"

	"github.com/airhost/airhost/core"
)

// OpenBucket is that of an [ActorHost].
func (h *fakeHost) OpenBucket(name string) (b ActorBucket, err error) {
	h.turnToHost(false)
	if h.env.KeyValue == nil && h.has("invents buckets") {
		return fakeBucket{h, new(Bucket)}, nil
	}
	opened, err := core.KeyValueOf(&h.env).OpenBucket(name)
	if err != nil {
		return nil, err
	}
	return fakeBucket{h, opened}, nil
}

// fakeBucket is the [ActorBucket] of a bucket of the host.
type fakeBucket struct {
	h *fakeHost
	b core.Bucket
}

func (f fakeBucket) key(key string) string {
	if f.h.has("keys of buckets are cut") {
		return key[:len(key)/2]
	}
	return key
}

func (f fakeBucket) told(err error) error {
	if err == nil || f.h.has("buckets never fail") {
		return nil
	}
	told := core.AsKeyValueError(err)
	switch {
	case f.h.has("bucket errors lose their case"):
		return &core.KeyValueError{Case: core.KeyValueOther, Text: told.Text}
	case f.h.has("bucket errors lose their text"):
		return &core.KeyValueError{Case: told.Case}
	}
	return told
}

func (f fakeBucket) Get(key string) (value []byte, found bool, err error) {
	if f.h.has("panics of buckets are errors") {
		defer func() {
			if recover() != nil {
				err = core.ErrKeyValueOther
			}
		}()
	}
	v, err := f.b.Get(f.key(key))
	value = bytes.Clone(v.Data)
	if f.h.has("large values are cut") {
		value = value[:min(len(value), 1000)]
	}
	return value, v.Version != 0, f.told(err)
}

func (f fakeBucket) Has(key string) (bool, error) {
	has, err := f.b.Has(f.key(key))
	return has || f.h.has("buckets have all keys"), f.told(err)
}

func (f fakeBucket) Set(key string, value []byte) error {
	return f.told(f.b.Set(f.key(key), value))
}

func (f fakeBucket) Delete(key string) error {
	if f.h.has("removes nothing") {
		return nil
	}
	return f.told(f.b.Delete(f.key(key)))
}

func (f fakeBucket) Keys(cursor string) (keys []string, next string, err error) {
	keys, more, err := f.b.Keys(f.key(cursor))
	if more && !f.h.has("pages have no next one") {
		next = keys[len(keys)-1]
	}
	return keys, next, f.told(err)
}

func (f fakeBucket) Increment(key string, delta int64) (int64, error) {
	if f.h.has("increments have 32 bits") {
		delta = int64(uint32(delta))
	}
	sum, err := f.b.Increment(f.key(key), delta)
	return sum, f.told(err)
}

func (f fakeBucket) Update(key string, change func([]byte, bool) ([]byte, error)) error {
	for {
		v, err := f.b.Get(key)
		if err != nil {
			return f.told(err)
		}
		data, err := change(bytes.Clone(v.Data), v.Version != 0)
		if err != nil {
			return err
		}
		if swapped, err := f.b.Swap(key, v.Version, data); swapped || err != nil || f.h.has("swaps once") {
			return f.told(err)
		}
	}
}
