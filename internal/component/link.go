package component

import (
	"fmt"

	"github.com/airhost/airhost/internal/wasm"
)

// linked is a component after instantiation, on paper: its core instances, those of
// nested components included, and its exports.
type linked struct {
	instances []coreInstance // in the order in which they are made
	imports   []*instance    // of the component, in order
	exports   []named
}

// coreInstance is a core instance. Without a module it is a list of exports.
type coreInstance struct {
	module  *Module
	parsed  *wasm.Module
	args    []CoreArg // Instance is an index into linked.instances
	exports map[string]*coreItem
}

// coreItem is a core function, table, memory or global. It is an export of a core
// instance of a module or, if canon is not nil, a canonical definition.
type coreItem struct {
	sort     Sort
	instance int // an index into linked.instances
	name     string
	canon    *canonical
}

// canonical is a lowered function or a built-in one.
type canonical struct {
	op       CanonOp
	fn       *function // Lower
	resource *resource // ResourceNew, ResourceDrop, ResourceRep
	options  options
}

// options are those of a function that is lifted or lowered.
type options struct {
	memory, realloc, post *coreItem
	encoding              OptionKind
	async                 bool
}

// function is a function of the component model. It is the host's, or lifted.
type function struct {
	of, name string // of the host: the interface, or "" for a function that is imported by itself
	lifted   *coreItem
	options  options // if lifted
}

// resource is a type. One of the host has the name of an interface of the host.
type resource struct{ of, name string }

// instance is an instance of the component model. One of the host has a name and a type.
type instance struct {
	of      string // the host's
	typ     *typeValue
	exports []named
	byName  map[string]int // of exports
}

// named is an export.
type named struct {
	name string
	value
}

// value is a definition after linking. The sort says its Go type: a *coreItem for
// CoreFunc to CoreTag, an int for CoreInst, a *Module, a *function, an *instance, a
// *closure, and for types a Node of the same scope or a *typeValue.
type value struct {
	sort Sort
	is   any
}

// closure is a component and the scope in which it is defined.
type closure struct {
	component *Component
	outer     *scope
}

// typeValue is a type of any scope. resource is set if it is that of a resource.
type typeValue struct {
	node     Node
	scope    *scope // of node
	resource *resource
}

// scope has the index spaces of a component.
type scope struct {
	outer  *scope
	values [numSorts][]value
}

// Bounds of linking. A component may instantiate another many times, which does so in
// turn. The number of values is bounded in proportion to the input.
const (
	maxSteps    = 10_000_000
	leastValues = 10_000
)

// maxInstances bounds the core instances of a component.
const maxInstances = 1000

// linker instantiates a component on paper.
type linker struct {
	*linked
	values, mostValues int
	steps              int
	depth              int // of instances in each other
	parsed             map[*Module]*wasm.Module
}

// link instantiates a component on the host. size is that of the binary.
func link(c *Component, size int) (*linked, error) {
	l := &linker{linked: &linked{}, mostValues: leastValues + size/2, parsed: make(map[*Module]*wasm.Module)}
	exports, err := l.component(c, newScope(nil, c.Defs), nil)
	l.exports = exports
	return l.linked, err
}

// newScope returns a scope with room for definitions.
func newScope(outer *scope, defs []Def) *scope {
	s := &scope{outer: outer}
	var counts [numSorts]int
	for i := range defs {
		if sort, ok := defs[i].Node.sort(); ok {
			counts[sort]++
		}
	}
	for sort, n := range counts {
		if n > 0 {
			s.values[sort] = make([]value, 0, n)
		}
	}
	return s
}

// step counts work that takes no memory.
func (l *linker) step(n int) error {
	if l.steps += n; l.steps > maxSteps {
		return &LimitError{"steps of linking", l.steps, maxSteps}
	}
	return nil
}

// take counts values.
func (l *linker) take(n int) error {
	if l.values += n; l.values > l.mostValues {
		return &LimitError{"definitions in all its instances", l.values, l.mostValues}
	}
	return nil
}

// component evaluates the definitions of a component. args has its imports, or is nil if
// the host has them.
func (l *linker) component(c *Component, s *scope, args map[string]value) (exports []named, err error) {
	if err := l.take(len(c.Defs)); err != nil {
		return nil, err
	}
	if l.depth++; l.depth > maxDepth {
		return nil, &LimitError{"instances of components in each other", l.depth, maxDepth}
	}
	defer func() { l.depth-- }()
	for i := range c.Defs {
		d := &c.Defs[i]
		is, err := l.define(d.Node, s, args)
		if err != nil {
			return nil, atDef(d, err)
		}
		sort, ok := d.Node.sort()
		if !ok {
			continue
		}
		v := value{sort, is}
		if e, ok := d.Node.(*Export); ok {
			exports = append(exports, named{e.Name.Name, v})
		}
		s.values[sort] = append(s.values[sort], v)
	}
	return exports, nil
}

