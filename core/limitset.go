package core

import "strings"

// LimitSet is a set of those [Limits] that only the engine can keep, where it can:
// not every engine can count fuel. All others the host keeps for every engine.
type LimitSet uint8

// The limits that a set can hold.
const (
	LimitMemory LimitSet = 1 << iota
	LimitTableElements
	LimitStack
	LimitHandlerWallTime
	LimitFuel
	LimitNesting
	numLimitSets = iota
)

// AllLimits is what engines for WebAssembly keep.
const AllLimits = 1<<numLimitSets - 1

var limitKeys = [numLimitSets]string{
	"limits.memory", "limits.table_elements", "limits.stack", "limits.handler_wall_time", "limits.fuel", "limits.nesting",
}

// String returns the configuration's keys of the limits, with commas between them.
func (s LimitSet) String() string {
	var keys []string
	for i, key := range limitKeys {
		if s&(1<<i) != 0 {
			keys = append(keys, key)
		}
	}
	return strings.Join(keys, ", ")
}

// Given returns which limits are not zero, of those that only an engine can keep.
func (l Limits) Given() LimitSet {
	var s LimitSet
	for i, given := range [numLimitSets]bool{l.Memory != 0, l.TableElements != 0, l.Stack != 0, l.HandlerWallTime != 0, l.Fuel != 0, l.Nesting != 0} {
		if given {
			s |= 1 << i
		}
	}
	return s
}
