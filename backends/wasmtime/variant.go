//go:build cgo && (linux || darwin) && (amd64 || arm64)

package wasmtime

// #include "guest.h"
import "C"

import (
	"crypto/sha256"
	"fmt"
	"sync"

	wasmtime "github.com/bytecodealliance/wasmtime-go/v39"

	"github.com/airhost/airhost/internal/abi"
	"github.com/airhost/airhost/internal/codecache"
	"github.com/airhost/airhost/internal/wasm"
)

// variant is Wasmtime with one of two configurations. In one a memory has guards around
// it, and addresses that take page tables of its own. In the other the memories of small
// guests lie close together, and the code compares each address with the size.
type variant struct {
	engine *wasmtime.Engine
	small  bool               // for small guests
	cache  *codecache.Cache   // nil without a directory
	take   *C.wasm_functype_t // of the import of shims

	mu    sync.Mutex // guards the fields below
	types functypes
	shims map[string]*shim // by their code
}

// small reports whether a guest's memory starts with one page at most.
func small(m *wasm.Module) bool { return m.Memories[0].Min <= 1 }

func (v *variant) open(small bool, cache *codecache.Cache) {
	v.small, v.cache, v.types, v.shims = small, cache, make(functypes), make(map[string]*shim)
	v.engine = wasmtime.NewEngineWithConfig(engineConfig(small))
	v.take = v.types.of(abi.TakeType)
}

func (v *variant) close() {
	for _, shim := range v.shims {
		shim.close()
	}
	v.types.close()
	v.engine.Close()
}

// maxStack bounds the stack of guest code, in bytes, for all guests of an engine. It is
// the default of limits.stack. Guests run on the stacks of threads, which are much
// larger. The meter enforces a lower limit.
const maxStack = 1 << 20

// configuration changes whenever [engineConfig] does: it is part of the cache's key.
const configuration = "epochs unmoved or close memory stack=1MiB tail-calls no: threads relaxed-simd multi-memory memory64 function-references gc exceptions"

// engineConfig is the same for all variants of this kind: the cache relies on it. It
// allows guests the same features of WebAssembly as the engine wazero.
func engineConfig(small bool) *wasmtime.Config {
	c := wasmtime.NewConfig()
	c.SetEpochInterruption(true)
	c.SetMaxWasmStack(maxStack)
	c.SetWasmTailCall(true)
	c.SetWasmThreads(false)
	c.SetWasmRelaxedSIMD(false)
	c.SetWasmMultiMemory(false)
	c.SetWasmMemory64(false)
	c.SetWasmFunctionReferences(false)
	c.SetWasmGC(false)
	configure(c, small)
	return c
}

// compile returns compiled code, from the cache if it has it. Code with long functions
// is not optimized.
func (v *variant) compile(binary []byte, long bool) (*wasmtime.Module, error) {
	if v.cache == nil {
		return v.translate(binary, long)
	}
	key := sha256.Sum256(fmt.Appendf(nil, "%t %x", v.small, sha256.Sum256(binary)))
	if code := v.cache.Get(key); code != nil {
		module, err := wasmtime.NewModuleDeserialize(v.engine, code)
		if err == nil {
			return module, nil
		}
		v.cache.Reject(key, err)
	}
	module, err := v.translate(binary, long)
	if err == nil && v.cache.Keeps() {
		if code, err := module.Serialize(); err == nil {
			v.cache.Put(key, code)
		}
	}
	return module, err
}

// translate compiles. It compiles long functions one after the other and without
// Cranelift's optimizer, which takes 1.6 GB for some functions of 444 KB. A temporary
// engine does so; its code works on all engines.
func (v *variant) translate(binary []byte, long bool) (*wasmtime.Module, error) {
	if !long {
		return wasmtime.NewModule(v.engine, binary)
	}
	config := engineConfig(v.small)
	config.SetCraneliftOptLevel(wasmtime.OptLevelNone)
	config.SetParallelCompilation(false)
	plain := wasmtime.NewEngineWithConfig(config)
	defer plain.Close()
	module, err := wasmtime.NewModule(plain, binary)
	if err != nil {
		return nil, err
	}
	defer module.Close()
	code, err := module.Serialize()
	if err != nil {
		return nil, err
	}
	return wasmtime.NewModuleDeserialize(v.engine, code)
}
