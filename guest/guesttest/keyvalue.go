package guesttest

import (
	"errors"
	"maps"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/airhost/airhost/guest"
)

// OpenBucket opens one of Buckets.
func (h *Host) OpenBucket(name string) (guest.Bucket, error) {
	_, ok := h.Buckets[name]
	switch {
	case !utf8.ValidString(name):
		return nil, guest.ErrNoSuchStore
	case !ok:
		return nil, &guest.KeyValueError{Case: guest.KeyValueAccessDenied, Text: name}
	}
	return guest.NewBucket(&bucket{h, name}), nil
}

// bucket is a bucket of a test.
type bucket struct {
	host *Host
	name string
}

// failure is the host's refusal of a key, or nil.
func (b *bucket) failure(key string) error {
	switch {
	case b.host.BucketRefusal != nil:
		return b.host.BucketRefusal
	case !utf8.ValidString(key):
		return &guest.KeyValueError{Case: guest.KeyValueOther, Text: "the key is not UTF-8"}
	}
	return nil
}

// keysAtOnce is how many keys come at once.
const keysAtOnce = 1000

func (b *bucket) Get(key string) (value []byte, version uint64, err error) {
	value, ok := b.host.Buckets[b.name][key]
	if err := b.failure(key); err != nil || !ok {
		return nil, 0, err
	}
	return append([]byte{}, value...), b.version(key), nil
}

// version is 1 for a value that the test has set.
func (b *bucket) version(key string) uint64 { return b.host.versions[b.name+"\x00"+key] + 1 }

func (b *bucket) Has(key string) (bool, error) {
	_, ok := b.host.Buckets[b.name][key]
	return ok, b.failure(key)
}

func (b *bucket) Set(key string, value []byte) error {
	if err := b.failure(key); err != nil {
		return err
	}
	if b.host.Buckets[b.name] == nil {
		b.host.Buckets[b.name] = make(map[string][]byte)
	}
	b.host.Buckets[b.name][key] = append([]byte{}, value...)
	if b.host.versions == nil {
		b.host.versions = make(map[string]uint64)
	}
	b.host.versions[b.name+"\x00"+key]++
	return nil
}

func (b *bucket) Delete(key string) error {
	if err := b.failure(key); err != nil {
		return err
	}
	delete(b.host.Buckets[b.name], key)
	return nil
}

func (b *bucket) Keys(after string) (keys []string, more bool, err error) {
	all := slices.Sorted(maps.Keys(b.host.Buckets[b.name]))
	at, found := slices.BinarySearch(all, after)
	if found {
		at++
	}
	all = all[at:]
	n := min(len(all), keysAtOnce)
	return all[:n], n < len(all), b.failure(after)
}

func (b *bucket) Increment(key string, delta int64) (int64, error) {
	if value, ok := b.host.Buckets[b.name][key]; ok {
		n, err := strconv.ParseInt(string(value), 10, 64)
		if err != nil {
			return 0, &guest.KeyValueError{Case: guest.KeyValueOther, Text: errors.Unwrap(err).Error()}
		}
		delta += n
	}
	return delta, b.Set(key, strconv.AppendInt(nil, delta, 10))
}

func (b *bucket) Swap(key string, version uint64, value []byte) (bool, error) {
	if _, now, err := b.Get(key); err != nil || now != version {
		return false, err
	}
	return true, b.Set(key, value)
}
