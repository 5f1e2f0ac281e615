package component

import (
	"errors"
	"fmt"

	"github.com/airhost/airhost/internal/wasm"
)

// kindOf is the kind of a scope.
type kindOf byte

const (
	ofComponent kindOf = iota
	ofComponentType
	ofInstanceType
	ofList // of exports
)

// env is a scope with its index spaces. They have, for the core sorts, a *coreType, for
// CoreType a *wasm.FuncType or *moduleType, for CoreModule a *moduleType, for CoreInst a
// map of *coreType, for Func a *funcType, for Comp a *componentType, for Inst an
// *instanceType, and for Type any of these or a *valueType or *resourceType.
type env struct {
	kind   kindOf
	outer  *env
	spaces [numSorts][]any

	imports, exports  []external
	names             [2]map[string]string // of imports and exports, by their unique form
	resources         [2]map[string]*identity
	named             [2]map[any]bool // types that imports and exports may name
	imported, defined []*identity
	reps              map[*identity]bool // resources that this component defines itself
	explicit          map[*identity]bool // resources that are exported
}

// Directions index the pairs in env.
const (
	importing = iota
	exporting
)

var directions = [...]string{"import", "export"}

// validator checks a component.
type validator struct {
	steps, nodes, mostNodes int
	modules                 map[*Module]*moduleType
	flats                   map[*valueType][]wasm.ValueType
}

// Bounds of validation. Types that are made by instantiation are bounded in proportion to
// the input.
const (
	maxChecks  = 10_000_000
	leastNodes = 10_000
)

// Validate checks a component that Decode has read: indices, types, names, and that linked
// parts fit. It returns the types of the component's imports and exports. An error is
// an [*InvalidError], [*UnsupportedError] or [*LimitError].
func Validate(c *Component, size int) (*Types, error) {
	v := &validator{mostNodes: leastNodes + size/2, modules: make(map[*Module]*moduleType), flats: make(map[*valueType][]wasm.ValueType)}
	t, err := v.component(c, nil)
	if err != nil {
		return nil, err
	}
	return &Types{t}, nil
}

// Types are the types of a component's imports and exports.
type Types struct{ component *componentType }

// step counts work that takes no memory, steps as much of it as n steps, and node work that
// takes memory.
func (v *validator) step() error { return v.stepped(1) }

func (v *validator) stepped(n int) error {
	if v.steps += n; v.steps > maxChecks {
		return &LimitError{"checks of types", v.steps, maxChecks}
	}
	return nil
}

func (v *validator) node(n int) error {
	if v.nodes += n; v.nodes > v.mostNodes {
		return &LimitError{"types that its instances make", v.nodes, v.mostNodes}
	}
	return v.step()
}

func newEnv(kind kindOf, outer *env, defs []Def) *env {
	e := &env{kind: kind, outer: outer}
	var counts [numSorts]int
	for i := range defs {
		if s, ok := defs[i].Node.sort(); ok {
			counts[s]++
		}
	}
	for s, n := range counts {
		if n > 0 {
			e.spaces[s] = make([]any, 0, n)
		}
	}
	return e
}

// lookup returns the entry of an index, in the Go type that it must have.
func lookup[T any](e *env, s Sort, index uint32) (is T, err error) {
	if uint64(index) >= uint64(len(e.spaces[s])) {
		return is, fmt.Errorf("expected a %s index below %d, got %d", s, len(e.spaces[s]), index)
	}
	is, ok := e.spaces[s][index].(T)
	if !ok {
		return is, fmt.Errorf("%s %d is not %s", s, index, describe[T]())
	}
	return is, nil
}

// describe names a Go type of index spaces for people.
func describe[T any]() string {
	var t T
	switch any(t).(type) {
	case *funcType:
		return "the type of a function"
	case *instanceType:
		return "the type of an instance"
	case *componentType:
		return "the type of a component"
	case *resourceType:
		return "a resource"
	case *valueType:
		return "the type of a value"
	case *moduleType:
		return "the type of a core module"
	}
	return "the type of a core function"
}

// define evaluates the definitions of a scope.
func (v *validator) define(e *env, defs []Def) error {
	for i := range defs {
		d := &defs[i]
		is, err := v.definition(e, d)
		if err == nil && depthOf(is) > maxTypeDepth {
			err = fmt.Errorf("types of instances and components are nested more than %d deep", maxTypeDepth)
		}
		if err != nil {
			return atDef(d, err)
		}
		if s, ok := d.Node.sort(); ok {
			e.spaces[s] = append(e.spaces[s], is)
		}
	}
	return nil
}

// definition evaluates a definition, and returns the entry for its index.
func (v *validator) definition(e *env, d *Def) (any, error) {
	if err := v.step(); err != nil {
		return nil, err
	}
	switch n := d.Node.(type) {
	case *Module:
		return v.module(n)
	case *CoreInstance:
		return v.coreInstance(e, n)
	case *CoreFuncType:
		return &n.Type, nil
	case *ModuleType:
		return v.moduleType(e, n)
	case *Component:
		return v.component(n, e)
	case *Instance:
		return v.instance(e, n)
	case *Alias:
		return v.alias(e, n)
	case *Canon:
		return v.canon(e, n)
	case *Start:
		return nil, &UnsupportedError{"start functions of components", ""}
	case *Import:
		return v.importDef(e, n)
	case *Export:
		return v.export(e, n)
	}
	return v.typeOf(e, d.Node)
}

// component checks a component in a scope, which is nil around the outermost one.
func (v *validator) component(c *Component, outer *env) (*componentType, error) {
	e := newEnv(ofComponent, outer, c.Defs)
	if err := v.define(e, c.Defs); err != nil {
		return nil, err
	}
	return v.finish(e)
}

// finish returns the type of a component. No resource that the component defines may be
// in its imports, and those in its exports must be exported.
func (v *validator) finish(e *env) (*componentType, error) {
	t := &componentType{imports: e.imports, exports: e.exports, imported: e.imported}
	t.depth = 1 + max(deepest(e.imports), deepest(e.exports))
	free, err := v.free(e.imports)
	if err != nil {
		return nil, err
	}
	for _, id := range e.defined {
		if free[id] {
			return nil, errors.New("an import uses a resource that the component defines")
		}
	}
	if free, err = v.free(e.exports); err != nil {
		return nil, err
	}
	for _, id := range e.defined {
		if !free[id] {
			continue
		}
		if !e.explicit[id] {
			return nil, errors.New("an export uses a resource that is not exported itself")
		}
		t.defined = append(t.defined, id)
	}
	return t, nil
}
