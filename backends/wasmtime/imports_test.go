//go:build cgo && (linux || darwin) && (amd64 || arm64)

package wasmtime

import (
	"testing"

	"github.com/airhost/airhost/internal/abi"
	"github.com/airhost/airhost/internal/wit"
)

// TestMaxParams: a call of each function that a guest may import has room for its
// parameters.
func TestMaxParams(t *testing.T) {
	all := abi.Interfaces()
	for _, in := range wit.Interfaces() {
		i, ok := abi.FindInterface(abi.ModuleOf(in.Name))
		if !ok {
			t.Fatalf("%s is not there", in.Name)
		}
		all = append(all, i)
	}
	most := 0
	for _, in := range all {
		for _, f := range in.Funcs {
			most = max(most, len(f.Type.Params), len(f.Type.Results))
		}
	}
	if most != maxParams {
		t.Errorf("got %d parameters at most, want %d", most, maxParams)
	}
}
