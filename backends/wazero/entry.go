package wazero

import (
	"encoding/binary"

	"github.com/tetratelabs/wazero/api"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/abi"
	"github.com/airhost/airhost/internal/sandbox"
)

// entry is an instance's side of the function that [abi.AddEntry] has added to the
// guest's module. The function runs a whole call of the guest, so that Go and wazero's
// code change places once for a message.
type entry struct {
	fn      api.Function // looked up on first use: it holds a stack of 10 KiB
	stack   [abi.EntrySlots]uint64
	bytes   [abi.MaxWords]byte // see words
	globals *entryGlobals      // looked up on first use
	inside  bool               // fn runs, and only the guest's module knows the phase

	// The blocks that the guest has allocated for the arguments of the next call.
	sender, payload block

	pointers uint64 // both, as the entry has returned them last

	credit *core.Credit // the one that the guest's module has, or nil
	flags  abi.Op       // of a message by the credit
	seen   *core.Credit // of the last call; the module gets it when it comes a second time
	allows bool         // the guest may send by its credit, or has done so, in the call in progress
}

// block is a block of the guest's memory. Its size is 0 if there is none.
type block struct {
	ptr, size uint32
	// The last call did not take the block. A guest may have freed it all the same: one
	// that frees everything in its post-returns, and knows nothing of the block.
	stale bool
}

// resized returns the size to which the block must be resized for n bytes; 0 if it fits
// or is not needed.
func (b *block) resized(n int) uint64 {
	if n == int(b.size) && !b.stale {
		return 0
	}
	return uint64(n)
}

// become makes the block the one that was allocated for n bytes. With 0 it stays, unused;
// with none there is no block any more.
func (b *block) become(ptr uint32, n int) {
	switch n {
	case 0:
		b.stale = true
	case none:
		*b = block{}
	default:
		*b = block{ptr: ptr, size: uint32(n)}
	}
}

const none = -1

// within reports whether the block is in a memory of the given size.
func (b *block) within(end uint64) bool {
	return uint64(b.ptr)+uint64(b.size) <= end && (b.ptr != 0 || b.size == 0)
}

// inAdvance returns the size of the block that the entry allocates in advance after a
// call with this argument, or none if the argument is too large for that.
func inAdvance(argument []byte) int {
	if len(argument) > abi.MaxAdvance {
		return none
	}
	return len(argument)
}

// write writes s to the block and returns its address. The block has the size of s,
// unless s is empty.
func (b block) write(mem []byte, s []byte) uint64 {
	if len(s) == 0 {
		return 1 // as the contract has it for an empty list
	}
	copy(mem[b.ptr:], s)
	return uint64(b.ptr)
}

// entryGlobals are the globals of the guest's module that tell of a call in progress.
type entryGlobals struct {
	phase, timeout api.Global
	status, credit api.MutableGlobal
	words          [abi.Words]api.Global
}

// phases are the values that the entry gives to its global.
var phases = abi.Phases{
	Idle: byte(sandbox.Idle), Handling: byte(sandbox.Handling), Allocating: byte(sandbox.Allocating), Cleaning: byte(sandbox.Cleaning),
}

// deliver runs handle-message or handle-callback on sender and payload; a callback has no
// sender. It returns the guest's answer if that is an error.
func (in *instance) deliver(op abi.Op, id core.RequestID, sender, payload []byte, response *[]byte) error {
	e := &in.entry
	if err := in.fit(len(sender), len(payload)); err != nil {
		return err
	}
	credit := in.useCredit()
	e.stack[abi.EntrySender] = e.sender.write(in.memory.current, sender)
	e.stack[abi.EntryPayload] = e.payload.write(in.memory.current, payload)
	e.stack[abi.EntrySenderSize], e.stack[abi.EntryPayloadSize] = uint64(len(sender)), uint64(len(payload))
	e.stack[abi.EntryID] = uint64(id)
	if credit&abi.OpRequests != 0 {
		e.stack[abi.EntryRequest] = uint64(in.Env.Ledger.Sides[0].Requests[0])
	}
	if response != nil {
		op |= abi.OpWanted
	}
	ended := in.enter(op | credit)
	status := abi.Status(e.stack[abi.EntryStatus])
	in.noteSent(status)
	var failure *core.ComponentError
	if status&abi.TakeResult != 0 && ended == sandbox.Idle {
		if failure, ended = in.takeResult(op, len(sender), len(payload), response); in.Over != nil && ended == sandbox.Idle {
			return in.Over
		}
	} else if status.Kind() == core.TransferResponse {
		failure = in.Respond(e.words(status.Size()), response)
	}
	switch ended {
	case sandbox.Idle:
		if err := in.Left(); err != nil {
			return err
		}
		in.keepBlocks(inAdvance(sender), inAdvance(payload))
	case sandbox.Handling, sandbox.Cleaning:
		return in.Over
	}
	if in.Over != nil && in.Env.Ended != nil {
		in.Env.Ended() // the allocation in advance has failed, but the call itself had ended
	}
	return sandbox.Failure(failure)
}

