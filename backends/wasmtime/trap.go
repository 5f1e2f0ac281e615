//go:build cgo && (linux || darwin) && (amd64 || arm64)

package wasmtime

// #include "guest.h"
import "C"

import (
	"bytes"
	"fmt"
	"strings"
	"unsafe"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/sandbox"
)

// trapTexts are wazero's texts for Wasmtime's traps, by Wasmtime's codes: a trap reads the
// same on both engines.
var trapTexts = map[C.wasmtime_trap_code_t]string{
	1: "out of bounds memory access",
	3: "invalid table access",
	4: "invalid table access", // a call of null
	5: "indirect call type mismatch",
	6: "integer overflow",
	7: "integer divide by zero",
	8: "invalid conversion to integer",
	9: "unreachable",
}

// trapStack is the code of a stack overflow.
const trapStack = 0

// trapped ends the instance after its last call has failed, by a trap or an error, or else
// by a bad address for its arguments.
func (in *instance) trapped() error {
	switch {
	case in.c.trap != nil || in.c.error != nil:
		return in.Trapped(in.failed(), sandbox.Phase(in.c.failed_in))
	case in.Over == nil:
		return in.Trapped(in.misplaced(), sandbox.Allocating)
	}
	return in.Over
}

// failed returns the reason of the failure of the guest's last call, and frees
// Wasmtime's error.
func (in *instance) failed() error {
	text, code, known := in.said()
	cause := in.cause
	in.cause = nil
	if cause != nil {
		return fmt.Errorf("%w\n%s", cause, text)
	}
	trap := &core.TrapError{Kind: core.TrapFault, Text: sandbox.FirstLine(innermost(text)), Details: sandbox.Details(text)}
	switch {
	case known && code == trapStack:
		used := in.StackUsedUp()
		trap.Kind, trap.Text = used.Kind, used.Text
	case known && trapTexts[code] != "":
		trap.Text = trapTexts[code]
	}
	return trap
}

// said returns Wasmtime's own message, and the code of the trap if it has one.
func (in *instance) said() (text string, code C.wasmtime_trap_code_t, known bool) {
	var message C.wasm_byte_vec_t
	switch trap, err := in.c.trap, in.c.error; {
	case trap != nil:
		known = bool(C.wasmtime_trap_code(trap, &code))
		C.wasm_trap_message(trap, &message)
		C.wasm_trap_delete(trap)
	case err != nil:
		C.wasmtime_error_message(err, &message)
		C.wasmtime_error_delete(err)
	}
	in.c.trap, in.c.error = nil, nil
	text = goText(message)
	C.wasm_byte_vec_delete(&message)
	return text, code, known
}

// goText returns the beginning of Wasmtime's message, and its end, which has the cause.
// The guest's stack in the middle can have megabytes.
func goText(message C.wasm_byte_vec_t) string {
	const beginning, end = 8 << 10, 1 << 10
	all := unsafe.Slice((*byte)(unsafe.Pointer(message.data)), int(message.size))
	all = bytes.TrimRight(all, "\x00")
	if len(all) <= beginning+end {
		return string(all)
	}
	return strings.ToValidUTF8(string(all[:beginning])+"…"+string(all[len(all)-end:]), "")
}

// innermost returns the innermost cause in a message of Wasmtime: the last line, or the
// last one before Wasmtime's own stack, which RUST_BACKTRACE adds.
func innermost(text string) string {
	text, _, _ = strings.Cut(text, "\n\nStack backtrace:")
	text = strings.TrimSpace(text)
	text = strings.TrimSpace(text[strings.LastIndexByte(text, '\n')+1:])
	if number, cause, ok := strings.Cut(text, ": "); ok && strings.Trim(number, "0123456789") == "" {
		text = cause
	}
	return strings.TrimPrefix(text, "wasm trap: ")
}
