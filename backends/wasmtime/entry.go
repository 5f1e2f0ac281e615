//go:build cgo && (linux || darwin) && (amd64 || arm64)

package wasmtime

// #include "guest.h"
import "C"

import (
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/abi"
	"github.com/airhost/airhost/internal/sandbox"
)

// phases are the values of the global in the guest's module.
var phases = abi.Phases{Idle: C.AIRHOST_IDLE, Handling: C.AIRHOST_HANDLING, Allocating: C.AIRHOST_ALLOCATING, Cleaning: C.AIRHOST_CLEANING}

// C's constants are those of Go: otherwise an index is out of range.
var (
	_ = [1]bool{}[C.AIRHOST_IDLE^sandbox.Idle]
	_ = [1]bool{}[C.AIRHOST_STARTING^sandbox.Starting]
	_ = [1]bool{}[C.AIRHOST_HANDLING^sandbox.Handling]
	_ = [1]bool{}[C.AIRHOST_ALLOCATING^sandbox.Allocating]
	_ = [1]bool{}[C.AIRHOST_CLEANING^sandbox.Cleaning]

	_ = [1]bool{}[C.AIRHOST_NONE^core.TransferNone]
	_ = [1]bool{}[C.AIRHOST_MESSAGE^core.TransferMessage]
	_ = [1]bool{}[C.AIRHOST_REQUEST^core.TransferRequest]
	_ = [1]bool{}[C.AIRHOST_RESPONSE^core.TransferResponse]

	_ = [1]bool{}[C.AIRHOST_OP_MESSAGE^abi.OpMessage]
	_ = [1]bool{}[C.AIRHOST_OP_CALLBACK^abi.OpCallback]
	_ = [1]bool{}[C.AIRHOST_OP_FINISH_MESSAGE^abi.OpFinishMessage]
	_ = [1]bool{}[C.AIRHOST_OP_FINISH_CALLBACK^abi.OpFinishCallback]
	_ = [1]bool{}[C.AIRHOST_OP_RESIZE^abi.OpResize]
	_ = [1]bool{}[C.AIRHOST_OP_TARGET^abi.OpTarget]
	_ = [1]bool{}[C.AIRHOST_OP_FAILURE^abi.OpFailure]
	_ = [1]bool{}[C.AIRHOST_OP_WANTED^abi.OpWanted]
	_ = [1]bool{}[C.AIRHOST_OP_MESSAGES^abi.OpMessages]
	_ = [1]bool{}[C.AIRHOST_OP_REQUESTS^abi.OpRequests]
	_ = [1]bool{}[C.AIRHOST_TAKE_RESULT^abi.TakeResult]
	_ = [1]bool{}[C.AIRHOST_WORDS^abi.Words]
	_ = [1]bool{}[C.AIRHOST_ADVANCE^abi.MaxAdvance]
	_ = [1]bool{}[C.AIRHOST_ID^abi.MaxTarget]
)

// findEntry finds the entry that [abi.AddEntry] has added to the guest's module.
func (in *instance) findEntry() error {
	e, globals := &in.component.entry, &in.c.globals
	if !in.find(e.Name, &in.c.entry) {
		return &abi.Violation{Text: "the export " + e.Name + " is not there"} // Compile has added it
	}
	in.findGlobal(e.Phase, &globals.phase)
	in.findGlobal(e.Credit, &globals.credit)
	in.findGlobal(e.Status, &globals.status)
	in.findGlobal(e.Timeout, &globals.timeout)
	for i, name := range e.Words {
		in.findGlobal(name, &globals.words[i])
	}
	return nil
}

// takeResult reads a result that is an error, large or wrong, and ends the call. Its
// result is that of airhost_finish.
func (in *instance) takeResult() (result C.int) {
	failure, err := in.readResult()
	if err != nil {
		_ = in.End(err)
		return C.AIRHOST_FAILED
	}
	in.failure = failure
	in.Phase = sandbox.Handling
	result = C.airhost_finish(in.number())
	in.Phase = sandbox.Idle
	return result
}

func (in *instance) readResult() (failure *core.ComponentError, err error) {
	mem, area := in.Memory(), uint32(in.c.area)
	if in.c.callback {
		return abi.LiftOutcome(mem, area, abi.HandleCallback)
	}
	answer, failure, err := abi.LiftResponse(mem, area)
	if err == nil && failure == nil && in.response != nil {
		failure = in.Respond(answer, in.response)
	}
	return failure, err
}

var errMisplaced = &abi.Violation{Text: "its arguments have no place"} // C and Go disagree

// misplaced is the error of a bad address for the guest's arguments.
func (in *instance) misplaced() error {
	mem := in.Memory()
	for _, b := range []C.airhost_block{in.c.sender, in.c.payload} {
		if err := abi.CheckAllocated(mem, uint32(b.ptr), uint32(b.size)); b.size > 0 && err != nil {
			return err
		}
	}
	return errMisplaced
}
