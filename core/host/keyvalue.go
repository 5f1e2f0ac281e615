package host

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/airhost/airhost/core"
)

// DefaultBucket is the name by which a component opens its own bucket.
const DefaultBucket = "default"

// KeyValueStore keeps buckets of keys with their values. Package reach/keyvalue has some. Its
// methods, and those of its buckets, may be called from any goroutine.
type KeyValueStore interface {
	// Bucket returns the bucket of a name. One that nobody has written to is empty. The
	// name of a component's own bucket is its id, all others are without a '/'.
	Bucket(name string) StoreBucket
	// Blocks reports whether calls of buckets may wait for a disk or a network. If not, they
	// end at once and do not look at their contexts.
	Blocks() bool
}

// StoreBucket is a bucket of a [KeyValueStore]. Calls end with ctx's error when ctx ends.
type StoreBucket interface {
	// Get returns the value of a key, or the zero Value. Nobody changes the Data.
	Get(ctx context.Context, key string) (core.Value, error)
	// Keys returns the next keys after another one, in their order, but not more than most.
	Keys(ctx context.Context, after string, most int) (keys []string, more bool, err error)
	// Write changes a key, all or nothing. An error for a quota wraps [ErrBucketBytes] or
	// [ErrBucketKeys].
	Write(ctx context.Context, w BucketWrite) (BucketWritten, error)
	// Usage returns how much the bucket has.
	Usage(ctx context.Context) (BucketUsage, error)
}

// WriteKind is a kind of change.
type WriteKind uint8

// The kinds of changes.
const (
	WriteSet WriteKind = iota
	WriteDelete
	WriteIncrement
	WriteSwap
)

// BucketWrite is a change of a key.
type BucketWrite struct {
	Kind    WriteKind
	Key     string
	Data    []byte // of set and swap; the store copies it
	Delta   int64  // of increment
	Version uint64 // of swap: that the key must have
	// Quota is what the bucket may have after the change. A change that makes less of too
	// much is allowed.
	Quota BucketQuota
}

// BucketWritten is the outcome of a change.
type BucketWritten struct {
	Number  int64 // of increment
	Swapped bool  // of swap
}

// BucketQuota bounds a bucket. A zero field stands for its default.
type BucketQuota struct {
	Bytes int64 // of all keys and values; 16 MiB by default
	Keys  int64 // 10,000 by default
}

// BucketUsage is how much a bucket has.
type BucketUsage BucketQuota

// The errors of [StoreBucket] for a bucket that would have more than its quota.
var (
	ErrBucketBytes = errors.New("the bucket has no room for the bytes")
	ErrBucketKeys  = errors.New("the bucket has no room for another key")
)

// NoBucketQuota is a quota that bounds nothing, for operators.
var NoBucketQuota = BucketQuota{Bytes: math.MaxInt64, Keys: math.MaxInt64}

const (
	maxBucketBytes = 1 << 40
	maxBucketKeys  = 1e9
	keysAtOnce     = 1000 // of Bucket.Keys
)

func (q *BucketQuota) check(prefix string) error {
	if err := core.CheckCount(prefix+"bytes", q.Bytes, 1, maxBucketBytes); err != nil {
		return err
	}
	return core.CheckCount(prefix+"keys", q.Keys, 1, maxBucketKeys)
}

func (q *BucketQuota) setDefaults() {
	q.Bytes, q.Keys = orDefault(q.Bytes, 16<<20), orDefault(q.Keys, 10_000)
}

// checkBuckets checks the buckets that are granted.
func (d *Deployment) checkBuckets() error {
	for _, name := range d.Capabilities.KeyValue {
		if err := core.CheckBucket(name); err != nil {
			return fmt.Errorf("capabilities.keyvalue: %w", err)
		}
	}
	return nil
}

// reach checks the functions and the buckets of a configuration, and returns them.
func (c *Config) reach() (map[string]*function, map[string]BucketQuota, error) {
	functions, err := newFunctions(c)
	if err != nil {
		return nil, nil, err
	}
	buckets, err := newBuckets(c)
	return functions, buckets, err
}

