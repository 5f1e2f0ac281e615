// Package abi passes the calls of wit/airhost.wit, and those of the optional interfaces in
// wit/deps, into and out of a core WebAssembly module, by the component model's canonical
// ABI.
//
// It serves WebAssembly engines. [Check] tells whether a module meets the contract.
// [Exports] lists the functions to look up, [Interfaces] and [FindInterface] those to link.
// The Lower
// functions write arguments and results into a guest's memory, and the Lift
// functions read values from it. The package trusts nothing that comes from a guest:
// it checks every pointer, length, alignment, discriminant and string before it uses
// it. An error is a [Violation], after which the engine must not call the guest
// again.
//
// Every function reads the guest's memory anew. Memory may move whenever the guest's
// code runs, also when a Lower function calls cabi_realloc: then earlier views of
// the memory are invalid.
package abi

import (
	"fmt"

	"github.com/airhost/airhost/internal/wasm"
)

// Modules from which a guest may import.
const (
	HostServices = "airhost:core/host-services@0.1.0"
	Timers       = "airhost:timers/timers@0.1.0"
	Functions    = "airhost:functions/host-functions@0.1.0"
	PubSub       = "airhost:pubsub/pubsub@0.1.0"
	WASI         = "wasi_snapshot_preview1"
)

const (
	lifecycle  = "airhost:core/component-lifecycle@0.1.0#"
	management = "airhost:core/component-management@0.1.0#"
	state      = "airhost:state/component-state@0.1.0#"
	incoming   = IncomingHandler + WASI2 + "#"
	post       = "cabi_post_"
)

// Names of a guest's exports.
const (
	Memory         = "memory"
	Realloc        = "cabi_realloc"
	Start          = "_initialize" // optional, as are all below except HandleMessage or HandleHTTP
	HandleMessage  = lifecycle + "handle-message"
	HandleCallback = lifecycle + "handle-callback"
	Initialize     = management + "initialize"
	Health         = management + "health"
	Shutdown       = management + "shutdown"
	Save           = state + "save"
	Restore        = state + "restore"
	HandleHTTP     = incoming + "handle" // counts only in a guest without HandleMessage

	PostHandleMessage  = post + HandleMessage
	PostHandleCallback = post + HandleCallback
	PostInitialize     = post + Initialize
	PostSave           = post + Save
	PostRestore        = post + Restore
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

// Names of the functions of [Timers].
const (
	After       = "after"
	CancelTimer = "cancel"
)

// Call is the function of [Functions], and CallName its name in messages.
const (
	Call     = "call"
	CallName = "host-functions/call"
)

// Publish is the function of [PubSub], and PublishName its name in messages.
const (
	Publish     = "publish"
	PublishName = "pubsub/publish"
)

// Func is a function of the contract and its core signature.
type Func struct {
	Name string
	Type wasm.FuncType
}

// Exports returns the functions that a guest must or may export.
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
		{Save, signature(":i")},
		{PostSave, signature("i:")},
		{Restore, signature("ii:i")},
		{PostRestore, signature("i:")},
		{Start, signature(":")},
		{HandleHTTP, signature("ii:")},
	}
}

// Interface is a module from which a guest may import, with all functions that it has.
type Interface struct {
	Module string
	Funcs  []Func
}

// Interfaces returns all modules from which a guest may import, but those of WASI 0.2: see
// [FindInterface].
func Interfaces() []Interface {
	return []Interface{
		{HostServices, []Func{
			{SendMessage, signature("iiiii:")},
			{SendRequest, signature("iiiiIi:")},
			{CancelRequest, signature("Ii:")},
			{SelfID, signature("i:")},
			{Log, signature("iii:")},
			{CurrentTime, signature(":I")},
		}},
		{Timers, []Func{
			{After, signature("Iiii:")},
			{CancelTimer, signature("I:i")},
		}},
		{Functions, []Func{{Call, signature("iiiii:")}}},
		{PubSub, []Func{{Publish, signature("iiiii:")}}},
		{WASI, WASIImports()},
	}
}

// signature parses a signature: "iI:i" stands for (i32, i64) -> i32.
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

// Violation is an error of a guest against the canonical ABI. Its text is one line
// and contains no bytes from the guest.
type Violation struct{ Text string }

// Error returns the text.
func (v *Violation) Error() string { return v.Text }

func violation(format string, args ...any) error {
	return &Violation{fmt.Sprintf(format, args...)}
}
