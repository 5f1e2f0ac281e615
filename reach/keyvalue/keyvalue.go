// Package keyvalue keeps the buckets of components: keys with values, which outlive an instance,
// a version of a component, and with a file the host. A host takes a [Store] in its
// [host.Config].
package keyvalue

import (
	"context"
	"errors"
	"time"

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