// newBuckets checks the buckets of a configuration, and returns them with their quotas.
func newBuckets(c *Config) (map[string]BucketQuota, error) {
	all := make(map[string]BucketQuota, len(c.Buckets))
	for _, name := range slices.Sorted(maps.Keys(c.Buckets)) {
		quota := c.Buckets[name]
		switch err := core.CheckBucket(name); {
		case c.KeyValue == nil:
			return nil, fmt.Errorf("there is the bucket %q, and no KeyValue to keep it", name)
		case err != nil:
			return nil, err
		case name == DefaultBucket:
			return nil, fmt.Errorf("%q is the name of each component's own bucket: choose another", name)
		}
		if err := quota.check("Buckets[" + name + "]."); err != nil {
			return nil, err
		}
		quota.setDefaults()
		all[name] = quota
	}
	return all, nil
}

// openBucket is a bucket that an instance has opened.
type openBucket struct {
	services *services
	name     string

	// What the component may do with it, as of an epoch of the host's configuration.
	of      *component
	epoch   uint64
	refusal *core.KeyValueError // why it may do nothing, or nil
	stored  StoreBucket
	quota   BucketQuota
}

// OpenBucket implements [core.KeyValue].
func (s *services) OpenBucket(name string) (core.Bucket, error) {
	b := &openBucket{services: s, name: core.CutText([]byte(name), 2*core.MaxIDPart+1)}
	c := b.enter()
	if b.refusal != nil {
		return nil, c.keyValueFailed(b, b.refusal)
	}
	return b, nil
}

// enter begins a call of b by its component, and returns that.
func (b *openBucket) enter() *component {
	c := b.services.component.Load()
	c.breakChain()
	if c.calling == nil {
		c.startCalling()
	}
	c.calling.counts.keyValue.Add(1)
	if epoch := c.host.epoch.Load(); b.of != c || b.epoch != epoch {
		b.of, b.epoch = c, epoch
		b.permit(c)
	}
	return c
}

// permit asks whether c may use b.
func (b *openBucket) permit(c *component) {
	h, stored := c.host, b.name
	switch quota, shared := h.buckets[b.name]; {
	case !slices.Contains(c.deployment.Capabilities.KeyValue, b.name):
		b.refusal = &core.KeyValueError{Case: core.KeyValueAccessDenied, Text: b.name}
		return
	case b.name == DefaultBucket && h.config.KeyValue != nil:
		b.quota, stored = c.deployment.Quota.Bucket, c.id.String()
	case shared:
		b.quota = quota
	default:
		b.refusal = &core.KeyValueError{Case: core.KeyValueNoSuchStore, Text: b.name}
		return
	}
	b.refusal, b.stored = nil, h.config.KeyValue.Bucket(stored)
}

// keyValueFailed counts and records an error of a bucket, and returns the one that the guest gets.
func (c *component) keyValueFailed(b *openBucket, err error) error {
	e := core.AsKeyValueError(err)
	full := errors.Is(err, ErrBucketBytes) || errors.Is(err, ErrBucketKeys)
	if full {
		e = &core.KeyValueError{Case: core.KeyValueOther, Text: b.fullText(errors.Is(err, ErrBucketKeys))}
	}
	c.calling.counts.failedKeyValue[e.Case].Add(1)
	if full || e.Case == core.KeyValueAccessDenied {
		c.host.audit.record(c.id, []byte(b.name), "keyvalue", e)
	}
	return e
}

// fullText says which quota a write would exceed.
func (b *openBucket) fullText(keys bool) string {
	prefix, most, of := "quota.keyvalue_", b.quota.Bytes, "bytes"
	if b.name != DefaultBucket {
		prefix = "keyvalue.buckets." + b.name + "."
	}
	if keys {
		most, of = b.quota.Keys, "keys"
	}
	return fmt.Sprintf("quota: the bucket would have more than %s%s, %d", prefix, of, most)
}

// use runs a call of b's store, unless b may not be used. The time of a store that blocks is not
// the guest's, as that of a function.
func (b *openBucket) use(do func(ctx context.Context, c *component) error) error {
	c := b.enter()
	err := error(nil)
	switch {
	case b.refusal != nil:
		err = b.refusal
	case c.host.config.KeyValue.Blocks():
		err = c.wait(do)
	default:
		err = do(c.host.background, c)
	}
	if err != nil {
		return c.keyValueFailed(b, err)
	}
	return nil
}

