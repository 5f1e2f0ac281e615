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

// linkAll creates the host modules with all functions that a guest may import, but for
// WASI 0.2.
func linkAll(ctx context.Context, r wazero.Runtime) error {
	var errs []error
	for _, i := range abi.Interfaces() {
		errs = append(errs, link(ctx, r, i, sandbox.Find))
	}
	yield := abi.Interface{Module: meter.YieldModule, Funcs: []abi.Func{{Name: meter.YieldName, Type: meter.YieldType}}}
	return errors.Join(append(errs, link(ctx, r, yield, func(string, string) sandbox.Func { return (*sandbox.State).Yield }))...)
}

// linkWASI2 creates the host modules of WASI 0.2 that a guest imports from, unless an
// earlier guest has. All of them would take an engine longer than the rest of its start.
func (e *Engine) linkWASI2(ctx context.Context, m *wasm.Module) error {
	e.linking.Lock()
	defer e.linking.Unlock()
	for i := range m.Imports {
		module := m.Imports[i].Module
		if e.linked[module] || abi.FindWASI2(module) == nil {
			continue
		}
		of, _ := abi.FindInterface(module)
		if err := link(ctx, e.runtime, of, sandbox.Find); err != nil {
			return err
		}
		if e.linked == nil {
			e.linked = make(map[string]bool)
		}
		e.linked[module] = true
	}
	return nil
}

// link creates a host module. Its functions need no reflection.
func link(ctx context.Context, r wazero.Runtime, i abi.Interface, find func(module, name string) sandbox.Func) error {
	b := r.NewHostModuleBuilder(i.Module)
	for _, f := range i.Funcs {
		do := find(i.Module, f.Name)
		call := func(ctx context.Context, stack []uint64) {
			in := (*instance)(ctx.(*guest))
			if in.entry.inside && i.Module != meter.YieldModule {
				in.calledHost()
			}
			do(&in.State, stack)
		}
		b.NewFunctionBuilder().
			WithGoFunction(api.GoFunc(call), valueTypes(f.Type.Params), valueTypes(f.Type.Results)).
			Export(f.Name)
	}
	if _, err := b.Instantiate(ctx); err != nil {
		return fmt.Errorf("wazero: link %s: %w", i.Module, err)
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
