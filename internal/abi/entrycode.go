package abi

import (
	"fmt"
	"math/bits"
	"slices"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/wasm"
)

// entryCode generates the functions and globals that [AddEntry] adds.
type entryCode struct {
	moduleCode
	phases Phases

	// Indices of globals. The credit's are the size of its target, the largest message,
	// and the target's words and their masks.
	phase, credit, request, status, timeout, words uint32
	targetSize, maxSize, target, masks             uint32
}

// addGlobals adds the globals.
func (g *entryCode) addGlobals() Entry {
	var e Entry
	g.phase = g.global(wasm.I32, "airhost:phase", &e.Phase)
	g.credit = g.global(wasm.I32, "airhost:credit", &e.Credit)
	g.status = g.global(wasm.I64, "airhost:status", &e.Status)
	g.timeout = g.global(wasm.I64, "airhost:timeout", &e.Timeout)
	for i := range e.Words {
		n := g.global(wasm.I64, fmt.Sprintf("airhost:word-%d", i), &e.Words[i])
		if i == 0 {
			g.words = n
		}
	}
	g.request = g.global(wasm.I64, "", nil)
	g.targetSize = g.global(wasm.I32, "", nil)
	g.maxSize = g.global(wasm.I32, "", nil)
	for i := range 2 * TargetWords {
		n := g.global(wasm.I64, "", nil)
		switch i {
		case 0:
			g.target = n
		case TargetWords:
			g.masks = n
		}
	}
	return e
}

// global adds a mutable global, initially 0. It exports it under a similar name, which
// it stores in export, if that is not nil.
func (g *entryCode) global(typ wasm.ValueType, name string, export *string) uint32 {
	zero := []byte{opI32Const, 0}
	if typ == wasm.I64 {
		zero[0] = opI64Const
	}
	index := g.m.AddGlobal(typ, zero)
	if export != nil {
		*export = g.m.Export(name, wasm.KindGlobal, index)
	}
	return index
}

func (g *entryCode) getGlobal(n uint32) { g.index(opGlobalGet, n) }
func (g *entryCode) setGlobal(n uint32) { g.index(opGlobalSet, n) }

// setPhase generates code that sets the phase.
func (g *entryCode) setPhase(p byte) {
	g.i32(int64(p))
	g.setGlobal(g.phase)
}

// storeWords generates code that copies the bytes at the address in a local to the words.
// The last word comes first: an engine that has checked its address need not check those
// before it.
func (g *entryCode) storeWords(address byte) {
	for i := uint32(Words); i > 0; {
		i--
		g.load(opI64Load, address, 8*i)
		g.setGlobal(g.words + i)
	}
}

// storeStatus generates code that sets the status to a kind, and to the size in a local.
func (g *entryCode) storeStatus(kind core.TransferKind, size byte) {
	g.get(size)
	g.emit(opI64ExtendU)
	g.i64(statusSizeShift)
	g.emit(opI64Shl)
	g.i64(int64(kind))
	g.emit(opI64Or)
	g.setGlobal(g.status)
}

// The locals of the entry, after its parameters.
const (
	entryArea  = entryParams + iota // i32: the result area
	entryLimit                      // i64: the size of the memory in bytes
	entryAt                         // i32: the address of the response
	entrySize                       // i32: its size
)

var entryType = wasm.FuncType{
	Params:  []wasm.ValueType{wasm.I32, wasm.I32, wasm.I32, wasm.I32, wasm.I32, wasm.I64, wasm.I64},
	Results: slices.Repeat([]wasm.ValueType{wasm.I64}, EntrySlots),
}

// entry adds the entry, and returns its index.
func (g *entryCode) entry() uint32 {
	g.whenKind(OpTarget, func() { g.setTarget(); g.results(func() { g.i64(0) }) })
	g.whenKind(OpResize, g.resize)
	g.get(EntryOp)
	g.i32(int64(opKinds))
	g.emit(opI32And)
	g.i32(int64(OpFinishMessage))
	g.emit(opI32LtU, opIf, noResult)
	g.handle()
	g.emit(opElse)
	g.getGlobal(g.status)
	g.i64(^int64(TakeResult))
	g.emit(opI64And)
	g.setGlobal(g.status)
	g.get(EntryPayload)
	g.set(entryArea)
	g.emit(opEnd)
	g.setPhase(g.phases.Cleaning)
	g.either(func() { g.post(PostHandleCallback) }, func() { g.post(PostHandleMessage) })
	g.setPhase(g.phases.Allocating)
	g.allocate(EntryPayloadSize, EntryPayload)
	g.either(func() {}, func() { g.allocate(EntrySenderSize, EntrySender) })
	g.results(g.buffers)
	return g.function(entryType, typeI32, typeI64, typeI32, typeI32)
}

// whenKind generates code that runs body for operations of a kind.
func (g *entryCode) whenKind(kind Op, body func()) {
	g.get(EntryOp)
	g.i32(int64(opKinds))
	g.emit(opI32And)
	g.i32(int64(kind))
	g.emit(opI32Eq)
	g.when(body)
}

// either generates code for the operations of handle-callback, and for those of
// handle-message. The kinds of the latter are even.
func (g *entryCode) either(callback, message func()) {
	g.whenFlag(OpCallback, callback, message)
}

// whenFlag generates code that runs body if the operation has a flag, and otherwise the
// other code.
func (g *entryCode) whenFlag(flag Op, body, otherwise func()) {
	g.get(EntryOp)
	g.i32(int64(flag))
	g.emit(opI32And, opIf, noResult)
	body()
	g.emit(opElse)
	otherwise()
	g.emit(opEnd)
}

