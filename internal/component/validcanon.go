package component

import (
	"errors"
	"fmt"

	"github.com/airhost/airhost/internal/wasm"
)

// Bounds of flat parameters and results: more than that are passed in memory.
const (
	maxFlatParams  = 16
	maxFlatAsync   = 4
	maxFlatResults = 1
)

// canon checks a canonical definition.
func (v *validator) canon(e *env, n *Canon) (any, error) {
	o, err := v.checkOptions(e, n)
	if err != nil {
		return nil, err
	}
	switch n.Op {
	case Lift:
		return v.lift(e, n, o)
	case Lower:
		return v.lower(e, n, o)
	case ResourceNew, ResourceDrop, ResourceRep:
		return v.resourceOp(e, n)
	}
	return v.builtin(e, n, o)
}

// canonOptions are options by kind.
type canonOptions struct {
	has            [OptCallback + 1]bool
	post, callback *wasm.FuncType
}

// checkOptions checks the options of a canonical definition for themselves.
func (v *validator) checkOptions(e *env, n *Canon) (o canonOptions, err error) {
	for _, opt := range n.Options {
		kind := opt.Kind
		if kind <= OptLatin1 {
			kind = OptUTF8
		}
		if o.has[kind] {
			return o, fmt.Errorf("the option %s is given twice", opt.Kind)
		}
		o.has[kind] = true
		switch kind {
		case OptMemory:
			c, err := lookup[*coreType](e, CoreMemory, opt.Index)
			if err != nil {
				return o, err
			}
			if c.memory.Is64 {
				return o, errors.New("the option memory is of a memory of 64 bits")
			}
		case OptRealloc, OptPostReturn, OptCallback:
			c, err := lookup[*coreType](e, CoreFunc, opt.Index)
			if err != nil {
				return o, err
			}
			switch kind {
			case OptRealloc:
				if want := signatureOf(4, wasm.I32); !c.fn.Equal(want) {
					return o, fmt.Errorf("the option realloc has the type %s, want %s", c.fn, want)
				}
			case OptPostReturn:
				o.post = c.fn
			default:
				o.callback = c.fn
			}
		}
	}
	return o, o.together(n)
}

// together checks which options go together.
func (o *canonOptions) together(n *Canon) error {
	switch {
	case o.has[OptRealloc] && !o.has[OptMemory]:
		return errors.New("the option realloc needs the option memory")
	case o.has[OptCallback] && !o.has[OptAsync]:
		return errors.New("the option callback needs the option async")
	case o.has[OptPostReturn] && (o.has[OptAsync] || n.Op != Lift):
		return errors.New("the option post-return is for functions that are lifted and not async")
	case o.has[OptCallback] && n.Op != Lift:
		return errors.New("the option callback is for functions that are lifted")
	}
	return nil
}

// signatureOf returns a signature of so many i32 parameters, and results.
func signatureOf(params int, results ...wasm.ValueType) wasm.FuncType {
	t := wasm.FuncType{Results: results}
	for range params {
		t.Params = append(t.Params, wasm.I32)
	}
	return t
}

// needs says which options a function needs.
type needs struct{ memory, realloc bool }

// add notes the needs of a value, which may go into the guest's memory.
func (n *needs) add(t *valueType, into bool) {
	if t != nil && t.pointers {
		n.memory = true
		n.realloc = n.realloc || into
	}
}

func (o *canonOptions) satisfy(n needs) error {
	if (n.memory || n.realloc) && !o.has[OptMemory] {
		return errors.New("the option memory is required")
	}
	if n.realloc && !o.has[OptRealloc] {
		return errors.New("the option realloc is required")
	}
	return nil
}

func (v *validator) lift(e *env, n *Canon, o canonOptions) (any, error) {
	f, err := lookup[*coreType](e, CoreFunc, n.Index)
	if err != nil {
		return nil, err
	}
	t, err := lookup[*funcType](e, Type, n.Type)
	if err != nil {
		return nil, err
	}
	if o.has[OptAsync] && !t.async {
		return nil, errors.New("the option async needs a type of an async function")
	}
	want, need := v.flatFunc(t, &o, true)
	if err := o.satisfy(need); err != nil {
		return nil, err
	}
	if !f.fn.Equal(want) {
		return nil, fmt.Errorf("the core function has the type %s, want %s", f.fn, want)
	}
	if want := (wasm.FuncType{Params: f.fn.Results}); o.post != nil && !o.post.Equal(want) {
		return nil, fmt.Errorf("the post-return has the type %s, want %s", o.post, want)
	}
	if want := signatureOf(3, wasm.I32); o.callback != nil && !o.callback.Equal(want) {
		return nil, fmt.Errorf("the callback has the type %s, want %s", o.callback, want)
	}
	return t, nil
}

