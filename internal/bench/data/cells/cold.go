package cells

// Cold is the cost of a component until its first message.
const Cold ModeName = "cold"

// The parts of a cold cell.
const (
	Compile      = "compile"
	LoadCached   = "load-cached"
	Instantiate  = "instantiate"
	FirstMessage = "first-message"
	Memory       = "memory"
)

var cold = Mode{
	Name:  Cold,
	About: "what a component costs until its first message",

	// An engine starts a component without a broker or a tracker. A Go program
	// sends the first message.
	Vary: func(_ Selection, key Key) []Key {
		key.Broker, key.Tracker, key.Pattern, key.Components = "", "", Call, 0
		return perPart(key, coldParts(Call))
	},
	Required: []Field{FieldPart},
	Parts:    coldParts,
	Unit:     UnitNanoseconds,

	Loop:   PartByPart,
	Sample: Sample{Times: 1, Ops: 1, AnyTotal: true},

	Columns: []Column{"engine", "part", "median", "95 % interval", "allocs/op"},
	Sections: []Section{{
		ID: "cold", Title: "Cold start", Figures: []Figure{"by part"},
		Lead: "What a component costs until it has handled its first message. The axis is logarithmic: each step is several times the one before.",
	}},
}

// memoryOps is the least number of guests that a sample of their memory makes.
const memoryOps = 100

func coldParts(Pattern) []Part {
	return []Part{
		{Name: Compile, About: "from code to a component"},
		{Name: LoadCached, About: "the same, with the compiled code on disk"},
		{Name: Instantiate, About: "from a component to a live guest"},
		{Name: FirstMessage, About: "what a fresh guest is given first"},
		{Name: Memory, About: "of a live guest", Unit: UnitBytes, Ops: memoryOps},
	}
}
