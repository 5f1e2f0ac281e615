package cells

// Calls is the cost of a call in each of the ways that a Go program has.
const Calls ModeName = "calls"

// The parts of a calls cell: the ways.
const (
	CallRequest = "request" // the response has new memory
	CallAppend  = "append"  // the caller has room for it, as in mode latency
	CallMany    = "many"    // so has it for ManyCalls requests at a time
)

// ManyCalls is how many requests there are at a time in the part CallMany.
const ManyCalls = 32

var calls = Mode{
	Name:  Calls,
	About: "what a call costs, by the method that a Go program calls",

	Vary: func(_ Selection, key Key) []Key {
		key.Pattern, key.Components = Call, 0
		return perPart(key, callParts(Call))
	},
	Required: []Field{FieldPart},
	Parts:    callParts,
	Unit:     UnitNanoseconds,
	Floor:    true,

	Loop:   OneInFlight,
	Sample: Sample{Times: 1},

	Columns: []Column{
		"engine", "broker", "tracker", "payload",
		"part", "median", "95 % interval", "floor", "multiple", "allocs/op",
	},
	Sections: []Section{{
		ID: "calls", Title: "Ways to call", Figures: []Figure{"by part"},
		Lead: "What one request of a Go program costs, from Go to the component and back, by the method that it calls. The axis is logarithmic.",
	}},
}

func callParts(Pattern) []Part {
	return []Part{
		{Name: CallRequest, About: "Request: each response has new memory"},
		{Name: CallAppend, About: "AppendRequest: the caller has room for the response"},
		{Name: CallMany, About: "RequestMany: 32 requests at a time"},
	}
}