// takeResult reads a result that is an error, large or wrong, and finishes the call. It
// returns the phase in which the guest's code has failed, or Idle.
func (in *instance) takeResult(op abi.Op, sender, payload int, response *[]byte) (failure *core.ComponentError, ended sandbox.Phase) {
	e, area := &in.entry, uint32(in.entry.stack[abi.EntryBuffers])
	mem := in.memory.current
	var answer []byte
	var err error
	finish := abi.OpFinishMessage
	if op&abi.OpCallback != 0 {
		finish = abi.OpFinishCallback
		failure, err = abi.LiftOutcome(mem, area, abi.HandleCallback)
	} else if answer, failure, err = abi.LiftResponse(mem, area); err == nil && failure == nil && response != nil {
		failure = in.Respond(answer, response)
	}
	if err != nil {
		_ = in.End(err)
		return nil, sandbox.Idle
	}
	e.stack[abi.EntryPayload] = uint64(area)
	e.stack[abi.EntrySenderSize], e.stack[abi.EntryPayloadSize] = uint64(sender), uint64(payload)
	return failure, in.enter(finish)
}

// enter runs an operation of the entry, whose arguments are in the stack. If the guest's
// code fails, the instance has ended, and enter returns the phase in which it failed;
// otherwise it returns Idle. The results are in the stack in any case, except for the
// pointers after a failure.
func (in *instance) enter(op abi.Op) sandbox.Phase {
	e := &in.entry
	if e.fn == nil {
		e.fn = in.module.ExportedFunction(in.component.entry.Name)
		in.running = e.fn
	}
	e.stack[abi.EntryOp] = uint64(op)
	in.Phase, e.inside = sandbox.Handling, true
	err := e.fn.CallWithStack((*guest)(in), e.stack[:])
	in.Phase, e.inside = sandbox.Idle, false
	if err == nil {
		return sandbox.Idle
	}
	ended := sandbox.Phase(in.globals().phase.Get())
	in.readResults()
	_ = in.Trapped(in.trapOf(err), ended)
	return ended
}

// fit makes the blocks for the arguments as large as these are.
func (in *instance) fit(sender, payload int) error {
	e := &in.entry
	if max(sender, payload) > maxArgument {
		return in.End(errTooLarge)
	}
	newSender, newPayload := e.sender.resized(sender), e.payload.resized(payload)
	if newSender|newPayload == 0 {
		return nil
	}
	e.stack[abi.EntrySender], e.stack[abi.EntrySenderSize] = uint64(e.sender.ptr), uint64(e.sender.size)
	e.stack[abi.EntryPayload], e.stack[abi.EntryPayloadSize] = uint64(e.payload.ptr), uint64(e.payload.size)
	e.stack[abi.EntryID] = newPayload<<32 | newSender
	if in.enter(abi.OpResize); in.Over == nil {
		in.keepBlocks(sender, payload)
	}
	return in.Left()
}

// maxArgument is the largest argument of a guest, in bytes.
const maxArgument = 1<<32 - 1

var errTooLarge = &abi.Violation{Text: "the message does not fit into a guest's memory"}

// keepBlocks takes over the blocks that the entry has allocated for arguments of these
// sizes. It ends the instance if a block is not in its memory.
func (in *instance) keepBlocks(sender, payload int) {
	e, pointers, end := &in.entry, in.entry.stack[abi.EntryBuffers], uint64(len(in.memory.current))
	if pointers == e.pointers && sender == int(e.sender.size) && payload == int(e.payload.size) {
		e.sender.stale, e.payload.stale = false, false
		return // most guests give the same blocks each time
	}
	e.pointers = pointers
	e.sender.become(uint32(pointers), sender)
	e.payload.become(uint32(pointers>>32), payload)
	if !e.sender.within(end) || !e.payload.within(end) {
		in.misplaced(e.sender)
		in.misplaced(e.payload)
	}
}

