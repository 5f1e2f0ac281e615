package core

import "strings"

// LimitSet is a set of the [Limits] that only an engine can enforce. Some engines
// cannot: not every engine can count fuel. The host enforces all other limits.
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

// AllLimits are the limits that engines for WebAssembly enforce.
const AllLimits = 1<<numLimitSets - 1

var limitKeys = [numLimitSets]string{
	"limits.memory", "limits.table_elements", "limits.stack", "limits.handler_wall_time", "limits.fuel", "limits.nesting",
}

// String returns the configuration keys of the limits, separated by commas.
func (s LimitSet) String() string {
	var keys []string
	for i, key := range limitKeys {
		if s&(1<<i) != 0 {
			keys = append(keys, key)
		}
	}
	return strings.Join(keys, ", ")
}

// Given returns the limits that are not zero, of those that only an engine can
// enforce.
func (l Limits) Given() LimitSet {
	var s LimitSet
	for i, given := range [numLimitSets]bool{l.Memory != 0, l.TableElements != 0, l.Stack != 0, l.HandlerWallTime != 0, l.Fuel != 0, l.Nesting != 0} {
		if given {
			s |= 1 << i
		}
	}
	return s
}
