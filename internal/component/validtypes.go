package component

import (
	"errors"
	"fmt"

	"github.com/airhost/airhost/internal/wasm"
)

// typeOf resolves a type.
func (v *validator) typeOf(e *env, n Node) (any, error) {
	switch n := n.(type) {
	case Prim:
		return primTypes[n], nil
	case *Defined:
		return v.defined(e, n)
	case *FuncType:
		return v.funcType(e, n)
	case *ComponentType:
		inner := newEnv(ofComponentType, e, n.Decls)
		if err := v.define(inner, n.Decls); err != nil {
			return nil, err
		}
		return v.finish(inner)
	case *InstanceType:
		if len(n.Decls) == 0 {
			return newInstanceType(nil, nil), nil
		}
		inner := newEnv(ofInstanceType, e, n.Decls)
		if err := v.define(inner, n.Decls); err != nil {
			return nil, err
		}
		return newInstanceType(inner.exports, inner.defined), nil
	case *Resource:
		return v.resource(e, n)
	}
	return nil, fmt.Errorf("a %T is not a type", n)
}

func newInstanceType(exports []external, fresh []*identity) *instanceType {
	t := &instanceType{exports: exports, fresh: fresh, depth: 1 + deepest(exports)}
	if len(exports) > 0 {
		t.byName = make(map[string]int, len(exports))
	}
	for i := range exports {
		t.byName[exports[i].name] = i
	}
	return t
}

func (v *validator) resource(e *env, n *Resource) (any, error) {
	if e.kind != ofComponent {
		return nil, errors.New("a resource can only be defined in a component, and not in a type")
	}
	if n.Rep != wasm.I32.Code {
		return nil, errors.New("a resource is represented by i32")
	}
	if n.Dtor != nil {
		f, err := lookup[*coreType](e, CoreFunc, *n.Dtor)
		if err != nil {
			return nil, err
		}
		if want := (wasm.FuncType{Params: []wasm.ValueType{wasm.I32}}); !f.fn.Equal(want) {
			return nil, fmt.Errorf("a destructor has the type %s, want %s", f.fn, want)
		}
	}
	id := &identity{}
	e.defined = append(e.defined, id)
	put(&e.reps, id, true)
	return &resourceType{id}, nil
}

// put sets an entry of a map that is made with its first entry.
func put[K comparable, V any](m *map[K]V, k K, value V) {
	if *m == nil {
		*m = make(map[K]V)
	}
	(*m)[k] = value
}

// valueType resolves the type of a value, or returns nil for none.
func (v *validator) valueType(e *env, t ValType) (*valueType, error) {
	switch t.Prim {
	case None:
		return nil, nil
	case Indexed:
		return lookup[*valueType](e, Type, t.Index)
	}
	return primTypes[t.Prim], nil
}

// fields resolves fields. Their names must be unique.
func (v *validator) fields(e *env, fields []Field, what string) ([]fieldType, error) {
	seen := make(map[string]bool, len(fields))
	out := make([]fieldType, len(fields))
	for i, f := range fields {
		if what != "" {
			if !label.MatchString(f.Name) || len(f.Name) > maxName {
				return nil, fmt.Errorf("%s name %.100q is not in kebab case", what, f.Name)
			}
			if u := unique(f.Name); seen[u] {
				return nil, fmt.Errorf("%s name %.100q conflicts with an earlier name", what, f.Name)
			} else {
				seen[u] = true
			}
		}
		t, err := v.valueType(e, f.Type)
		if err != nil {
			return nil, err
		}
		out[i] = fieldType{f.Name, t}
	}
	return out, nil
}

// fieldWords names the fields of a kind. Those of a tuple have no names.
var fieldWords = map[Kind]string{Record: "record field", Variant: "variant case", Flags: "flag", Enum: "enum case", Tuple: ""}

// maxFlags is the largest number of flags of a type.
const maxFlags = 32

