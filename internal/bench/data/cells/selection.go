package cells

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// MinPayload is the smallest payload in bytes: the header of the measured guests'
// protocol.
const MinPayload = 24

// Selection is a set of cells: every combination of the values that its fields
// list. A field that a pattern or a mode does not have does not multiply its
// cells.
type Selection struct {
	Engines, Brokers, Trackers []string
	Patterns                   []Pattern
	Payloads                   []int // bytes
	Modes                      []ModeName
	Components                 []int // of fire-and-forget, and of throughput
	Pairs                      []int // of latency, but not of calls
	Cores                      []int // of throughput and load
	Loads                      []int // of load, in percent
}

// Keys returns the selection's cells, without any twice. The selection's Check
// must have passed.
func (s Selection) Keys() []Key {
	var keys []Key
	each(s.Engines, func(engine string) {
		each(s.Brokers, func(broker string) {
			each(s.Trackers, func(tracker string) {
				keys = append(keys, s.variants(Key{Engine: engine, Broker: broker, Tracker: tracker})...)
			})
		})
	})
	seen := make(map[Key]bool)
	return slices.DeleteFunc(keys, func(key Key) bool {
		twice := seen[key]
		seen[key] = true
		return twice
	})
}

// variants returns the keys of the engine, broker and tracker that key has.
func (s Selection) variants(key Key) []Key {
	var keys []Key
	each(s.Patterns, func(pattern Pattern) {
		each(s.Payloads, func(payload int) {
			each(s.Modes, func(mode ModeName) {
				each(s.Components, func(components int) {
					key.Pattern, key.PayloadBytes, key.Mode, key.Components = pattern, payload, mode, components
					keys = append(keys, MustFind(key.Mode).Vary(s, key)...)
				})
			})
		})
	})
	return keys
}

func each[T any](list []T, do func(T)) {
	for _, item := range list {
		do(item)
	}
}

// vary returns each key once for each of the values.
func vary[T any](keys []Key, values []T, set func(*Key, T)) []Key {
	var varied []Key
	for _, key := range keys {
		for _, value := range values {
			set(&key, value)
			varied = append(varied, key)
		}
	}
	return varied
}

// perPart returns the key once for each part.
func perPart(key Key, parts []Part) []Key {
	return vary([]Key{key}, parts, func(k *Key, part Part) { k.Part = part.Name })
}

// ring clears the number of components where the pattern has no ring of them.
func ring(key Key) Key {
	if key.Pattern != FireAndForget {
		key.Components = 0
	}
	return key
}

// MaxComponents is the most components that a cell can have. More is a slip of a
// key.
const MaxComponents = 100_000

// Check returns an error if no build could measure the selection. The error says
// which values are allowed.
func (s Selection) Check() error {
	for _, mode := range s.Modes {
		if _, err := Find(mode); err != nil {
			return err
		}
	}
	for _, payload := range s.Payloads {
		if payload < MinPayload {
			return fmt.Errorf("payload of %d bytes: want at least %d, which is what the measured guests need", payload, MinPayload)
		}
	}
	return cmp.Or(
		checkAll(s.Components, MaxComponents, "%d components: want 1 to %d"),
		checkAll(s.Pairs, MaxComponents/2, "%d pairs: want 1 to %d"),
		checkAll(s.Cores, math.MaxInt, "%d cores: want at least 1"),
		checkAll(s.Loads, MaxLoad, "a load of %d %%: want 1 to %d"),
	)
}

// checkAll checks that each value is from 1 to most. The text takes the value, and most
// if there is one.
func checkAll(values []int, most int, text string) error {
	i := slices.IndexFunc(values, func(n int) bool { return n < 1 || n > most })
	switch {
	case i < 0:
		return nil
	case most == math.MaxInt:
		return fmt.Errorf(text, values[i])
	}
	return fmt.Errorf(text, values[i], most)
}
