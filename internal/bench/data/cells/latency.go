package cells

// Latency is what one message costs, with one in flight.
const Latency ModeName = "latency"

var latency = Mode{
	Name:  Latency,
	About: "what one message costs, with one in flight",

	Vary: func(s Selection, key Key) []Key {
		if key.Pattern == Call { // which has one component
			return []Key{ring(key)}
		}
		return vary([]Key{ring(key)}, s.Pairs, func(k *Key, n int) { k.Pairs = n })
	},
	Unit:  UnitNanoseconds,
	Floor: true,
	// 280 and 560 are the origin's budget for one message and one round trip, 200
	// is this project's own.
	Targets: map[Pattern]float64{FireAndForget: 280, RequestResponse: 560, Call: 200},
	// Processors differ less in multiples than in nanoseconds, so that these are the
	// promises for any of them.
	Multiples: map[string]map[Pattern]float64{
		"wazero":   {FireAndForget: 1.2, RequestResponse: 1.6, Call: 4},
		"wasmtime": {FireAndForget: 1.3, RequestResponse: 1.5, Call: 3},
		"native":   {FireAndForget: 3, RequestResponse: 5, Call: 6},
	},

	Loop:   OneInFlight,
	Sample: Sample{Times: 1},

	Columns: []Column{
		"engine", "broker", "tracker", "pattern", "payload",
		"median", "95 % interval", "target", "floor", "multiple", "target of it", "allocs/op",
	},
	Sections: []Section{
		{
			ID: "distributions", Title: "Samples", Figures: []Figure{"distributions"},
			Lead: "Every sample of every latency cell, none dropped. Above: how densely samples lie, each sample as a dot, the median and its 95 % interval. Below: the same samples in the order in which they were taken, where drift shows as a slope or a step.",
		},
		{
			ID: "scaling", Title: "What more of it costs", Figures: []Figure{"scaling"},
			Lead: "The time for one operation, where cells differ in one thing only.",
		},
	},
	Glossary: []Word{
		{"Floor", "What the engine alone needs for the same crossings between host and guest, by the fastest way known, measured in the same run. No host on this engine could be faster."},
		{"Multiple of the floor", "The median divided by the floor. Times drift from day to day on shared machines; the multiple drifts less. It is all that different processors are compared by."},
		{"Target", "The most that the median should be. In time: 280 ns for fire-and-forget, 560 ns for request-response and 200 ns for a call; native components, which cross no border, have half of that. As a multiple of the floor, in the same order: 1.2, 1.6 and 4 on wazero; 1.3, 1.5 and 3 on Wasmtime; 3, 5 and 6 natively."},
		{"Met, missed, undecided", "Met: the whole interval is within the target. Missed: the whole interval is beyond it. Undecided: the interval crosses the target, so that the samples do not tell."},
	},
}
