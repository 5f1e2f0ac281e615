package core

import "sync/atomic"

// Relayer is an [Instance] of an engine whose way to its host is long: it can take
// turns with another one of the engine, each of which handles what the other has
// sent by its grant, and tell its host of all of it at once.
type Relayer interface {
	Instance

	// Relay is HandleMessage without a response, or HandleCallback, of d by
	// r.Instances[0], which it is called of. If the guest sends something to the
	// other by its grant, and does nothing else that needs the host, the engine
	// may have the other handle it, and so on in turns: messages, requests, and
	// the responses to them, of one request at a time. A call that fails is the
	// last.
	//
	// The engine calls r.Settle once: after all of its calls of Grant, before it
	// calls anything else of the host of either, and, where a call goes on, after
	// some milliseconds at the latest. From then on there are no more
	// turns, and only the instance of r.Side is still the caller's: the other may
	// be called, or closed, by anyone. The result is that of the last call.
	Relay(d Delivery, r *Relay) error
}

// Relay is what a host and an engine say to each other in the course of one.
type Relay struct {
	// Instances take turns. Most is how many calls may follow the first, and
	// Requests are the ids under which each may send requests, from the first one
	// on, if its grant has an id. All are the host's, and are not changed.
	Instances [2]Relayer
	Most      int
	Requests  [2][]RequestID

	// Progress is twice the number of calls that have begun after the first, plus
	// Side. The engine writes it when a call begins, and others may read it.
	Progress atomic.Uint32

	// What the engine says when it calls Settle: the calls that have ended between
	// the first and the last, by the side of Instances; and the side of the last
	// call and what it is for, in whose middle or at whose end this is. Payload
	// and TimeoutMillis are those of its message or request; Payload is valid
	// until Settle returns.
	Ended         [2]RelayCalls
	Side          int
	Last          RelayKind
	Payload       []byte
	TimeoutMillis uint64

	// Settle is the host's. It returns where the response to the last call goes,
	// or nil, as of HandleMessage.
	Settle func() (response *[]byte)
}

// RelayCalls counts calls of one side.
type RelayCalls struct{ Messages, Requests, Callbacks int }

// RelayKind says what a call of a relay is for.
type RelayKind uint8

// The kinds.
const (
	RelayFirst    RelayKind = iota // what Relay was called with
	RelayMessage                   // a message from the other side
	RelayRequest                   // a request from the other side
	RelayCallback                  // the response of the other side to the request that was sent last
)
