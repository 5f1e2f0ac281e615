// Package cells says which cells a selection comes to, which of them this build
// cannot measure and why, and what each of them is held to.
package cells

import (
	"fmt"

	"github.com/airhost/airhost/internal/bench/data/result"
	"github.com/airhost/airhost/internal/bench/measure/guests"
)

// MinPayload is the smallest payload that the measured guests take, in bytes:
// the header of their protocol.
const MinPayload = guests.HeaderSize

// MaxLoad is the highest rate of a load cell, in percent of the most that was
// seen: above it the queue only grows.
const MaxLoad = 100

// Selection is a set of cells: every combination of what its fields list. A
// dimension that a pattern or a mode does not have does not multiply its cells.
type Selection struct {
	Engines, Brokers, Trackers []string
	Patterns                   []result.Pattern
	Payloads                   []int // bytes
	Modes                      []result.Mode
	Components                 []int // of fire-and-forget, and of throughput
	Pairs                      []int // of latency, but not of calls
	Cores                      []int // of throughput and load
	Loads                      []int // of load, in percent
}

// Keys returns the selection's cells, without any twice.
func (s Selection) Keys() []result.Key {
	var keys []result.Key
	seen := make(map[result.Key]bool)
	each(s.Engines, func(engine string) {
		each(s.Brokers, func(broker string) {
			each(s.Trackers, func(tracker string) {
				for _, key := range s.workloads() {
					key.Engine, key.Broker, key.Tracker = engine, broker, tracker
					if key = normalize(key); !seen[key] {
						seen[key] = true
						keys = append(keys, key)
					}
				}
			})
		})
	})
	return keys
}

// workloads returns the keys of one engine, broker and tracker, without them.
func (s Selection) workloads() []result.Key {
	var keys []result.Key
	each(s.Patterns, func(pattern result.Pattern) {
		each(s.Payloads, func(payload int) {
			each(s.Modes, func(mode result.Mode) {
				each(s.Components, func(components int) {
					key := result.Key{Pattern: pattern, PayloadBytes: payload, Mode: mode, Components: components}
					keys = append(keys, s.variants(key)...)
				})
			})
		})
	})
	return keys
}

// variants returns the key once for each value of what its mode has of its own.
func (s Selection) variants(key result.Key) []result.Key {
	var keys []result.Key
	add := func(set func(*result.Key)) {
		variant := key
		set(&variant)
		keys = append(keys, variant)
	}
	switch key.Mode {
	case result.Latency:
		each(s.Pairs, func(n int) { add(func(k *result.Key) { k.Pairs = n }) })
	case result.Throughput:
		each(s.Cores, func(n int) { add(func(k *result.Key) { k.Cores = n }) })
	case result.Load:
		each(s.Cores, func(cores int) {
			each(s.Loads, func(n int) { add(func(k *result.Key) { k.Cores, k.LoadPercent = cores, n }) })
		})
	default:
		each(Parts(key.Mode, key.Pattern), func(part string) { add(func(k *result.Key) { k.Part = part }) })
	}
	return keys
}

// normalize clears what the cell does not depend on.
func normalize(key result.Key) result.Key {
	switch key.Mode {
	case result.Stages:
		key.Components = 0
	case result.Cold:
		// What an engine alone does, and then a Go program's first message.
		key.Broker, key.Tracker, key.Pattern, key.Components = "", "", result.Call, 0
	}
	// In mode throughput every pattern has as many components as it is told.
	if key.Mode != result.Throughput && key.Pattern != result.FireAndForget {
		key.Components = 0
	}
	if key.Pattern == result.Call {
		key.Pairs = 0
	}
	return key
}

func each[T any](list []T, do func(T)) {
	for _, item := range list {
		do(item)
	}
}

// MaxComponents is the most that a cell can have. More is a slip of a key.
const MaxComponents = 100_000

// Check refuses what no build could measure, with an error that says what is
// allowed.
func (s Selection) Check() error {
	for _, payload := range s.Payloads {
		if payload < MinPayload {
			return fmt.Errorf("payload of %d bytes: want at least %d, which is what the measured guests need", payload, MinPayload)
		}
	}
	for _, n := range s.Components {
		if n < 1 || n > MaxComponents {
			return fmt.Errorf("%d components: want 1 to %d", n, MaxComponents)
		}
	}
	for _, n := range s.Pairs {
		if n < 1 || n > MaxComponents/2 {
			return fmt.Errorf("%d pairs: want 1 to %d", n, MaxComponents/2)
		}
	}
	for _, n := range s.Cores {
		if n < 1 {
			return fmt.Errorf("%d cores: want at least 1", n)
		}
	}
	for _, n := range s.Loads {
		if n < 1 || n > MaxLoad {
			return fmt.Errorf("a load of %d %%: want 1 to %d", n, MaxLoad)
		}
	}
	return nil
}

// targets are the most that a median may be for a WebAssembly engine, in
// nanoseconds, from the project's goals: 280 and 560 are its origin's budget for
// one message and one round trip, 200 is its own.
var targets = map[result.Pattern]float64{
	result.FireAndForget:   280,
	result.RequestResponse: 560,
	result.Call:            200,
}

// targetPayload is the payload in bytes for which there are targets.
const targetPayload = 64

// Target returns what the cell is held to, in nanoseconds for one operation, or
// false where there is no target: other payloads, rings of other than two
// components, more than one pair, and components that are neither WebAssembly
// nor Go in the host's process. Native components have half the time.
func Target(key result.Key, native bool) (float64, bool) {
	if key.Mode != result.Latency || key.PayloadBytes != targetPayload || !isPair(key) {
		return 0, false
	}
	target, ok := targets[key.Pattern]
	if native {
		target /= 2
	}
	return target, ok
}

// isPair reports whether the cell is a single pair, or a single callee.
func isPair(key result.Key) bool {
	return (key.Components == 0 || key.Components == 2) && key.Pairs <= 1
}

// Verdict says whether a median whose 95 % interval is low to high meets target.
func Verdict(low, high, target float64) result.Verdict {
	switch {
	case high <= target:
		return result.Met
	case low > target:
		return result.Missed
	}
	return result.Undecided
}