func (v *validator) lower(e *env, n *Canon, o canonOptions) (any, error) {
	t, err := lookup[*funcType](e, Func, n.Index)
	if err != nil {
		return nil, err
	}
	if o.has[OptAsync] && !t.async {
		return nil, errors.New("the option async needs a type of an async function")
	}
	want, need := v.flatFunc(t, &o, false)
	if err := o.satisfy(need); err != nil {
		return nil, err
	}
	return &coreType{kind: wasm.KindFunc, fn: &want}, nil
}

// flatFunc returns the core signature of a function that is lifted or lowered, and its
// needs.
func (v *validator) flatFunc(t *funcType, o *canonOptions, lift bool) (f wasm.FuncType, n needs) {
	most := maxFlatParams
	if o.has[OptAsync] && !lift {
		most = maxFlatAsync
	}
	for i := range t.params {
		f.Params = append(f.Params, v.flat(t.params[i].typ)...)
		n.add(t.params[i].typ, lift)
		if len(f.Params) > most {
			break // they are in memory
		}
	}
	if len(f.Params) > most {
		f.Params = []wasm.ValueType{wasm.I32}
		n.memory, n.realloc = true, n.realloc || lift
	}
	results := []wasm.ValueType(nil)
	if t.result != nil {
		results = v.flat(t.result)
		n.add(t.result, !lift)
	}
	switch {
	case o.has[OptAsync] && lift:
		if o.has[OptCallback] {
			f.Results = []wasm.ValueType{wasm.I32}
		}
	case o.has[OptAsync]:
		if len(results) > 0 {
			f.Params, n.memory = append(f.Params, wasm.I32), true
		}
		f.Results = []wasm.ValueType{wasm.I32}
	case len(results) <= maxFlatResults:
		f.Results = results
	case lift:
		f.Results, n.memory = []wasm.ValueType{wasm.I32}, true
	default:
		f.Params, n.memory = append(f.Params, wasm.I32), true
	}
	return f, n
}

// flatPrims are the core types of primitive types.
var flatPrims = map[Prim]wasm.ValueType{S64: wasm.I64, U64: wasm.I64, F32: wasm.F32, F64: wasm.F64}

// flat returns the core types of a value, or more than [maxFlatParams] of them if there
// are many.
func (v *validator) flat(t *valueType) []wasm.ValueType {
	if t.prim != Indexed {
		if t.prim == String {
			return []wasm.ValueType{wasm.I32, wasm.I32}
		}
		if c, ok := flatPrims[t.prim]; ok {
			return []wasm.ValueType{c}
		}
		return []wasm.ValueType{wasm.I32}
	}
	if f, ok := v.flats[t]; ok {
		return f
	}
	f := v.flatten(t)
	v.flats[t] = f[:min(len(f), maxFlatParams+1)]
	return v.flats[t]
}

func (v *validator) flatten(t *valueType) (f []wasm.ValueType) {
	switch t.kind {
	case Record, Tuple:
		for i := range t.fields {
			if f = append(f, v.flat(t.fields[i].typ)...); len(f) > maxFlatParams {
				break
			}
		}
	case Variant, Option, Result:
		f = []wasm.ValueType{wasm.I32}
		for _, c := range t.cases() {
			if c == nil {
				continue
			}
			for i, p := range v.flat(c) {
				if i+1 == len(f) {
					f = append(f, p)
				} else {
					f[i+1] = join(f[i+1], p)
				}
			}
		}
	case List:
		if t.fixed {
			one := v.flat(t.elem)
			for i := uint32(0); i < t.length && len(f) <= maxFlatParams; i++ {
				f = append(f, one...)
			}
			return f
		}
		return []wasm.ValueType{wasm.I32, wasm.I32}
	case Map:
		return []wasm.ValueType{wasm.I32, wasm.I32}
	default:
		return []wasm.ValueType{wasm.I32}
	}
	return f
}

// join returns the core type that holds values of both types.
func join(a, b wasm.ValueType) wasm.ValueType {
	switch {
	case a == b:
		return a
	case a == wasm.I32 && b == wasm.F32, a == wasm.F32 && b == wasm.I32:
		return wasm.I32
	}
	return wasm.I64
}

func (v *validator) resourceOp(e *env, n *Canon) (any, error) {
	r, err := lookup[*resourceType](e, Type, n.Index)
	if err != nil {
		return nil, err
	}
	f := signatureOf(1, wasm.I32)
	if n.Op == ResourceDrop {
		f = signatureOf(1)
	} else if !e.reps[r.id] {
		return nil, fmt.Errorf("type %d is not a resource of this component", n.Index)
	}
	return &coreType{kind: wasm.KindFunc, fn: &f}, nil
}
