package component

import (
	"errors"
	"fmt"

	"github.com/airhost/airhost/internal/wasm"
)

// asyncOps are the core signatures of built-in functions of the proposals: the number of
// parameters and of results, all of type i32.
var asyncOps = map[CanonOp]struct{ params, results int }{
	0x05: {0, 0}, 0x06: {1, 1}, 0x0d: {1, 0}, 0x24: {0, 0}, 0x25: {0, 0},
	0x0f: {3, 1}, 0x10: {3, 1}, 0x11: {1, 1}, 0x12: {1, 1}, 0x13: {1, 0}, 0x14: {1, 0},
	0x16: {2, 1}, 0x17: {2, 1}, 0x18: {1, 1}, 0x19: {1, 1}, 0x1a: {1, 0}, 0x1b: {1, 0},
	0x1c: {2, 1}, 0x1d: {2, 0}, 0x1e: {1, 0}, 0x1f: {0, 1}, 0x20: {2, 1}, 0x21: {2, 1}, 0x22: {1, 0}, 0x23: {2, 0},
	0x26: {0, 1}, 0x27: {2, 1}, 0x28: {1, 0}, 0x29: {0, 1}, 0x0c: {0, 1},
	0x2a: {1, 1}, 0x2b: {1, 1}, 0x2c: {1, 1}, 0x2d: {1, 1}, 0x42: {0, 1}, 0x40: {2, 1}, 0x41: {2, 1},
}

// asyncTypes are these signatures. They are shared, since there may be a function for each
// byte of the input.
var asyncTypes = func() map[CanonOp]*coreType {
	m := make(map[CanonOp]*coreType)
	for op, n := range asyncOps {
		f := signatureOf(n.params)
		if n.results > 0 {
			f.Results = []wasm.ValueType{wasm.I32}
		}
		m[op] = &coreType{kind: wasm.KindFunc, fn: &f}
	}
	return m
}()

// builtin checks a built-in function of a proposal. A guest may import it; it traps when
// it is called.
func (v *validator) builtin(e *env, n *Canon, o canonOptions) (any, error) {
	var f wasm.FuncType
	switch n.Op {
	case ContextGet, ContextSet:
		if n.Index > 1 {
			return nil, fmt.Errorf("there are two slots of context, got %d", n.Index)
		}
		f = wasm.FuncType{Results: []wasm.ValueType{n.Value}}
		if n.Op == ContextSet {
			f = wasm.FuncType{Params: []wasm.ValueType{n.Value}}
		}
	case TaskReturn:
		t, err := v.valueType(e, n.Result)
		if err != nil {
			return nil, err
		}
		var need needs
		f, need = v.flatFunc(&funcType{params: taskResult(t)}, &o, false)
		if err := o.satisfy(need); err != nil {
			return nil, err
		}
	case 0x0e, 0x15: // stream.new, future.new
		f.Results = []wasm.ValueType{wasm.I64}
	default:
		return asyncTypes[n.Op], v.builtinIndex(e, n)
	}
	return &coreType{kind: wasm.KindFunc, fn: &f}, v.builtinIndex(e, n)
}

func taskResult(t *valueType) []fieldType {
	if t == nil {
		return nil
	}
	return []fieldType{{"", t}}
}

// builtinIndex checks the index of a built-in function.
func (v *validator) builtinIndex(e *env, n *Canon) error {
	want := None
	switch {
	case n.Op >= 0x0e && n.Op <= 0x14:
		want = Prim(Stream)
	case n.Op >= 0x15 && n.Op <= 0x1b:
		want = Prim(Future)
	case n.Op == 0x20 || n.Op == 0x21:
		_, err := lookup[*coreType](e, CoreMemory, n.Index)
		return err
	case n.Op == 0x27 || n.Op == 0x40 || n.Op == 0x41:
		f, err := lookup[*wasm.FuncType](e, CoreType, n.Index)
		if err == nil && !f.Equal(signatureOf(1)) {
			err = errors.New("the start function of a thread has the type (i32) -> ()")
		}
		if err == nil && n.Op != 0x40 {
			_, err = lookup[*coreType](e, CoreTable, n.Type)
		}
		return err
	default:
		return nil
	}
	t, err := lookup[*valueType](e, Type, n.Index)
	if err == nil && Prim(t.kind) != want {
		err = fmt.Errorf("type %d is not a %s", n.Index, kindNames[Kind(want)])
	}
	return err
}