// results generates code that returns the results, of which first pushes the first.
func (g *entryCode) results(first func()) {
	g.setPhase(g.phases.Idle)
	first()
	g.getGlobal(g.status)
	g.getGlobal(g.timeout)
	for i := range uint32(Words) {
		g.getGlobal(g.words + i)
	}
	g.emit(opReturn)
}

// buffers generates code that pushes both pointers.
func (g *entryCode) buffers() {
	g.get(EntryPayload)
	g.emit(opI64ExtendU)
	g.i64(32)
	g.emit(opI64Shl)
	g.get(EntrySender)
	g.emit(opI64ExtendU, opI64Or)
}

// handle generates code that calls the handler and reads its result. It sets the local
// entryArea, or returns if the host must read the result.
func (g *entryCode) handle() {
	g.i64(0)
	g.setGlobal(g.status)
	g.get(EntryOp)
	g.i32(int64(bits.TrailingZeros32(uint32(OpMessages))))
	g.emit(opI32ShrU)
	g.setGlobal(g.credit)
	g.get(EntryRequest)
	g.setGlobal(g.request)
	g.setPhase(g.phases.Handling)
	g.either(func() {
		g.get(EntryID)
		g.get(EntryOp)
		g.i32(int64(bits.TrailingZeros32(uint32(OpFailure))))
		g.emit(opI32ShrU)
		g.i32(1)
		g.emit(opI32And)
		g.call(HandleCallback, EntryPayload, EntryPayloadSize)
		g.set(entryArea)
	}, func() {
		g.call(HandleMessage, EntrySender, EntrySenderSize, EntryPayload, EntryPayloadSize)
		g.set(entryArea)
	})
	g.i32(0)
	g.setGlobal(g.credit)
	g.memoryBytes(entryLimit)
	g.block(func() {
		g.block(func() { g.lift(1) })
		// The host must read the result.
		g.getGlobal(g.status)
		g.i64(int64(TakeResult))
		g.emit(opI64Or)
		g.setGlobal(g.status)
		g.results(func() { g.get(entryArea); g.emit(opI64ExtendU) })
	})
}

// lift generates code that reads the result in entryArea. It ends with a branch to the
// label done, or goes to the end of the innermost block if the host must read the result.
func (g *entryCode) lift(done byte) {
	g.get(entryArea)
	g.i32(resultAlign - 1)
	g.emit(opI32And, opBrIf, 0)
	g.beyond(entryArea, entryLimit, func() { g.i64(resultSize) })
	g.emit(opBrIf, 0)
	g.load(opI32Load8U, entryArea, 0)
	g.emit(opBrIf, 0)
	g.get(EntryOp)
	g.i32(int64(OpCallback))
	g.emit(opI32And, opBrIf, done)
	g.load(opI32Load, entryArea, 4)
	g.set(entryAt)
	g.load(opI32Load, entryArea, 8)
	g.set(entrySize)
	g.whenFlag(OpWanted, func() {
		g.get(entrySize)
		g.i32(MaxWords)
		g.emit(opI32GtU, opBrIf, 1)
		g.getGlobal(g.status)
		g.emit(opI64Eqz, opI32Eqz, opBrIf, 1)
		g.beyond(entryAt, entryLimit, func() { g.i64(MaxWords) })
		g.emit(opBrIf, 1)
		g.storeWords(entryAt)
		g.storeStatus(core.TransferResponse, entrySize)
	}, func() {
		g.beyond(entryAt, entryLimit, func() { g.get(entrySize); g.emit(opI64ExtendU) })
		g.emit(opBrIf, 1)
	})
	g.emit(opBr, done)
}

// post generates a call of a post-return, if the guest has it.
func (g *entryCode) post(name string) {
	if f, ok := g.functions[name]; ok {
		g.get(entryArea)
		g.index(opCall, f)
	}
}

// allocate generates code that sets a local to a new block of the size in another local,
// unless that is 0 or above MaxAdvance.
func (g *entryCode) allocate(size, to byte) {
	g.get(size)
	g.i32(1)
	g.emit(opI32Sub)
	g.i32(MaxAdvance)
	g.emit(opI32LtU)
	g.when(func() {
		g.emit(opI32Const, 0, opI32Const, 0, opI32Const, 1)
		g.get(size)
		g.call(Realloc)
		g.set(to)
	})
}

// resize generates OpResize.
func (g *entryCode) resize() {
	g.setPhase(g.phases.Allocating)
	g.resizeBlock(EntrySender, EntrySenderSize, 0)
	g.resizeBlock(EntryPayload, EntryPayloadSize, 32)
	g.results(g.buffers)
}

// resizeBlock generates code that resizes the block in a local. shift is the place of
// the new size in the parameter EntryID.
func (g *entryCode) resizeBlock(block, size byte, shift int64) {
	g.get(EntryID)
	g.i64(shift)
	g.emit(opI64ShrU, opI32WrapI64, opLocalTee, entrySize)
	g.when(func() {
		g.get(block)
		g.get(size)
		g.i32(1)
		g.get(entrySize)
		g.call(Realloc)
		g.set(block)
	})
}

// setTarget generates OpTarget.
func (g *entryCode) setTarget() {
	g.get(EntrySenderSize)
	g.setGlobal(g.targetSize)
	g.get(EntryPayload)
	g.setGlobal(g.maxSize)
	for i := range uint32(TargetWords) {
		g.get(EntrySender)
		g.i32(int64(i))
		g.emit(opI32Eq)
		g.when(func() {
			g.get(EntryID)
			g.setGlobal(g.target + i)
			g.get(EntryRequest)
			g.setGlobal(g.masks + i)
		})
	}
}
