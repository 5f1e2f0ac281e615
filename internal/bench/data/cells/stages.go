package cells

import "github.com/airhost/airhost/internal/bench/data/result"

// The parts of a cold cell.
const (
	Compile      = "compile"       // code to component
	LoadCached   = "load-cached"   // the same, with the compiled code on disk
	Instantiate  = "instantiate"   // component to live guest, initialized
	FirstMessage = "first-message" // what a fresh guest is given first
	Memory       = "memory"        // bytes that a live guest takes up
)

// The parts of a stages cell. Whole is the operation as in mode latency, and
// Rest what of it the other parts do not explain, which can be below 0.
const (
	HostCall = "host-call" // out of the guest: the engine's part of sending
	Checks   = "checks"    // arguments, capability, quota, and the message's copy
	Broker   = "broker"    // handed to the broker's route, until it arrives
	Mailbox  = "mailbox"   // mailboxes and workers: all else of the host's
	Tracker  = "tracker"   // registered and resolved, with its timer
	Delivery = "delivery"  // into the guest and back: the engine's part of handling
	Rest     = "rest"
	Whole    = "whole"
)

// What is measured to find the parts of a stages cell, where it is not a part
// itself.
const (
	BaseWhole   = Whole
	BaseChecks  = Checks
	BaseBroker  = Broker
	BaseTracker = Tracker
	// BaseHost is the whole operation between components that do nothing and
	// that no engine runs.
	BaseHost = "host"
	// BaseBall is a guest that sends what it is sent, with nobody behind it, and
	// BaseEcho one that does not send.
	BaseBall = "ball"
	BaseEcho = "echo"
	// BaseRound is a guest that answers a request, and another that takes the
	// response and sends the next request.
	BaseRound = "round"
	// BaseAnswer is a guest whose response is fetched.
	BaseAnswer = "answer"
)

// Parts returns the parts of a mode's cells for a pattern, in the order in which
// a message comes to them; modes without parts have one, "".
func Parts(mode result.Mode, pattern result.Pattern) []string {
	switch mode {
	case result.Cold:
		return []string{Compile, LoadCached, Instantiate, FirstMessage, Memory}
	case result.Stages:
		var parts []string
		for _, s := range stages[pattern] {
			parts = append(parts, s.part)
		}
		return parts
	}
	return []string{""}
}

// Term is a share of a figure: Factor times what is measured of Key.
type Term struct {
	Key    result.Key
	Factor float64
}

// stage is how a part is found: the sum of what is measured of plus, less that
// of minus.
type stage struct {
	part        string
	plus, minus []string
}

// stages are the parts of each pattern. They add up to the whole.
var stages = map[result.Pattern][]stage{
	result.FireAndForget: {
		{HostCall, []string{BaseBall}, []string{BaseEcho}},
		{Checks, []string{BaseChecks}, nil},
		{Broker, []string{BaseBroker}, nil},
		{Mailbox, []string{BaseHost}, []string{BaseChecks, BaseBroker}},
		{Delivery, []string{BaseEcho}, nil},
		{Rest, []string{BaseWhole}, []string{BaseBall, BaseHost}},
		{Whole, []string{BaseWhole}, nil},
	},
	result.RequestResponse: {
		{HostCall, []string{BaseBall}, []string{BaseEcho}},
		{Checks, []string{BaseChecks}, nil},
		{Tracker, []string{BaseTracker}, nil},
		{Broker, []string{BaseBroker}, nil},
		{Mailbox, []string{BaseHost}, []string{BaseChecks, BaseBroker, BaseTracker}},
		{Delivery, []string{BaseRound, BaseEcho}, []string{BaseBall}},
		{Rest, []string{BaseWhole}, []string{BaseRound, BaseHost}},
		{Whole, []string{BaseWhole}, nil},
	},
	result.Call: {
		{Mailbox, []string{BaseHost}, nil},
		{Delivery, []string{BaseAnswer}, nil},
		{Rest, []string{BaseWhole}, []string{BaseAnswer, BaseHost}},
		{Whole, []string{BaseWhole}, nil},
	},
}

// Terms returns what has to be measured for the cell's figure: in most modes the
// cell itself.
func Terms(key result.Key) []Term {
	if key.Mode != result.Stages {
		return []Term{{key, 1}}
	}
	var terms []Term
	for _, s := range stages[key.Pattern] {
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

// baseKey is the key of what is measured for a stages cell, without what it does
// not depend on, so that cells share it.
func baseKey(key result.Key, base string) result.Key {
	key.Part = base
	switch base {
	case BaseChecks:
		key.Engine, key.Broker, key.Tracker, key.Pattern = "", "", "", result.FireAndForget
	case BaseBroker:
		key.Engine, key.Tracker, key.Pattern = "", "", result.FireAndForget
	case BaseTracker:
		key.Engine, key.Broker, key.Pattern = "", "", result.RequestResponse
	case BaseHost:
		key.Engine = ""
	case BaseBall, BaseEcho:
		key.Broker, key.Tracker, key.Pattern = "", "", result.FireAndForget
	case BaseRound, BaseAnswer:
		key.Broker, key.Tracker = "", ""
	}
	return key
}

// HasFloor reports whether there is a floor to compare the cell with. Rings that
// run at the same time share processors, of which a floor uses one.
func HasFloor(key result.Key) bool {
	return key.Mode == result.Latency && key.Pairs <= 1 && !key.Peer
}

// Unit returns the unit of a cell's figures.
func Unit(key result.Key) string {
	switch {
	case key.Mode == result.Throughput:
		return result.UnitPerSecond
	case key.Mode == result.Cold && key.Part == Memory:
		return result.UnitBytes
	}
	return result.UnitNanoseconds
}
