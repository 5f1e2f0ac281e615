package native

import (
	"bytes"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/guest"
)

var errBucketOutside = &guest.KeyValueError{Case: guest.KeyValueOther, Text: errOutsideCall.Text}

// OpenBucket implements [guest.KeyValueHost].
func (s *services) OpenBucket(name string) (guest.Bucket, error) {
	if s.refused() {
		return nil, errBucketOutside
	}
	s.turnToHost()
	b, err := s.keyValue.OpenBucket(name)
	if err != nil {
		return nil, bucketError(err)
	}
	return guest.NewBucket(&bucket{s, b}), nil
}

func bucketError(err error) error {
	if err == nil {
		return nil
	}
	e := core.AsKeyValueError(err)
	return &guest.KeyValueError{Case: guest.KeyValueErrorCase(e.Case), Text: e.Text}
}

// bucket is a bucket as a component sees it.
type bucket struct {
	host   *services
	bucket core.Bucket
}

// use runs a call of the host.
func (b *bucket) use(do func() error) error {
	if b.host.refused() {
		return errBucketOutside
	}
	b.host.turnToHost()
	return bucketError(do())
}

// Get implements [guest.Versioned].
func (b *bucket) Get(key string) (value []byte, version uint64, err error) {
	err = b.use(func() error {
		v, err := b.bucket.Get(key)
		value, version = bytes.Clone(v.Data), v.Version // the component's own
		return err
	})
	return value, version, err
}

// Has implements [guest.Versioned].
func (b *bucket) Has(key string) (has bool, err error) {
	err = b.use(func() (err error) { has, err = b.bucket.Has(key); return err })
	return has, err
}

// Set implements [guest.Versioned].
func (b *bucket) Set(key string, value []byte) error {
	return b.use(func() error { return b.bucket.Set(key, value) })
}

// Delete implements [guest.Versioned].
func (b *bucket) Delete(key string) error {
	return b.use(func() error { return b.bucket.Delete(key) })
}

// Keys implements [guest.Versioned].
func (b *bucket) Keys(after string) (keys []string, more bool, err error) {
	err = b.use(func() (err error) { keys, more, err = b.bucket.Keys(after); return err })
	return keys, more, err
}

// Increment implements [guest.Versioned].
func (b *bucket) Increment(key string, delta int64) (sum int64, err error) {
	err = b.use(func() (err error) { sum, err = b.bucket.Increment(key, delta); return err })
	return sum, err
}

// Swap implements [guest.Versioned].
func (b *bucket) Swap(key string, version uint64, value []byte) (swapped bool, err error) {
	err = b.use(func() (err error) { swapped, err = b.bucket.Swap(key, version, value); return err })
	return swapped, err
}
