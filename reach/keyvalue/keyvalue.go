// Package keyvalue keeps the buckets of components: keys with values, which outlive an instance,
// a version of a component, and with a file the host. A host takes a [Store] in its
// [host.Config].
package keyvalue

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
)

// Store keeps buckets. Its methods may be called from any goroutine.
type Store interface {
	host.KeyValueStore

	// Buckets returns the names of the buckets that are not empty, sorted.
	Buckets(ctx context.Context) ([]string, error)
	// Export calls each with the pairs of a bucket as they were at one moment, in the order
	// of the keys, while others go on to read and write. It ends with the first error of
	// each. Nobody changes the data.
	Export(ctx context.Context, bucket string, each func(key string, data []byte) error) error
	// Close releases the store when all that was taken is kept. No call may be in progress,
	// and none may follow.
	Close() error
}

// ErrClosed is returned by the calls of a store that has been closed.
var ErrClosed = errors.New("the key-value store has been closed")

// versions numbers the changes of a store. The first number is that of the time, so that no number
// comes again after a restart.
type versions struct{ last uint64 }

func newVersions() versions { return versions{uint64(time.Now().UnixNano())} }

func (v *versions) next() uint64 {
	v.last++
	return v.last
}

// change is the effect of a write on a value.
type change struct {
	none   bool // nothing changes
	remove bool
	data   []byte // the caller's
	done   host.BucketWritten
}

// changeOf returns the change that a write makes of an old value.
func changeOf(w *host.BucketWrite, old core.Value) (change, error) {
	switch w.Kind {
	case host.WriteDelete:
		return change{none: old.Version == 0, remove: true}, nil
	case host.WriteIncrement:
		sum, err := add(old, w.Delta)
		if err != nil {
			return change{}, err
		}
		return change{data: strconv.AppendInt(nil, sum, 10), done: host.BucketWritten{Number: sum}}, nil
	case host.WriteSwap:
		swaps := old.Version == w.Version
		return change{none: !swaps, data: w.Data, done: host.BucketWritten{Swapped: swaps}}, nil
	}
	return change{data: w.Data}, nil
}

// add adds to a number that is kept as decimal text.
func add(old core.Value, delta int64) (int64, error) {
	if old.Version == 0 {
		return delta, nil
	}
	n, err := strconv.ParseInt(string(old.Data), 10, 64)
	switch {
	case err != nil:
		return 0, fmt.Errorf("the value is no number in decimal text that fits 64 bits: %q", core.CutText(old.Data, 40))
	case delta > 0 && n > math.MaxInt64-delta, delta < 0 && n < math.MinInt64-delta:
		return 0, fmt.Errorf("the sum of %d and %d does not fit 64 bits", n, delta)
	}
	return n + delta, nil
}

// after returns the usage of a bucket after a change of a key, unless it has too much then.
func after(used host.BucketUsage, w *host.BucketWrite, old core.Value, c *change) (host.BucketUsage, error) {
	before := used
	if old.Version != 0 {
		used.Bytes -= int64(len(w.Key) + len(old.Data))
		used.Keys--
	}
	if !c.remove {
		used.Bytes += int64(len(w.Key) + len(c.data))
		used.Keys++
	}
	switch {
	case used.Bytes > w.Quota.Bytes && used.Bytes > before.Bytes:
		return before, host.ErrBucketBytes
	case used.Keys > w.Quota.Keys && used.Keys > before.Keys:
		return before, host.ErrBucketKeys
	}
	return used, nil
}