// misplaced ends the instance if b is not in its memory.
func (in *instance) misplaced(b block) {
	if b.size == 0 {
		return
	}
	if err := abi.CheckAllocated(in.memory.current, b.ptr, b.size); err != nil {
		_ = in.Trapped(err, sandbox.Allocating)
	}
}

// useCredit gives the guest its credit for a call, and returns the flags of the entry
// for it. It leaves out a credit that differs from the last call's: a guest that sends
// to many others seldom sends to the same one twice.
func (in *instance) useCredit() abi.Op {
	e, l := &in.entry, in.Env.Ledger
	if l == nil || l.Sides[0].Credit == nil {
		return 0
	}
	s := &l.Sides[0]
	if s.Credit != e.credit {
		if s.Credit != e.seen {
			e.seen = s.Credit
			return 0
		}
		in.setTarget(s.Credit)
	}
	flags := e.flags
	if len(s.Requests) > 0 {
		flags |= abi.OpRequests
	}
	e.allows = flags != 0
	return flags
}

// setTarget passes a credit to the guest's module.
func (in *instance) setTarget(c *core.Credit) {
	e := &in.entry
	for i := range abi.WordsOf(c.Target) {
		word, mask := abi.TargetWord(c.Target, i)
		e.stack[abi.EntrySender], e.stack[abi.EntrySenderSize] = uint64(i), uint64(len(c.Target))
		e.stack[abi.EntryPayload] = uint64(min(c.MaxSize, abi.MaxWords))
		e.stack[abi.EntryID], e.stack[abi.EntryRequest] = word, mask
		in.enter(abi.OpTarget)
	}
	e.credit, e.flags = c, 0
	if c.Messages {
		e.flags = abi.OpMessages
	}
}

// noteSent leaves a message or request that the guest has sent by its credit to the host.
func (in *instance) noteSent(status abi.Status) {
	e := &in.entry
	if !e.allows {
		return
	}
	e.allows = false
	kind := status.Kind()
	if kind != core.TransferMessage && kind != core.TransferRequest {
		return
	}
	open := &in.Env.Ledger.Open
	open.Kind, open.TimeoutMillis = kind, 0
	open.Payload = append(open.Payload[:0], e.words(status.Size())...)
	if kind == core.TransferRequest {
		open.TimeoutMillis = e.stack[abi.EntryTimeout]
	}
}

// words returns the first size bytes of the words in the stack. They are valid until the
// next call.
func (e *entry) words(size int) []byte {
	for i := range abi.Words {
		binary.LittleEndian.PutUint64(e.bytes[8*i:], e.stack[abi.EntryWords+i])
	}
	return e.bytes[:size]
}

// calledHost is called before a host function runs within the entry. It finds out in
// which phase the guest is, and ends its credit, since the host sends in order.
func (in *instance) calledHost() {
	g := in.globals()
	in.Phase = sandbox.Phase(g.phase.Get())
	if !in.entry.allows {
		return
	}
	g.credit.Set(0)
	in.readResults()
	in.noteSent(abi.Status(g.status.Get()))
	if l := in.Env.Ledger; l.Open.Kind != core.TransferNone {
		g.status.Set(0)
		in.reconcile()
	}
}

func (in *instance) reconcile() {
	defer func() {
		if cause := recover(); cause != nil {
			panic(sandbox.HostPanic(cause))
		}
	}()
	in.Env.Ledger.Reconcile()
}

// readResults copies the results of a call that has not returned into the stack.
func (in *instance) readResults() {
	e, g := &in.entry, in.globals()
	e.stack[abi.EntryStatus], e.stack[abi.EntryTimeout] = g.status.Get(), g.timeout.Get()
	for i, w := range &g.words {
		e.stack[abi.EntryWords+i] = w.Get()
	}
}

// globals looks the globals up on first use.
func (in *instance) globals() *entryGlobals {
	if in.entry.globals == nil {
		names, find := &in.component.entry, in.module.ExportedGlobal
		g := &entryGlobals{
			phase: find(names.Phase), timeout: find(names.Timeout),
			status: find(names.Status).(api.MutableGlobal), credit: find(names.Credit).(api.MutableGlobal),
		}
		for i, name := range names.Words {
			g.words[i] = find(name)
		}
		in.entry.globals = g
	}
	return in.entry.globals
}
