package guest_test

import (
	"context"
	"errors"
	"hash/fnv"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/guest"
	"github.com/airhost/airhost/internal/abi"
	"github.com/airhost/airhost/internal/wasi"
	"github.com/airhost/airhost/internal/wasm"
)

// keeper is a module as package wasi uses it, with the buckets of the test's host.
type keeper struct{ *wasmGuest }

func (k keeper) Memory() []byte {
	all, _ := k.module.Memory().Read(0, k.module.Memory().Size()) // it is in range
	return all
}

func (k keeper) Realloc(align, size uint32) (uint32, error) {
	result, err := k.module.ExportedFunction("cabi_realloc").Call(context.Background(), 0, 0, uint64(align), uint64(size))
	if err != nil {
		return 0, err
	}
	return uint32(result[0]), nil
}

func (keeper) Calling(string)                             {}
func (keeper) GoOn()                                      {}
func (keeper) Wait(time.Duration, []<-chan struct{}) bool { return false }
func (keeper) Now() uint64                                { return 0 }
func (keeper) Write(uint32, []byte)                       {}

func (k keeper) OpenBucket(name string) (core.Bucket, error) {
	b, err := k.host.OpenBucket(name)
	if err != nil {
		return nil, asCore(err)
	}
	return kept{b}, nil
}

func asCore(err error) error {
	var e *guest.KeyValueError
	if errors.As(err, &e) {
		return &core.KeyValueError{Case: core.KeyValueErrorCase(e.Case), Text: e.Text}
	}
	return err
}

// kept is a bucket of the test's host. The version of a value is its checksum.
type kept struct{ b guest.Bucket }

func (k kept) Get(key string) (core.Value, error) {
	value, found, err := k.b.Get(key)
	if err != nil || !found {
		return core.Value{}, asCore(err)
	}
	sum := fnv.New64a()
	_, _ = sum.Write(value) // it does not fail
	return core.Value{Data: value, Version: sum.Sum64() | 1}, nil
}

func (k kept) Has(key string) (bool, error) {
	has, err := k.b.Has(key)
	return has, asCore(err)
}

func (k kept) Set(key string, data []byte) error { return asCore(k.b.Set(key, data)) }

func (k kept) Delete(key string) error { return asCore(k.b.Delete(key)) }

func (k kept) Keys(after string) ([]string, bool, error) {
	keys, next, err := k.b.Keys(after)
	return keys, next != "", asCore(err)
}

func (k kept) Increment(key string, delta int64) (int64, error) {
	sum, err := k.b.Increment(key, delta)
	return sum, asCore(err)
}

func (k kept) Swap(key string, version uint64, data []byte) (bool, error) {
	if now, err := k.Get(key); err != nil || now.Version != version {
		return false, err
	}
	return true, k.Set(key, data)
}

// provideKeyValue provides wasi:keyvalue, as the engines do.
func (g *wasmGuest) provideKeyValue(runtime wazero.Runtime) {
	in := wasi.New(keeper{g}, nil)
	for _, name := range []string{"store", "atomics"} {
		module := abi.ModuleOf(abi.KeyValue + name)
		of, _ := abi.FindInterface(module)
		host := runtime.NewHostModuleBuilder(module)
		for _, f := range of.Funcs {
			do := wasi.Find(module, f.Name)
			host.NewFunctionBuilder().WithGoFunction(api.GoFunc(func(_ context.Context, stack []uint64) {
				do(in, stack)
				g.churn()
			}), valueTypes(f.Type.Params), valueTypes(f.Type.Results)).Export(f.Name)
		}
		if _, err := host.Instantiate(g.t.Context()); err != nil {
			g.t.Fatal(err)
		}
	}
}

func valueTypes(types []wasm.ValueType) (all []api.ValueType) {
	for _, t := range types {
		all = append(all, t.Code)
	}
	return all
}
