package cells

// Throughput is how many messages a second there are, with many in flight.
const Throughput ModeName = "throughput"

var throughput = Mode{
	Name:  Throughput,
	About: "how many messages a second, with many in flight",

	Vary: func(s Selection, key Key) []Key {
		return vary([]Key{key}, s.Cores, func(k *Key, n int) { k.Cores = n })
	},
	Required: []Field{FieldCores},
	Unit:     UnitPerSecond,

	Loop: ManyInFlight,
	// At the beginning and at the end of a sample less is in flight. In a long
	// sample neither counts.
	Sample: Sample{Times: 5},

	Columns: []Column{
		"engine", "broker", "tracker", "pattern", "payload",
		"cores", "median", "95 % interval", "allocs/op",
	},
	Sections: []Section{{
		ID: "throughput", Title: "Throughput", Figures: []Figure{"highest", "scaling"},
		Lead: "How many messages a second, with many in flight. More is better.",
	}},
}
