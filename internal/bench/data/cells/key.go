// Package cells says which cells there are. A [Key] names a cell, a [Mode] says
// how the cells of one question are chosen, measured and shown, and a [Selection]
// lists cells.
package cells

import "fmt"

// Pattern is the way in which the components of a cell exchange messages.
type Pattern string

// The patterns. Call is a Go program's request to an idle component.
const (
	FireAndForget   Pattern = "fire-and-forget"
	RequestResponse Pattern = "request-response"
	Call            Pattern = "call"
)

// Patterns returns all patterns.
func Patterns() []Pattern { return []Pattern{FireAndForget, RequestResponse, Call} }

// Key names a cell.
type Key struct {
	Engine       string   `json:"engine"`
	Broker       string   `json:"broker"`
	Tracker      string   `json:"tracker"`
	Pattern      Pattern  `json:"pattern"`
	PayloadBytes int      `json:"payload_bytes"`
	Mode         ModeName `json:"mode"`
	// Components is how many components pass a message round. Of latency cells only
	// fire-and-forget has it: there request-response has two components, and call
	// has one. Throughput cells have it with all patterns: each component of the
	// round sends messages or requests to the next, and a Go program calls all of
	// them.
	Components int `json:"components,omitempty"`
	// Pairs is how many rings or pairs run at the same time, each on its own;
	// 0 where the pattern or the mode has no such choice. An operation of any of
	// them counts, so that with two pairs on two cores ns/op would ideally halve.
	Pairs int `json:"pairs,omitempty"`
	// Cores is how many processors a cell of throughput or load may use, with as many
	// workers of the host; 0 in other modes.
	Cores int `json:"cores,omitempty"`
	// LoadPercent is the rate of a load cell, as a share of the highest rate that
	// the same cell reached in the same run; 0 in other modes.
	LoadPercent int `json:"load_percent,omitempty"`
	// Part names the part of a cold or a stages cell's question that the cell
	// answers, such as "compile" or "tracker"; "" in other modes.
	Part string `json:"part,omitempty"`
	// Peer says that the cell is of another project's host, which Engine names;
	// it has neither broker nor tracker.
	Peer bool `json:"peer,omitempty"`
}

// String names the cell for people. It leaves out fields that the cell does not
// have, or that have their usual value.
func (k Key) String() string {
	var text string
	for _, part := range []string{k.Engine, k.Broker, k.Tracker} {
		if part != "" {
			text += part + "/"
		}
	}
	text += fmt.Sprintf("%s/%dB/%s", k.Pattern, k.PayloadBytes, k.Mode)
	if k.Components != 0 && k.Components != 2 {
		text += fmt.Sprintf("/components=%d", k.Components)
	}
	if k.Pairs > 1 {
		text += fmt.Sprintf("/pairs=%d", k.Pairs)
	}
	if k.Cores > 0 {
		text += fmt.Sprintf("/cores=%d", k.Cores)
	}
	if k.LoadPercent > 0 {
		text += fmt.Sprintf("/load=%d%%", k.LoadPercent)
	}
	if k.Part != "" {
		text += "/" + k.Part
	}
	return text
}

// LeftOutError says that a cell exists but cannot be measured by this build, or
// on this machine. The run's other cells are measured all the same.
type LeftOutError struct{ Reason string }

// Error gives the reason.
func (e *LeftOutError) Error() string { return "left out: " + e.Reason }

// The units. More is better in messages a second, and less in all others.
const (
	// UnitNanoseconds is nanoseconds for one operation: one hop, one round trip,
	// one call, or the operation that a part is named after.
	UnitNanoseconds = "ns/op"
	UnitPerSecond   = "msg/s"
	UnitBytes       = "B"
)

// UnitMultiple is that of medians that are multiples of their floors. No cell has it.
const UnitMultiple = "× floor"

// Units returns all units.
func Units() []string { return []string{UnitNanoseconds, UnitPerSecond, UnitBytes} }

// MoreIsBetter reports whether a larger figure in the unit is a better one.
func MoreIsBetter(unit string) bool { return unit == UnitPerSecond }
