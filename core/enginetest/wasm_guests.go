package enginetest

import (
	"embed"

	"github.com/airhost/airhost/core"
)

//go:embed testdata/*.wasm
var guests embed.FS

// ActorWasm returns the actor as WebAssembly.
func ActorWasm() core.Source { return wasmGuest("actor") }

// BucketsWasm returns the actor that has key-value as WebAssembly.
func BucketsWasm() core.Source { return wasmGuest("buckets") }

// ResponderWasm returns the responder as WebAssembly.
func ResponderWasm() core.Source { return wasmGuest("responder") }

func wasmGuest(name string) core.Source {
	code, err := guests.ReadFile("testdata/" + name + ".wasm")
	if err != nil {
		panic(err) // the guest is not in testdata
	}
	return core.Source{Path: name + ".wasm", Code: code}
}
