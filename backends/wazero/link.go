package wazero

import (
	"context"
	"errors"
	"fmt"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/airhost/airhost/internal/abi"
	"github.com/airhost/airhost/internal/meter"
	"github.com/airhost/airhost/internal/sandbox"
	"github.com/airhost/airhost/internal/wasm"
)

// linkAll creates the host modules with all functions that a guest may import.
func linkAll(ctx context.Context, r wazero.Runtime) error {
	services := sandbox.Services()
	return errors.Join(
		link(ctx, r, abi.HostServices, abi.Imports(), func(name string) sandbox.Func { return services[name] }),
		link(ctx, r, abi.WASI, abi.WASIImports(), sandbox.WASI),
		link(ctx, r, meter.YieldModule, []abi.Func{{Name: meter.YieldName, Type: meter.YieldType}}, func(string) sandbox.Func { return (*sandbox.State).Yield }),
	)
}

// link creates a host module. Its functions need no reflection.
func link(ctx context.Context, r wazero.Runtime, module string, funcs []abi.Func, find func(name string) sandbox.Func) error {
	b := r.NewHostModuleBuilder(module)
	for _, f := range funcs {
		do := find(f.Name)
		call := func(ctx context.Context, stack []uint64) {
			in := (*instance)(ctx.(*guest))
			if in.entry.inside && module != meter.YieldModule {
				in.calledHost()
			}
			do(&in.State, stack)
		}
		b.NewFunctionBuilder().
			WithGoFunction(api.GoFunc(call), valueTypes(f.Type.Params), valueTypes(f.Type.Results)).
			Export(f.Name)
	}
	if _, err := b.Instantiate(ctx); err != nil {
		return fmt.Errorf("wazero: link %s: %w", module, err)
	}
	return nil
}

func valueTypes(types []wasm.ValueType) []api.ValueType {
	out := make([]api.ValueType, len(types))
	for i, t := range types {
		out[i] = t.Code
	}
	return out
}
