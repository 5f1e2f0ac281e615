package abi

import (
	"slices"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/wasm"
)

// Op selects an operation of an entry. Its lowest bits are one of the kinds below, and
// the rest are flags.
type Op uint32

// The kinds of operations. All arguments that are not named are 0.
const (
	// OpMessage runs handle-message on its four arguments, and then finishes the call.
	OpMessage Op = iota
	// OpCallback runs handle-callback on Payload, PayloadSize and ID, and then finishes
	// the call.
	OpCallback
	// OpFinishMessage and OpFinishCallback finish a call that returned [TakeResult].
	// Payload is the result area; SenderSize and PayloadSize are the call's.
	OpFinishMessage
	OpFinishCallback
	// OpResize resizes Sender and Payload with cabi_realloc, from their sizes to those
	// in ID: the sender's in the lower half, the payload's in the upper half. It does
	// not touch a block whose new size is 0. It returns both pointers.
	OpResize
	// OpTarget sets a part of the guest's credit: word number Sender of the target is
	// ID, of which Request is the mask. SenderSize is the size of the target in bytes,
	// and Payload that of the largest message.
	OpTarget

	opKinds Op = 7
)

// The flags of OpMessage and OpCallback.
const (
	OpFailure  Op = 1 << (iota + 3) // the request of OpCallback failed
	OpWanted                        // the response is wanted
	OpMessages                      // the guest may send a message by its credit
	OpRequests                      // the guest may send a request by its credit; Request is its id
)

// The arguments of an entry, by their place in the stack of a call.
const (
	EntryOp = iota
	EntrySender
	EntrySenderSize
	EntryPayload
	EntryPayloadSize
	EntryID
	EntryRequest
	entryParams
)

// The results of an entry, by their place in the stack of a call. A call is finished by
// the guest's post-return, if it has one, and cabi_realloc for the arguments of the next
// call, in the sizes of this call's, up to [MaxAdvance].
const (
	EntryBuffers = iota // the pointers to both allocations: the sender's in the lower half, the payload's in the upper half
	EntryStatus         // see [Status]
	EntryTimeout        // of a sent request, in milliseconds
	EntryWords          // the first word of the message, request or response
	EntrySlots   = EntryWords + Words
)

// Words is the number of words in which an entry returns a message, request or response,
// and MaxWords is its largest size in bytes.
const (
	Words    = 8
	MaxWords = Words * 8
)

// MaxAdvance is the largest block that is allocated in advance, in bytes. A guest need not
// keep more than that between its calls, nor copy it if the next argument has another
// size.
const MaxAdvance = 64 << 10

// MaxTarget is the largest size of a credit's target in bytes, and TargetWords is the
// number of its words.
const (
	MaxTarget   = 128
	TargetWords = MaxTarget / 8
)

// comparedWords are the numbers of words that the entry compares for short and longer
// targets.
var comparedWords = [...]int{2, 4, TargetWords}

// TargetWord returns word number i of a credit's target, and its mask.
func TargetWord(target string, i int) (word, mask uint64) {
	for n, c := range []byte(target[min(8*i, len(target)):min(8*i+8, len(target))]) {
		word |= uint64(c) << (8 * n)
		mask |= 0xff << (8 * n)
	}
	return word, mask
}

// WordsOf returns the number of words that the entry compares for a target: all of them
// must be set by [OpTarget].
func WordsOf(target string) int {
	for _, words := range comparedWords {
		if len(target) <= 8*words {
			return words
		}
	}
	return TargetWords
}

// Status is a result of an entry. The kind says that the guest has sent a message or a
// request by its credit, or that its response is there.
type Status uint64

const (
	statusKinds     = 7
	statusSizeShift = 8

	// TakeResult says that the entry has stopped after the guest's handler, since the
	// result is not a small one. Its area is in [EntryBuffers]. The host reads the
	// result, and finishes the call.
	TakeResult Status = 1 << 3
)

// Kind returns the kind of the transfer in the words.
func (s Status) Kind() core.TransferKind { return core.TransferKind(s & statusKinds) }

// Size returns the number of bytes in the words.
func (s Status) Size() int { return int(s >> statusSizeShift) }

// Entry has the names of the exports that [AddEntry] has added.
type Entry struct {
	Name string // of the function

	// Names of globals that tell of a call which has not returned: its phase, and its
	// results so far, which are [EntryStatus], [EntryTimeout] and the words. Credit is
	// not 0 while the guest may send by its credit.
	Phase, Credit, Status, Timeout string
	Words                          [Words]string
}

// Phases are the values of the phase's global.
type Phases struct{ Idle, Handling, Allocating, Cleaning byte }

// AddEntry adds a function to a module that meets the contract. The function runs a whole
// call of the guest, so that host and guest change places once for a message. It also
// replaces the guest's calls of send-message and send-request by functions that answer
// them by the guest's credit, if the message is small, and call the host otherwise; the
// error is of the guest's code. AddEntry replaces m's slices and does not change their
// elements.
func AddEntry(m *wasm.Module, phases Phases) (Entry, error) {
	g := &entryCode{moduleCode: moduleCode{m: m, functions: make(map[string]uint32)}, phases: phases}
	for _, e := range m.Exports {
		if e.Kind == wasm.KindFunc {
			g.functions[e.Name] = e.Index
		}
	}
	entry := g.addGlobals()
	guests := len(m.Code)
	redirected := g.addSends()
	m.Code = slices.Clone(m.Code)
	for i := 0; i < guests && len(redirected) > 0; i++ {
		if err := m.Code[i].RedirectCalls(redirected); err != nil {
			return entry, err
		}
	}
	entry.Name = m.Export("airhost:entry", wasm.KindFunc, g.entry())
	return entry, nil
}