// defined resolves a type of values.
func (v *validator) defined(e *env, n *Defined) (any, error) {
	t := &valueType{prim: Indexed, kind: n.Kind, length: n.Len, fixed: n.Fixed}
	var err error
	if what, ok := fieldWords[n.Kind]; ok {
		switch {
		case len(n.Fields) == 0:
			return nil, fmt.Errorf("a %s has at least one entry", kindNames[n.Kind])
		case n.Kind == Flags && len(n.Fields) > maxFlags:
			return nil, fmt.Errorf("a type has at most %d flags, got %d", maxFlags, len(n.Fields))
		}
		if t.fields, err = v.fields(e, n.Fields, what); err != nil {
			return nil, err
		}
	}
	if t.elem, err = v.valueType(e, n.Elem); err != nil {
		return nil, err
	}
	if t.second, err = v.valueType(e, n.Second); err != nil {
		return nil, err
	}
	if n.Kind == Own || n.Kind == Borrow {
		if t.resource, err = lookup[*resourceType](e, Type, n.Index); err != nil {
			return nil, err
		}
	}
	if err := t.allowed(); err != nil {
		return nil, err
	}
	return t, t.measure()
}

// allowed checks the rules of kinds beyond the types of their parts.
func (t *valueType) allowed() error {
	switch {
	case t.fixed && t.length == 0:
		return errors.New("a list of fixed length has at least one element")
	case t.kind == Map && !keys[t.elem.prim]:
		return errors.New("the keys of a map are bool, integers, char or string")
	case (t.kind == Stream || t.kind == Future) && t.elem != nil && t.elem.borrows:
		return errors.New("a stream or future can't have borrows in it")
	case t.kind == Stream && t.elem != nil && t.elem.prim == Char:
		return errors.New("a stream of char is not valid at this time")
	}
	return nil
}

// keys are the types that keys of maps may have.
var keys = map[Prim]bool{
	Bool: true, S8: true, U8: true, S16: true, U16: true, S32: true, U32: true, S64: true, U64: true, Char: true, String: true,
}

func (v *validator) funcType(e *env, n *FuncType) (any, error) {
	params, err := v.fields(e, n.Params, "parameter")
	if err != nil {
		return nil, err
	}
	result, err := v.valueType(e, n.Result)
	if err != nil {
		return nil, err
	}
	if result != nil && result.borrows {
		return nil, errors.New("the result of a function can't have a borrow in it")
	}
	return &funcType{n.Async, params, result}, nil
}

// free returns the resources in imports or exports, apart from those that are bound by a
// component or by the type of an instance.
func (v *validator) free(list []external) (map[*identity]bool, error) {
	free, seen := make(map[*identity]bool), make(map[any]bool)
	for i := range list {
		if err := v.freeIn(list[i].is, free, seen); err != nil {
			return nil, err
		}
	}
	return free, nil
}

func (v *validator) freeIn(is any, free map[*identity]bool, seen map[any]bool) (err error) {
	if seen[is] {
		return nil
	}
	seen[is] = true
	if err := v.step(); err != nil {
		return err
	}
	all := func(lists ...[]external) {
		for _, list := range lists {
			for i := range list {
				if err == nil {
					err = v.freeIn(list[i].is, free, seen)
				}
			}
		}
	}
	switch t := is.(type) {
	case *resourceType:
		free[t.id] = true
	case *valueType:
		if t.resource != nil {
			free[t.resource.id] = true
		}
		t.parts(func(p *valueType) {
			if err == nil {
				err = v.freeIn(p, free, seen)
			}
		})
	case *funcType:
		for _, p := range append(t.params[:len(t.params):len(t.params)], fieldType{typ: t.result}) {
			if p.typ != nil && err == nil {
				err = v.freeIn(p.typ, free, seen)
			}
		}
	case *instanceType:
		all(t.exports)
	case *componentType:
		all(t.imports, t.exports)
	}
	return err
}