// keyValueFunction has the bounds of the calls of a store, beside those that each call of a
// component's function has.
var keyValueFunction = &function{name: "keyvalue", timeout: math.MaxInt64}

var (
	errKeyValueEnded = &core.KeyValueError{Case: core.KeyValueOther, Text: "the call was interrupted, and it is unknown whether a change was made"}
	errKeyValueLate  = &core.KeyValueError{Case: core.KeyValueOther, Text: "the store did not answer in time, and it is unknown whether a change was made"}
)

// wait runs a call that may block.
func (c *component) wait(do func(ctx context.Context, c *component) error) error {
	if _, interrupted := c.beginFunction(keyValueFunction); interrupted {
		return errKeyValueEnded
	}
	ctx := c.calling.ctx
	err := do(ctx, c)
	if err != nil && ctx.Err() != nil {
		if err = errKeyValueEnded; ctx.Err() == context.DeadlineExceeded {
			err = errKeyValueLate
		}
	}
	ctx.finish()
	c.endFunction()
	return err
}

// Get implements [core.Bucket].
func (b *openBucket) Get(key string) (v core.Value, err error) {
	err = b.use(func(ctx context.Context, c *component) (err error) {
		if err = core.CheckKey(key); err == nil {
			v, err = b.stored.Get(ctx, key)
		}
		if most := c.limits.MessageSize; err == nil && len(v.Data) > most {
			v, err = core.Value{}, fmt.Errorf("the value has %d bytes, and quota.message_size is %d", len(v.Data), most)
		}
		return err
	})
	return v, err
}

// Has implements [core.Bucket].
func (b *openBucket) Has(key string) (has bool, err error) {
	err = b.use(func(ctx context.Context, _ *component) error {
		if err := core.CheckKey(key); err != nil {
			return err
		}
		v, err := b.stored.Get(ctx, key)
		has = v.Version != 0
		return err
	})
	return has, err
}

// Keys implements [core.Bucket].
func (b *openBucket) Keys(after string) (keys []string, more bool, err error) {
	err = b.use(func(ctx context.Context, c *component) (err error) {
		if keys, more, err = b.stored.Keys(ctx, after, keysAtOnce); err != nil {
			return err
		}
		if n := fitting(keys, c.limits.MessageSize); n < len(keys) {
			keys, more = keys[:n], true
		}
		return nil
	})
	return keys, more, err
}

// fitting returns how many of the keys have so many bytes together, but at least 1.
func fitting(keys []string, most int) int {
	for i, key := range keys {
		if most -= len(key); most < 0 && i > 0 {
			return i
		}
	}
	return len(keys)
}

// Set implements [core.Bucket].
func (b *openBucket) Set(key string, data []byte) error {
	_, err := b.write(BucketWrite{Kind: WriteSet, Key: key, Data: data})
	return err
}

// Delete implements [core.Bucket].
func (b *openBucket) Delete(key string) error {
	_, err := b.write(BucketWrite{Kind: WriteDelete, Key: key})
	return err
}

// Increment implements [core.Bucket].
func (b *openBucket) Increment(key string, delta int64) (int64, error) {
	done, err := b.write(BucketWrite{Kind: WriteIncrement, Key: key, Delta: delta})
	return done.Number, err
}

// Swap implements [core.Bucket].
func (b *openBucket) Swap(key string, version uint64, data []byte) (bool, error) {
	done, err := b.write(BucketWrite{Kind: WriteSwap, Key: key, Version: version, Data: data})
	return done.Swapped, err
}

func (b *openBucket) write(w BucketWrite) (done BucketWritten, err error) {
	err = b.use(func(ctx context.Context, c *component) (err error) {
		most := c.limits.MessageSize
		if err = core.CheckKey(w.Key); err == nil && len(w.Data) > most {
			err = fmt.Errorf("the value has %d bytes, and quota.message_size is %d", len(w.Data), most)
		}
		if w.Quota = b.quota; err == nil {
			done, err = b.stored.Write(ctx, w)
		}
		return err
	})
	return done, err
}
