// Package change has the part of a write that is the same in all stores: the change that it makes of a value, and
// of the usage of its bucket.
package change

import (
	"fmt"
	"math"
	"strconv"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
)

// Change is the effect of a write on a value.
type Change struct {
	None   bool // nothing changes
	Remove bool
	Data   []byte // the caller's
	Done   host.BucketWritten
}

// Of returns the change that a write makes of an old value.
func Of(w *host.BucketWrite, old core.Value) (Change, error) {
	switch w.Kind {
	case host.WriteDelete:
		return Change{None: old.Version == 0, Remove: true}, nil
	case host.WriteIncrement:
		sum, err := add(old, w.Delta)
		if err != nil {
			return Change{}, err
		}
		return Change{Data: strconv.AppendInt(nil, sum, 10), Done: host.BucketWritten{Number: sum}}, nil
	case host.WriteSwap:
		swaps := old.Version == w.Version
		return Change{None: !swaps, Data: w.Data, Done: host.BucketWritten{Swapped: swaps}}, nil
	}
	return Change{Data: w.Data}, nil
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

// After returns the usage of a bucket after a change of a key, unless it has too much then.
func After(used host.BucketUsage, w *host.BucketWrite, old core.Value, c *Change) (host.BucketUsage, error) {
	before := used
	if old.Version != 0 {
		used.Bytes -= int64(len(w.Key) + len(old.Data))
		used.Keys--
	}
	if !c.Remove {
		used.Bytes += int64(len(w.Key) + len(c.Data))
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
