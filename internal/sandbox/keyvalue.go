package sandbox

import "github.com/airhost/airhost/core"

var errStarting = &core.KeyValueError{Case: core.KeyValueOther, Text: "a guest opens no bucket from its start function or _initialize"}

// OpenBucket implements [core.KeyValue].
func (g *wasiGuest) OpenBucket(name string) (found core.Bucket, err error) {
	s := (*State)(g)
	if s.Phase != Handling {
		return nil, errStarting
	}
	s.outside(func() { found, err = core.KeyValueOf(&s.Env).OpenBucket(name) })
	if err != nil {
		return nil, err
	}
	return &bucket{s, found}, nil
}

// outside runs a call of the host whose time is not the guest's, as that of a function.
func (s *State) outside(call func()) {
	s.GoOn() // counts the guest's time until here
	s.run(call)
	s.waited()
}

func (s *State) run(call func()) {
	var returned bool
	defer hostReturned(&returned)
	call()
	returned = true
}

// bucket is a bucket of a guest.
type bucket struct {
	guest *State
	core.Bucket
}

// Get implements [core.Bucket].
func (b *bucket) Get(key string) (v core.Value, err error) {
	b.guest.outside(func() { v, err = b.Bucket.Get(key) })
	return v, err
}

// Has implements [core.Bucket].
func (b *bucket) Has(key string) (has bool, err error) {
	b.guest.outside(func() { has, err = b.Bucket.Has(key) })
	return has, err
}

// Set implements [core.Bucket].
func (b *bucket) Set(key string, data []byte) (err error) {
	b.guest.outside(func() { err = b.Bucket.Set(key, data) })
	return err
}

// Delete implements [core.Bucket].
func (b *bucket) Delete(key string) (err error) {
	b.guest.outside(func() { err = b.Bucket.Delete(key) })
	return err
}

// Keys implements [core.Bucket].
func (b *bucket) Keys(after string) (keys []string, more bool, err error) {
	b.guest.outside(func() { keys, more, err = b.Bucket.Keys(after) })
	return keys, more, err
}

// Increment implements [core.Bucket].
func (b *bucket) Increment(key string, delta int64) (sum int64, err error) {
	b.guest.outside(func() { sum, err = b.Bucket.Increment(key, delta) })
	return sum, err
}

// Swap implements [core.Bucket].
func (b *bucket) Swap(key string, version uint64, data []byte) (swapped bool, err error) {
	b.guest.outside(func() { swapped, err = b.Bucket.Swap(key, version, data) })
	return swapped, err
}
