//go:build cgo && (linux || darwin) && (amd64 || arm64)

package wasmtime

// #include "guest.h"
import "C"

import (
	"github.com/airhost/airhost/internal/abi"
	"github.com/airhost/airhost/internal/meter"
	"github.com/airhost/airhost/internal/sandbox"
	"github.com/airhost/airhost/internal/wasm"
)

// host is a function of the host, as a component imports it.
type host struct {
	call            sandbox.Func
	params, results int
	typ             *C.wasm_functype_t
}

// maxParams is the most parameters that a host function has: WASI's path_open.
const maxParams = 9

// resolve finds what a guest imports, in its order. That all is there has been
// checked.
func (e *Engine) resolve(m *wasm.Module, fuel bool) []host {
	e.mu.Lock()
	defer e.mu.Unlock()
	services := sandbox.Services()
	var hosts []host
	for _, imp := range m.Imports {
		call := services[imp.Name]
		if imp.Module == abi.WASI {
			call = sandbox.WASI(imp.Name)
		}
		hosts = append(hosts, e.host(call, m.Types[imp.Type]))
	}
	if fuel {
		hosts = append(hosts, e.host((*sandbox.State).Yield, meter.YieldType))
	}
	return hosts
}

func (e *Engine) host(call sandbox.Func, t wasm.FuncType) host {
	return host{call: call, params: len(t.Params), results: len(t.Results), typ: e.types.of(t)}
}
