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

// host is a function of the host that a component imports.
type host struct {
	call            sandbox.Func
	params, results int
	typ             *C.wasm_functype_t
	kind            C.uint8_t // the function of C that answers it in the usual case
}

// inC are the functions that C answers in the usual case.
var inC = map[string]C.uint8_t{
	abi.SendMessage: C.AIRHOST_SEND_MESSAGE,
	abi.SendRequest: C.AIRHOST_SEND_REQUEST,
	abi.SelfID:      C.AIRHOST_SELF_ID,
	abi.CurrentTime: C.AIRHOST_CURRENT_TIME,
}

// maxParams is the most parameters that a host function has: those of start-bind of
// wasi:sockets/tcp.
const maxParams = 15

// resolve returns the functions that a guest imports, in its order. Compile has checked
// that all of them exist.
func (v *variant) resolve(m *wasm.Module, metered bool) []host {
	v.mu.Lock()
	defer v.mu.Unlock()
	var hosts []host
	for _, imp := range m.Imports {
		h := v.host(sandbox.Find(imp.Module, imp.Name), m.Types[imp.Type])
		if imp.Module == abi.HostServices {
			h.kind = inC[imp.Name]
		} else if imp.Module == abi.Functions {
			h.kind = C.AIRHOST_CALL
		}
		hosts = append(hosts, h)
	}
	if metered {
		hosts = append(hosts, v.host((*sandbox.State).Yield, meter.YieldType))
	}
	return hosts
}

func (v *variant) host(call sandbox.Func, t wasm.FuncType) host {
	return host{call: call, params: len(t.Params), results: len(t.Results), typ: v.types.of(t)}
}
