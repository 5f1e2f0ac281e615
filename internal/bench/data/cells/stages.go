package cells

// Stages is where the time of a message goes.
const Stages ModeName = "stages"

// The parts of a stages cell. Whole is the operation as in mode latency. Rest is
// the time of the operation that no other part explains, which can be below 0.
const (
	HostCall = "host-call" // out of the guest: the engine's part of sending
	Checks   = "checks"    // arguments, capability, quota, and the message's copy
	Broker   = "broker"    // from the call of the broker's route to the receiver
	Mailbox  = "mailbox"   // mailboxes and workers: all else of the host's
	Tracker  = "tracker"   // registered and resolved, with its timer
	Delivery = "delivery"  // into the guest and back: the engine's part of handling
	Rest     = "rest"
	Whole    = "whole"
)

var stages = Mode{
	Name:  Stages,
	About: "where the time of a message goes",

	Vary: func(_ Selection, key Key) []Key {
		key.Components = 0
		return perPart(key, stageParts(key.Pattern))
	},
	Required: []Field{FieldPart},
	Parts:    stageParts,
	Terms:    stageTerms,
	Unit:     UnitNanoseconds,

	Loop:   PartByPart,
	Sample: Sample{Times: 1},

	Columns: []Column{
		"engine", "broker", "tracker", "pattern", "payload",
		"part", "median", "95 % interval",
	},
	Sections: []Section{{
		ID: "stages", Title: "Where the time goes", Figures: []Figure{"stack"},
		Lead: "The parts of one operation. A row begins where the one above it ends, and the first row has them all. What no stage explains is named the rest.",
	}},
}

// The measurements that the parts of a stages cell are found from, where they are
// not parts themselves.
const (
	BaseWhole   = Whole
	BaseChecks  = Checks
	BaseBroker  = Broker
	BaseTracker = Tracker
	// BaseHost is the whole operation between components that do nothing and
	// that no engine runs.
	BaseHost = "host"
	// BaseSend is a guest that sends each message on, and nobody gets it. BaseHandle
	// is a guest that does not send.
	BaseSend   = "ball"
	BaseHandle = "echo"
	// BaseRoundTrip is a guest that answers a request, and another that takes the
	// response and sends the next request.
	BaseRoundTrip = "round"
	// BaseRespond is a guest whose response is fetched.
	BaseRespond = "answer"
)

// stage is how a part is found: the sum of the measurements plus, less those of
// minus.
type stage struct {
	part        string
	plus, minus []string
}

// stagesOf are the parts of each pattern. They add up to the whole.
var stagesOf = map[Pattern][]stage{
	FireAndForget: {
		{HostCall, []string{BaseSend}, []string{BaseHandle}},
		{Checks, []string{BaseChecks}, nil},
		{Broker, []string{BaseBroker}, nil},
		{Mailbox, []string{BaseHost}, []string{BaseChecks, BaseBroker}},
		{Delivery, []string{BaseHandle}, nil},
		{Rest, []string{BaseWhole}, []string{BaseSend, BaseHost}},
		{Whole, []string{BaseWhole}, nil},
	},
	RequestResponse: {
		{HostCall, []string{BaseSend}, []string{BaseHandle}},
		{Checks, []string{BaseChecks}, nil},
		{Tracker, []string{BaseTracker}, nil},
		{Broker, []string{BaseBroker}, nil},
		{Mailbox, []string{BaseHost}, []string{BaseChecks, BaseBroker, BaseTracker}},
		{Delivery, []string{BaseRoundTrip, BaseHandle}, []string{BaseSend}},
		{Rest, []string{BaseWhole}, []string{BaseRoundTrip, BaseHost}},
		{Whole, []string{BaseWhole}, nil},
	},
	Call: {
		{Mailbox, []string{BaseHost}, nil},
		{Delivery, []string{BaseRespond}, nil},
		{Rest, []string{BaseWhole}, []string{BaseRespond, BaseHost}},
		{Whole, []string{BaseWhole}, nil},
	},
}

// stageAbout says in a few words what each part is.
var stageAbout = map[string]string{
	HostCall: "the engine's part of sending",
	Checks:   "arguments, capability, quota, copy",
	Broker:   "from the sender's host to the receiver",
	Mailbox:  "mailboxes and workers",
	Tracker:  "the pending request and its timer",
	Delivery: "the engine's part of handling",
	Rest:     "in none of the stages",
	Whole:    "all of the operation",
}

func stageParts(pattern Pattern) []Part {
	var parts []Part
	for _, s := range stagesOf[pattern] {
		parts = append(parts, Part{Name: s.part, About: stageAbout[s.part]})
	}
	return parts
}

// Term is a share of a figure: Factor times the measurement of Key.
type Term struct {
	Key    Key
	Factor float64
}

// Terms returns the measurements that the cell's figure is the sum of: in most
// modes the cell itself.
func Terms(key Key) []Term {
	if terms := MustFind(key.Mode).Terms; terms != nil {
		return terms(key)
	}
	return []Term{{key, 1}}
}

func stageTerms(key Key) []Term {
	var terms []Term
	for _, s := range stagesOf[key.Pattern] {
		if s.part != key.Part {
			continue
		}
		for _, base := range s.plus {
			terms = append(terms, Term{baseKey(key, base), 1})
		}
		for _, base := range s.minus {
			terms = append(terms, Term{baseKey(key, base), -1})
		}
	}
	return terms
}

// baseKey is the key of a measurement for a stages cell. It lacks what the
// measurement does not depend on, so that cells share it.
func baseKey(key Key, base string) Key {
	key.Part = base
	switch base {
	case BaseChecks:
		key.Engine, key.Broker, key.Tracker, key.Pattern = "", "", "", FireAndForget
	case BaseBroker:
		key.Engine, key.Tracker, key.Pattern = "", "", FireAndForget
	case BaseTracker:
		key.Engine, key.Broker, key.Pattern = "", "", RequestResponse
	case BaseHost:
		key.Engine = ""
	case BaseSend, BaseHandle:
		key.Broker, key.Tracker, key.Pattern = "", "", FireAndForget
	case BaseRoundTrip, BaseRespond:
		key.Broker, key.Tracker = "", ""
	}
	return key
}
