// Package abi carries the contract of wit/airhost.wit across the boundary of a
// core WebAssembly module, by the component model's canonical ABI.
//
// Use it to write a WebAssembly engine: [Check] tells whether a module meets the
// contract, [Exports] and [Imports] are what to look up and to link, the Lower
// functions put arguments and results into a guest's memory, and the Lift
// functions read what a guest hands out. Nothing that comes from a guest is
// trusted: every pointer, length, alignment, discriminant and string is checked
// before it is used, and what is wrong is a [Violation], after which the guest
// must not be called again.
//
// All functions work on the guest's memory as it is at that moment. Memory may
// move whenever the guest runs, and Lower functions run its cabi_realloc: views
// from before are void.
package abi

import (
	"fmt"

	"github.com/airhost/airhost/internal/wasm"
)

// Modules from which a guest may import.
const (
	HostServices = "airhost:core/host-services@0.1.0"
	WASI         = "wasi_snapshot_preview1"
)

const (
	contractPackage = "airhost:core/"

	lifecycle  = contractPackage + "component-lifecycle@0.1.0#"
	management = contractPackage + "component-management@0.1.0#"
	post       = "cabi_post_"
)

// Names of a guest's exports.
const (
	Memory         = "memory"
	Realloc        = "cabi_realloc"
	Start          = "_initialize" // optional, as all below but HandleMessage
	HandleMessage  = lifecycle + "handle-message"
	HandleCallback = lifecycle + "handle-callback"
	Initialize     = management + "initialize"
	Health         = management + "health"
	Shutdown       = management + "shutdown"

	PostHandleMessage  = post + HandleMessage
	PostHandleCallback = post + HandleCallback
	PostInitialize     = post + Initialize
)

// Names of the functions of [HostServices].
const (
	SendMessage   = "send-message"
	SendRequest   = "send-request"
	CancelRequest = "cancel-request"
	SelfID        = "self-id"
	Log           = "log"
	CurrentTime   = "current-time"
)

// Func is a function of the contract and its core signature.
type Func struct {
	Name string
	Type wasm.FuncType
}

// Exports returns the functions that a guest has or may have.
func Exports() []Func {
	return []Func{
		{Realloc, signature("iiii:i")},
		{HandleMessage, signature("iiii:i")},
		{HandleCallback, signature("Iiii:i")},
		{PostHandleMessage, signature("i:")},
		{PostHandleCallback, signature("i:")},
		{Initialize, signature("ii:i")},
		{PostInitialize, signature("i:")},
		{Health, signature(":i")},
		{Shutdown, signature(":")},
		{Start, signature(":")},
	}
}

// Imports returns the functions of [HostServices].
func Imports() []Func {
	return []Func{
		{SendMessage, signature("iiiii:")},
		{SendRequest, signature("iiiiIi:")},
		{CancelRequest, signature("Ii:")},
		{SelfID, signature("i:")},
		{Log, signature("iii:")},
		{CurrentTime, signature(":I")},
	}
}

// signature reads "iI:i" as (i32, i64) -> i32.
func signature(text string) wasm.FuncType {
	var t wasm.FuncType
	list := &t.Params
	for _, c := range text {
		switch c {
		case 'i':
			*list = append(*list, wasm.I32)
		case 'I':
			*list = append(*list, wasm.I64)
		case ':':
			list = &t.Results
		}
	}
	return t
}

// Violation says how a guest broke the canonical ABI, in one line that holds no
// bytes of the guest.
type Violation struct{ Text string }

// Error returns the text.
func (v *Violation) Error() string { return v.Text }

func violation(format string, args ...any) error {
	return &Violation{fmt.Sprintf(format, args...)}
}
