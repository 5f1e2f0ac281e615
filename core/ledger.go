package core

import "sync/atomic"

// Ledger lets an engine act for its host during one call of a guest, and holds the
// account of it. An engine then answers a guest's send itself, or even runs the target,
// and tells the host afterwards: this is faster than a call of the host for each message.
// A host makes one ledger for each component and passes it as [Environment.Ledger].
//
// The host fills in Sides and Most before each HandleMessage and HandleCallback. An
// engine whose [Traits] say KeepsLedger may then, in these two calls only, answer one
// send-message or send-request of the guest by the guest's Credit: with ok, or with the
// first of Requests. It fills in Open: it appends the payload to Open.Payload[:0], which
// is memory of the host. The host delivers Open when the call has ended. Before the
// engine calls [Services] for anything else, it calls Reconcile if it has filled in
// Open; and once it has called Services for the guest, the ledger allows nothing more.
//
// If Most is above 0, an engine whose Traits say Exchanges may deliver to the other side
// itself whatever the guest sends to it by its credit. The other side's call may send by
// its own credit in turn, and so on: an exchange. Messages, requests and the responses
// to them go back and forth, one request at a time, in at most Most calls after the
// first. A call that fails is the last. The error that HandleMessage or HandleCallback
// returns is that of the last call. Then the engine fills in the account and calls
// Reconcile, once: before it calls Services of either side for anything else, after some
// milliseconds if a call goes on, and at the end of the last call; if it cannot
// exchange, before the call, with an account of nothing. From then on the engine does
// not touch the ledger: it allows nothing, and its sides may be in other calls. Of the
// two instances the engine uses only that of Side: the other one may be called or closed
// by anyone. If calls followed the first one, the payload of the first is the host's
// again.
//
// A host that passes a ledger promises that its Services.Now is the system's clock.
type Ledger struct {
	// Sides[0] is the guest that the host calls, Sides[1] the guest that it may exchange
	// messages with. With a Most of 0, only Credit and Requests of Sides[0] are set. The
	// engine does not change them.
	Sides [2]Side
	// Most is the number of calls that may follow the first. It is 0 if the engine does
	// not exchange; then the host delivers everything that the guest sends.
	Most int

	// Progress is twice the number of calls that have begun after the first, plus
	// the side of the last of them. The engine writes it when a call begins; the
	// host's watchdog reads it.
	Progress atomic.Uint32

	// The account: the calls that ended between the first and the current one, by
	// side; and the current call, which is in progress or was the last. Side is its
	// side, and Current the message, request or response that it was called with;
	// a Current of kind TransferNone is the call that the host made.
	Ended   [2]CallCounts
	Side    int
	Current Transfer
	// Open is the message or request that the guest of the current call has sent by
	// its credit, and that nobody has handled yet. The host delivers it, and sets its
	// Kind to TransferNone. Its Payload is the host's memory, whatever its Kind.
	Open Transfer

	reconcile func() (response *[]byte)
}

// NewLedger returns a ledger of a host. reconcile is called by Reconcile.
func NewLedger(reconcile func() (response *[]byte)) *Ledger {
	return &Ledger{reconcile: reconcile}
}

// Reconcile hands the account to the host, which catches up on its work for each call of
// the account. It is called on the goroutine of the call and may block as [Services] may.
// If Current is a request, the engine appends its response to the result; otherwise the
// result is nil.
func (l *Ledger) Reconcile() (response *[]byte) { return l.reconcile() }

// Side is one of the two guests of a [Ledger].
type Side struct {
	// Instance is the guest.
	Instance Instance
	// Credit is the guest's credit; nil is none. It is not changed, and is the same
	// pointer as long as it is the same credit.
	Credit *Credit
	// Requests are the ids for the guest's requests, in this order; empty if it may
	// send none. In an exchange each request takes the next one.
	Requests []RequestID
}

// Credit says which messages and requests a guest may send without asking its host.
type Credit struct {
	Target   string // the only target
	Messages bool   // whether fire-and-forget messages may be sent
	MaxSize  int    // of a message or request, in bytes
}

// Transfer is a message, request or response between the sides of a [Ledger].
type Transfer struct {
	Kind          TransferKind
	Payload       []byte // that of Current is valid until Reconcile returns; empty for a response
	TimeoutMillis uint64 // of a request; 0 is the host's default
}

// TransferKind is the kind of a [Transfer].
type TransferKind uint8

// The kinds.
const (
	TransferNone     TransferKind = iota
	TransferMessage               // handled by handle-message, without a response
	TransferRequest               // handled by handle-message
	TransferResponse              // of the last request, handled by handle-callback
)

// CallCounts counts the calls of one side, by the kind of their transfer.
type CallCounts struct{ Messages, Requests, Responses int }
