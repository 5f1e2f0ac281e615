package sandbox

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

// sleepSlice is the longest that a sleeping guest goes without checking for an
// interrupt.
const sleepSlice = time.Millisecond

// pollOneoff waits for the first of some clocks. A subscription to a file descriptor
// is ready at once, with an error, since no descriptor can be waited for.
func pollOneoff(s *State, args []uint64) errno {
	in, out, n, count := uint32(args[0]), uint32(args[1]), uint32(args[2]), uint32(args[3])
	if n == 0 || n > maxSubscriptions {
		return inval
	}
	mem := s.lower.Memory()
	subscriptions, err := abi.LiftBytes(mem, in, n*subscriptionSize, "subscriptions")
	if err != nil {
		return fault
	}
	events, err := abi.LiftBytes(mem, out, n*eventSize, "events")
	if err != nil {
		return fault
	}
	waits := make([]time.Duration, n)
	for i := range waits {
		var e errno
		if waits[i], e = s.waitFor(subscriptions[i*subscriptionSize:]); e != success {
			return e
		}
	}
	first := slices.Min(waits)
	s.sleep(first)
	var ready uint32
	for i, wait := range waits {
		if wait <= first {
			report(events[ready*eventSize:], subscriptions[i*subscriptionSize:])
			ready++
		}
	}
	if !s.memory().write32(count, ready) {
		return fault
	}
	return success
}

// waitFor returns the time until a subscription is ready.
func (s *State) waitFor(subscription []byte) (time.Duration, errno) {
	if subscription[8] != eventClock {
		return 0, success
	}
	now, e := s.clock(binary.LittleEndian.Uint32(subscription[16:]))
	if e != success {
		return 0, e
	}
	until := binary.LittleEndian.Uint64(subscription[24:])
	if binary.LittleEndian.Uint16(subscription[40:])&clockIsAbsolute != 0 {
		until -= min(now, until)
	}
	return time.Duration(min(until, math.MaxInt64)), success
}

func (s *State) sleep(d time.Duration) {
	for end := time.Now().Add(d); d > 0; d = time.Until(end) {
		s.GoOn()
		s.waits(min(d, sleepSlice))
	}
}

// report writes the event of a subscription that is ready.
func report(event, subscription []byte) {
	clear(event[:eventSize])
	copy(event, subscription[:8]) // the value that the guest chose for this subscription
	event[10] = subscription[8]
	if subscription[8] != eventClock {
		binary.LittleEndian.PutUint16(event[8:], uint16(badf))
	}
}
