package wasi

import (
	"github.com/airhost/airhost/core"
)

// storeMethods are those of wasi:keyvalue/store, but for get and set of a bucket: see [quick].
var storeMethods = map[string]method{
	"open":                     openBucket,
	"[method]bucket.delete":    func(c *call) any { return done(bucketOf(c).Delete(c.args[1].(string))) },
	"[method]bucket.exists":    func(c *call) any { return result(bucketOf(c).Has(c.args[1].(string))) },
	"[method]bucket.list-keys": listKeys,
}

// atomicsMethods are those of wasi:keyvalue/atomics.
var atomicsMethods = map[string]method{
	"increment":           increment,
	"[static]cas.new":     newCAS,
	"[method]cas.current": func(c *call) any { x := casOf(c); return valueResult(x.bucket.Get(x.key)) },
	"swap":                swap,
}

// batchMethods are those of wasi:keyvalue/batch. They end with the first error, and what was done before
// stays.
var batchMethods = map[string]method{
	"get-many": getMany,
	"set-many": func(c *call) any {
		return forEach(c, func(b core.Bucket, pair any) error {
			return b.Set(pair.([]any)[0].(string), pair.([]any)[1].([]byte))
		})
	},
	"delete-many": func(c *call) any {
		return forEach(c, func(b core.Bucket, key any) error { return b.Delete(key.(string)) })
	},
}

// cas is the resource cas: a key with the version that a swap replaces. A guest that has many
// holds their keys.
type cas struct {
	bucket  core.Bucket
	key     string
	version uint64
}

func (x *cas) dropped(in *Instance) { in.hold(-x.size()) }

func (x *cas) size() int { return fieldSize + len(x.key) }

func casOf(c *call) *cas { return c.args[0].(*handle).value.(*cas) }

func bucketOf(c *call) core.Bucket { return c.args[0].(*handle).value.(core.Bucket) }

// storeError returns the error of a store as a result.
func storeError(err error) any { return failed(storeFailure(err)) }

func storeFailure(err error) any {
	e := core.AsKeyValueError(err)
	v := variant{number: uint32(e.Case)}
	if e.Case == core.KeyValueOther {
		v.value = e.Text
	}
	return v
}

// done is the result of a call that only changes something.
func done(err error) any { return result[any](nil, err) }

// result is the result of a call.
func result[T any](v T, err error) any {
	if err != nil {
		return storeError(err)
	}
	return ok(v)
}

// valueResult is the result of a call that reads a value.
func valueResult(v core.Value, err error) any {
	switch {
	case err != nil:
		return storeError(err)
	case v.Version == 0:
		return ok(none)
	}
	return ok(some(v.Data))
}

func openBucket(c *call) any { return result(c.buckets.OpenBucket(c.args[0].(string))) }

func listKeys(c *call) any {
	after := ""
	if cursor := c.args[1].(variant); cursor.number == 1 {
		after = cursor.value.(string)
	}
	keys, more, err := bucketOf(c).Keys(after)
	if err != nil {
		return storeError(err)
	}
	list, cursor := make([]any, len(keys)), none
	for i, key := range keys {
		list[i] = key
	}
	if more {
		cursor = some(keys[len(keys)-1])
	}
	return ok([]any{list, cursor})
}

func increment(c *call) any {
	sum, err := bucketOf(c).Increment(c.args[1].(string), int64(c.args[2].(uint64)))
	return result(uint64(sum), err)
}

func newCAS(c *call) any { return result(c.newCAS(bucketOf(c), c.args[1].(string))) }

// newCAS returns a cas for the version that a key has now.
func (c *call) newCAS(bucket core.Bucket, key string) (*cas, error) {
	v, err := bucket.Get(key)
	if err != nil {
		return nil, err
	}
	x := &cas{bucket: bucket, key: key, version: v.Version}
	c.hold(x.size())
	return x, nil
}

// swap takes a cas, and returns another one if its version is not that of the key any more.
func swap(c *call) any {
	old := c.args[0].(*cas)
	old.dropped(c.Instance)
	swapped, err := old.bucket.Swap(old.key, old.version, c.args[1].([]byte))
	if err == nil && !swapped {
		var x *cas
		if x, err = c.newCAS(old.bucket, old.key); err == nil {
			return failed(variant{1, x})
		}
	}
	if err != nil {
		return failed(variant{0, storeFailure(err)})
	}
	return ok(nil)
}

// maxMany bounds the bytes of the values of get-many, unless it asks for one alone.
const maxMany = 4 << 20

var errTooMany = &core.KeyValueError{Case: core.KeyValueOther, Text: "the values have more than 4 MiB together: ask for fewer keys at once"}

func getMany(c *call) any {
	keys, size := c.args[1].([]any), 0
	all := make([]any, len(keys))
	for i, key := range keys {
		v, err := bucketOf(c).Get(key.(string))
		if size += len(v.Data); err == nil && size > maxMany && len(keys) > 1 {
			err = errTooMany
		}
		if err != nil {
			return storeError(err)
		}
		if all[i] = none; v.Version != 0 {
			all[i] = some([]any{key, v.Data})
		}
	}
	return ok(all)
}

// forEach calls do for each element of a list.
func forEach(c *call, do func(b core.Bucket, element any) error) any {
	for _, element := range c.args[1].([]any) {
		if err := do(bucketOf(c), element); err != nil {
			return storeError(err)
		}
	}
	return ok(nil)
}
