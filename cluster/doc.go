// Package cluster decides which host of a cluster runs a component with "place: any", and sees
// to it that at most one does. docs/clusters.md has the promises.
//
// Each host has a lease, which it renews in a directory that all hosts share. A component is
// claimed by a host under its lease. All that a host writes there is written by compare-and-set:
// of two that want the same, one wins. A host that cannot renew its lease stops its claimed
// components before others may take them.
package cluster

import (
	"context"
	"time"

	"github.com/airhost/airhost/core"
)

// Directory is shared by all hosts of a cluster: values by keys. Each change of a value gives it
// a revision, which is larger than all before.
type Directory interface {
	// Watch calls tell with each value that there is, then once with an empty key, and then with
	// each change. It returns when ctx ends, or when changes may have been missed: then the caller
	// watches again. An error says why there is no directory.
	Watch(ctx context.Context, tell func(key string, value []byte, revision uint64)) error
	// Update sets a value if its revision is still the last one that the caller names; 0 is that of
	// a value that was never set. It reports whether it did. After an error it may have done so, now
	// or later.
	Update(ctx context.Context, key string, value []byte, last uint64) (revision uint64, won bool, err error)
	// AtClose sets a function that is called when no component of this host is attached any more,
	// and the directory can still be written.
	AtClose(func(context.Context))
}

// Hosts asks other hosts.
type Hosts interface {
	// Ask returns the answer of another host.
	Ask(ctx context.Context, host string, request []byte) ([]byte, error)
	// Answer sets the function that answers. Each call has a goroutine of its own.
	Answer(func(ctx context.Context, request []byte) []byte) error
	// MaxAsk is the largest request in bytes.
	MaxAsk() int
}

// Fences mark the messages of claimed components. The fence of a claim is larger than that of all
// claims of the component before.
type Fences interface {
	// Own marks the messages of a component of this host with a fence from now on, and with the lowest
	// one of it that is not refused. Messages that come to it are refused unless valid returns true.
	// Without valid it is not claimed any more.
	Own(id core.ComponentID, fence, least uint64, valid func() bool)
	// Know refuses messages of a component with a lower fence from now on.
	Know(id core.ComponentID, least uint64)
}

// Runner runs components on this host.
type Runner interface {
	// Start deploys a component. It goes on with moving unless that is nil.
	Start(ctx context.Context, id core.ComponentID, moving *core.Moving) error
	// Stop removes a component. One that is not deployed is no error.
	Stop(ctx context.Context, id core.ComponentID) error
	// MoveAway pauses a component, has hand start it elsewhere, sends the messages after it that
	// wait, and removes it. After an error of hand it goes on here.
	MoveAway(ctx context.Context, id core.ComponentID, hand func(context.Context, *core.Moving) error) error
}

// The times of a lease are parts of it.
func renewEvery(lease time.Duration) time.Duration { return lease / 3 }

// margin is how long before its end a host takes its lease for over: the time to stop its
// components.
func margin(lease time.Duration) time.Duration { return lease / 8 }

// blindAfter is how long the directory may take to tell a host of its own renewals.
func blindAfter(lease time.Duration) time.Duration { return lease / 2 }

// lookEvery is how often a host looks for leases that are over.
func lookEvery(lease time.Duration) time.Duration { return max(lease/40, 10*time.Millisecond) }

// settle is how long a host waits after another one has come, before it claims anything: hosts that
// start at the same time then share the components.
func settle(lease time.Duration) time.Duration { return min(lease/10, 250*time.Millisecond) }

// balanceAfter is how long the hosts of a cluster must have been the same ones before components
// move to the hosts that are theirs.
func balanceAfter(lease time.Duration) time.Duration { return 2 * lease }