// define evaluates a definition, for a [value].
func (l *linker) define(n Node, s *scope, args map[string]value) (any, error) {
	switch n := n.(type) {
	case *Module:
		return n, nil
	case *CoreInstance:
		return l.coreInstance(n, s)
	case *Component:
		return &closure{n, s}, nil
	case *Instance:
		return l.instance(n, s)
	case *Alias:
		return l.alias(n, s)
	case *Canon:
		return l.canon(n, s)
	case *Start:
		return nil, &UnsupportedError{"start functions of components", ""}
	case *Import:
		return l.importValue(n, s, args)
	case *Export:
		v, err := s.passed(n.Sort, n.Index)
		return v.is, err
	case *Resource:
		return &typeValue{node: n, scope: s, resource: &resource{}}, nil
	}
	return n, nil
}

// at returns the value of an index.
func (s *scope) at(sort Sort, index uint32) (value, error) {
	if uint64(index) >= uint64(len(s.values[sort])) {
		return value{}, fmt.Errorf("expected a %s index below %d, got %d", sort, len(s.values[sort]), index)
	}
	return s.values[sort][index], nil
}

// get returns the value of an index in the sort's Go type.
func get[T any](s *scope, sort Sort, index uint32) (is T, err error) {
	v, err := s.at(sort, index)
	if err == nil {
		is = v.is.(T)
	}
	return is, err
}

// typeAt returns the type of an index.
func (s *scope) typeAt(index uint32) (*typeValue, error) {
	v, err := s.at(Type, index)
	if err != nil {
		return nil, err
	}
	if t, ok := v.is.(*typeValue); ok {
		return t, nil
	}
	return &typeValue{node: v.is.(Node), scope: s}, nil
}

func (l *linker) importValue(n *Import, s *scope, args map[string]value) (any, error) {
	name := n.Name.Name
	if args != nil {
		v, ok := args[name]
		if !ok || v.sort != n.Type.Sort {
			return nil, fmt.Errorf("the import %.100q is not given, or is not a %s", name, n.Type.Sort)
		}
		return v.is, nil
	}
	switch n.Type.Sort {
	case Func:
		return &function{name: name}, nil
	case Type:
		if n.Type.Bound == BoundEq {
			return s.typeAt(n.Type.Index)
		}
		return &typeValue{resource: &resource{name: name}}, nil
	case Inst:
		t, err := s.typeAt(n.Type.Index)
		if err != nil {
			return nil, err
		}
		i := &instance{of: name, typ: t}
		l.imports = append(l.imports, i)
		return i, nil
	}
	return nil, &UnsupportedError{"imports of a " + n.Type.Sort.String(), "link it into the component"}
}

// instance makes an instance of a component, or of a list of exports.
func (l *linker) instance(n *Instance, s *scope) (any, error) {
	if n.Inline {
		if err := l.take(len(n.Exports)); err != nil {
			return nil, err
		}
		exports := make([]named, 0, len(n.Exports))
		for _, e := range n.Exports {
			v, err := s.passed(e.Sort, e.Index)
			if err != nil {
				return nil, err
			}
			exports = append(exports, named{e.Name.Name, v})
		}
		return newInstance(exports), nil
	}
	c, err := get[*closure](s, Comp, n.Component)
	if err != nil {
		return nil, err
	}
	if err := l.take(len(n.Args)); err != nil {
		return nil, err
	}
	args := noArgs
	if len(n.Args) > 0 {
		args = make(map[string]value, len(n.Args))
	}
	for _, a := range n.Args {
		if args[a.Name], err = s.passed(a.Sort, a.Index); err != nil {
			return nil, err
		}
	}
	exports, err := l.component(c.component, newScope(c.outer, c.component.Defs), args)
	return newInstance(exports), err
}

// noArgs are the arguments of a component that gets none. They are not changed.
var noArgs = map[string]value{}

// passed returns the value of an index in a form that other scopes understand.
func (s *scope) passed(sort Sort, index uint32) (value, error) {
	if sort != Type {
		return s.at(sort, index)
	}
	t, err := s.typeAt(index)
	return value{Type, t}, err
}

func newInstance(exports []named) *instance {
	i := &instance{exports: exports}
	if len(exports) > 0 {
		i.byName = make(map[string]int, len(exports))
	}
	for at, e := range exports {
		i.byName[e.name] = at
	}
	return i
}
