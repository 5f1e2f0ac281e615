package abi

import (
	"time"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/wasm"
)

// The parameters that send-message and send-request begin with, as locals.
const (
	sendTarget = iota
	sendTargetSize
	sendMessage
	sendMessageSize
)

// addSends adds a function for each import of send-message and send-request, and returns
// their indices, by those of the imports.
func (g *entryCode) addSends() map[uint32]uint32 {
	added := make(map[uint32]uint32)
	n := uint32(0)
	for _, i := range g.m.Imports {
		if i.Kind != wasm.KindFunc {
			continue
		}
		switch {
		case i.Module == HostServices && i.Name == SendMessage:
			added[n] = g.sendMessage(n)
		case i.Module == HostServices && i.Name == SendRequest:
			added[n] = g.sendRequest(n)
		}
		n++
	}
	return added
}

// sendMessage adds the function that the guest calls instead of send-message, which is
// function number host. It returns its index.
func (g *entryCode) sendMessage(host uint32) uint32 {
	const area, limit = 4, 5
	g.block(func() {
		g.sendByCredit(OpMessages, area, limit, resultAlign, resultSize)
		g.storeWords(sendMessage)
		g.storeStatus(core.TransferMessage, sendMessageSize)
		g.succeed(area)
		g.emit(opReturn)
	})
	return g.sendByHost(host, signature("iiiii:"))
}

// sendRequest is sendMessage for send-request.
func (g *entryCode) sendRequest(host uint32) uint32 {
	const timeout, area, limit = 4, 5, 6
	g.block(func() {
		g.sendByCredit(OpRequests, area, limit, idAlign, idSize)
		g.get(timeout)
		g.i64(int64(core.MaxTimeout / time.Millisecond))
		g.emit(opI64GtU, opBrIf, 0)
		g.storeWords(sendMessage)
		g.storeStatus(core.TransferRequest, sendMessageSize)
		g.get(timeout)
		g.setGlobal(g.timeout)
		g.succeed(area)
		g.get(area)
		g.getGlobal(g.request)
		g.access(opI64Store, 8)
		g.emit(opReturn)
	})
	return g.sendByHost(host, signature("iiiiIi:"))
}

// sendByHost ends a function with a call of the host that has the same parameters.
func (g *entryCode) sendByHost(host uint32, typ wasm.FuncType) uint32 {
	for i := range typ.Params {
		g.get(byte(i))
	}
	g.index(opCall, host)
	return g.function(typ, typeI64)
}

// succeed generates code that ends the credit, and writes success into an area.
func (g *entryCode) succeed(area byte) {
	g.i32(0)
	g.setGlobal(g.credit)
	g.get(area)
	g.i32(0)
	g.access(opI32Store8, 0)
}

// sendByCredit generates code that leaves the block if the guest cannot send this by its
// credit. It sets the local limit.
func (g *entryCode) sendByCredit(flag Op, area, limit byte, areaAlign, areaSize int64) {
	g.getGlobal(g.credit)
	g.i32(int64(flag / OpMessages))
	g.emit(opI32And, opI32Eqz, opBrIf, 0)
	g.get(sendTargetSize)
	g.getGlobal(g.targetSize)
	g.emit(opI32Ne, opBrIf, 0)
	g.get(sendMessageSize)
	g.getGlobal(g.maxSize)
	g.emit(opI32GtU, opBrIf, 0)
	g.get(area)
	g.i32(areaAlign - 1)
	g.emit(opI32And, opBrIf, 0)
	g.memoryBytes(limit)
	// Whole words are read, so that a target or message may be too near to the end.
	g.beyond(sendTarget, limit, func() { g.i64(MaxTarget) })
	g.beyond(sendMessage, limit, func() { g.i64(MaxWords) })
	g.beyond(area, limit, func() { g.i64(areaSize) })
	g.emit(opI32Or, opI32Or, opBrIf, 0)
	compared := 0
	for _, words := range comparedWords {
		g.get(sendTargetSize)
		g.i32(int64(8 * compared))
		g.emit(opI32GtU)
		g.when(func() {
			g.differs(uint32(compared), uint32(words))
			g.emit(opBrIf, 1)
		})
		compared = words
	}
}

// differs generates code that pushes whether the target differs from the credit's in the
// words from first to last.
func (g *entryCode) differs(first, last uint32) {
	for i := last; i > first; {
		i-- // see storeWords
		g.load(opI64Load, sendTarget, 8*i)
		g.getGlobal(g.target + i)
		g.emit(opI64Xor)
		g.getGlobal(g.masks + i)
		g.emit(opI64And)
		if i < last-1 {
			g.emit(opI64Or)
		}
	}
	g.emit(opI64Eqz, opI32Eqz)
}
