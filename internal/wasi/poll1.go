package wasi

import (
	"encoding/binary"
	"math"
	"slices"
	"time"

	"github.com/airhost/airhost/internal/abi"
)

// Sizes of poll_oneoff's structures in bytes, and the most subscriptions of a call.
const (
	subscriptionSize = 48
	eventSize        = 32
	maxSubscriptions = 1024
)

// Kinds of subscriptions and events, and the flag of an absolute time.
const (
	eventClock      = 0
	clockIsAbsolute = 1
)

// pollOneoff waits for the first of some clocks. A subscription to a file is ready at once,
// since no file makes a guest wait, and one to another descriptor has an error.
func pollOneoff(in *Instance, args []uint64) errno {
	from, to, n, count := uint32(args[0]), uint32(args[1]), uint32(args[2]), uint32(args[3])
	if n == 0 || n > maxSubscriptions {
		return inval
	}
	mem := in.guest.Memory()
	subscriptions, err := abi.LiftBytes(mem, from, n*subscriptionSize, "subscriptions")
	if err != nil {
		return fault
	}
	events, err := abi.LiftBytes(mem, to, n*eventSize, "events")
	if err != nil {
		return fault
	}
	in.yieldFor(int(n) * (subscriptionSize + eventSize))
	waits := make([]time.Duration, n)
	for i := range waits {
		var e errno
		if waits[i], e = in.waitFor(subscriptions[i*subscriptionSize:]); e != success {
			return e
		}
	}
	first := slices.Min(waits)
	in.sleep(first, nil)
	var ready uint32
	for i, wait := range waits {
		if wait <= first {
			in.report(events[ready*eventSize:], subscriptions[i*subscriptionSize:])
			ready++
		}
	}
	if !in.memory().write32(count, ready) {
		return fault
	}
	return success
}

// waitFor returns the time until a subscription is ready.
func (in *Instance) waitFor(subscription []byte) (time.Duration, errno) {
	if subscription[8] != eventClock {
		return 0, success
	}
	now, e := in.clock(binary.LittleEndian.Uint32(subscription[16:]))
	if e != success {
		return 0, e
	}
	until := binary.LittleEndian.Uint64(subscription[24:])
	if binary.LittleEndian.Uint16(subscription[40:])&clockIsAbsolute != 0 {
		until -= min(now, until)
	}
	return time.Duration(min(until, math.MaxInt64)), success
}

// report writes the event of a subscription that is ready.
func (in *Instance) report(event, subscription []byte) {
	clear(event[:eventSize])
	copy(event, subscription[:8]) // the value that the guest chose for this subscription
	event[10] = subscription[8]
	if subscription[8] != eventClock && in.descriptor(binary.LittleEndian.Uint32(subscription[16:])) == nil {
		binary.LittleEndian.PutUint16(event[8:], uint16(badf))
	}
}
