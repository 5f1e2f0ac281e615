package cells

// Load is the time that the slowest messages take at a fixed rate.
const Load ModeName = "load"

// MaxLoad is the highest rate of a load cell, in percent of the highest rate that
// the cell reached: above it the queue only grows.
const MaxLoad = 100

var load = Mode{
	Name:  Load,
	About: "what the slowest see at a fixed rate, from when they should have been sent",

	Vary: func(s Selection, key Key) []Key {
		keys := vary([]Key{ring(key)}, s.Cores, func(k *Key, n int) { k.Cores = n })
		return vary(keys, s.Loads, func(k *Key, n int) { k.LoadPercent = n })
	},
	Required: []Field{FieldLoad},
	Allowed:  []Field{FieldCores}, // which old files do not have
	Unit:     UnitNanoseconds,
	Tails:    true,

	Loop: FixedRate,
	// A long sample has some operations beyond its 99.9th percentile.
	Sample: Sample{Times: 20, AnyTotal: true},

	Columns: []Column{
		"engine", "broker", "tracker", "pattern", "payload",
		"cores", "load", "rate", "percentiles", "95 % of p99.9", "late",
	},
	Sections: []Section{{
		ID: "load", Title: "Latency under load", Figures: []Figure{"percentiles"},
		Lead: "Messages sent at a fixed rate, whether or not the one before is done. Latency counts from when a message should have been sent, so that a stall delays, and counts against, all messages behind it. Each step to the right is a rarer case.",
	}},
	Glossary: []Word{
		{"Percentile", "99.9 %: of a thousand operations, all but one took no longer."},
		{"Late send", "An operation that began more than a millisecond after it should have. The delay is part of its latency."},
	},
}
