package component

import (
	"errors"
	"fmt"
)

// externType resolves the type of an import or export.
func (v *validator) externType(e *env, t *ExternType) (x external, err error) {
	x.sort = t.Sort
	switch t.Sort {
	case CoreModule:
		x.is, err = either[*moduleType](e, CoreType, t.Index)
	case Func:
		x.is, err = either[*funcType](e, Type, t.Index)
	case Comp:
		x.is, err = either[*componentType](e, Type, t.Index)
	case Inst:
		x.is, err = either[*instanceType](e, Type, t.Index)
	case Value:
		return x, &UnsupportedError{"values", "build without the proposal of values"}
	case Type:
		if t.Bound == BoundSub {
			x.is, x.abstract = &resourceType{&identity{}}, true
			return x, nil
		}
		x.is, err = lookup[any](e, Type, t.Index)
		x.is = renewed(x.is)
	}
	return x, err
}

// either is lookup without a Go type of its result.
func either[T any](e *env, s Sort, index uint32) (any, error) {
	is, err := lookup[T](e, s, index)
	return is, err
}

// renewed returns a type that is equal to t and another pointer: imports and exports may
// name it where they may not name t.
func renewed(t any) any {
	switch t := t.(type) {
	case *valueType:
		again := *t
		return &again
	case *resourceType:
		return &resourceType{t.id}
	}
	return t
}

// rename sets the name of an import or export. A type, which is not shared yet, is known
// by it from now on.
func (x *external) rename(name string) {
	x.name = name
	switch t := x.is.(type) {
	case *valueType:
		if x.sort == Type {
			t.name = name
		}
	case *resourceType:
		if t.id.name == "" {
			t.id.name = name
		}
	}
}

// freshen gives an instance that a component imports or declares resources of its own.
func (v *validator) freshen(x *external) ([]*identity, error) {
	t, ok := x.is.(*instanceType)
	if x.sort != Inst || !ok || len(t.fresh) == 0 {
		return nil, nil
	}
	if err := v.node(len(t.fresh)); err != nil {
		return nil, err
	}
	s := &substitution{v: v, to: make(binding), done: make(map[any]any)}
	ids := make([]*identity, len(t.fresh))
	for i, id := range t.fresh {
		ids[i] = &identity{id.name}
		s.to[id] = ids[i]
	}
	exports, err := s.list(t.exports)
	x.is = newInstanceType(exports, nil)
	return ids, err
}

func (v *validator) importDef(e *env, n *Import) (any, error) {
	x, err := v.externType(e, &n.Type)
	if err != nil {
		return nil, err
	}
	ids, err := v.freshen(&x)
	if err != nil {
		return nil, err
	}
	if r, ok := x.is.(*resourceType); ok && x.abstract {
		ids = append(ids, r.id)
	}
	e.imported = append(e.imported, ids...)
	x.rename(n.Name.Name)
	if err := v.extern(e, importing, &n.Name, &x); err != nil {
		return nil, err
	}
	e.imports = append(e.imports, x)
	return x.is, nil
}

func (v *validator) export(e *env, n *Export) (any, error) {
	var x external
	var err error
	if !n.Declared {
		if x, err = v.exported(e, n); err != nil {
			return nil, err
		}
	}
	if n.Type != nil {
		want, err := v.externType(e, n.Type)
		if err != nil {
			return nil, err
		}
		if x.is != nil {
			if err := v.ascribe(&x, &want); err != nil {
				return nil, fmt.Errorf("export %.100q: the type does not fit: %w", n.Name.Name, err)
			}
		}
		x = want
	}
	ids, err := v.freshen(&x)
	if err != nil {
		return nil, err
	}
	if r, ok := x.is.(*resourceType); ok && x.abstract {
		ids = append(ids, r.id)
	}
	e.defined = append(e.defined, ids...)
	if err := v.explain(e, &x); err != nil {
		return nil, err
	}
	x.rename(n.Name.Name)
	if err := v.extern(e, exporting, &n.Name, &x); err != nil {
		return nil, err
	}
	e.exports = append(e.exports, x)
	return x.is, nil
}

// exported returns the definition that an export names.
func (v *validator) exported(e *env, n *Export) (x external, err error) {
	x.sort = n.Sort
	switch n.Sort {
	case CoreModule, Func, Comp, Inst:
		x.is, err = lookup[any](e, n.Sort, n.Index)
	case Type:
		x.is, err = lookup[any](e, n.Sort, n.Index)
		x.is = renewed(x.is)
	case Value:
		return x, &UnsupportedError{"values", "build without the proposal of values"}
	default:
		return x, fmt.Errorf("a component can't export a %s", n.Sort)
	}
	return x, err
}

// ascribe checks that an export has the type that it is said to have.
func (v *validator) ascribe(got, want *external) error {
	open := make(map[*identity]bool)
	if r, ok := want.is.(*resourceType); ok && want.abstract {
		open[r.id] = true
	}
	return v.sub(make(binding), open, got, want)
}

// explain notes the resources that an export names.
func (v *validator) explain(e *env, x *external) error {
	if err := v.step(); err != nil {
		return err
	}
	switch t := x.is.(type) {
	case *resourceType:
		if x.sort == Type {
			put(&e.explicit, t.id, true)
		}
	case *instanceType:
		for i := range t.exports {
			if x.sort == Inst && (t.exports[i].sort == Type || t.exports[i].sort == Inst) {
				if err := v.explain(e, &t.exports[i]); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// extern checks the name of an import or export, and that its type uses only types that
// have names.
func (v *validator) extern(e *env, direction int, n *ExternName, x *external) error {
	p, ok := parseName(n.Name)
	if !ok && dependency.MatchString(n.Name) {
		return &UnsupportedError{fmt.Sprintf("imports of other components by name (%.100q)", n.Name), "link them into it, for example by wac compose without --import-dependencies"}
	}
	if !ok {
		return fmt.Errorf("%.100q is not a valid name of an %s", n.Name, directions[direction])
	}
	if err := attributes(n, &p, x); err != nil {
		return err
	}
	if r, ok := x.is.(*resourceType); ok && x.sort == Type && e.kind != ofList {
		put(&e.resources[direction], n.Name, r.id)
	}
	if err := e.annotated(direction, &p, x); err != nil {
		return fmt.Errorf("%.100q: %w", n.Name, err)
	}
	u := unique(n.Name)
	if before, ok := e.names[direction][u]; ok {
		return fmt.Errorf("the name %.100q conflicts with the name %.100q", n.Name, before)
	}
	put(&e.names[direction], u, n.Name)
	if e.kind == ofInstanceType || e.kind == ofList {
		return nil
	}
	named, err := v.register(e, direction, x)
	if err == nil && !named {
		err = fmt.Errorf("%s %.100q uses a type that is not imported or exported itself", directions[direction], n.Name)
	}
	return err
}

// attributes checks the attributes of a name.
func attributes(n *ExternName, p *nameParts, x *external) error {
	var seen [ExternalID + 1]bool
	for _, a := range n.Attributes {
		if seen[a.Kind] {
			return errors.New("a name has two attributes of one kind")
		}
		seen[a.Kind] = true
		switch a.Kind {
		case Implements:
			if in, ok := parseName(a.Value); !ok || !in.iface {
				return fmt.Errorf("%.100q is not the name of an interface", a.Value)
			}
			if p.iface || p.annotation != "" || x.sort != Inst {
				return errors.New("only an instance with a plain name implements an interface")
			}
		case VersionSuffix:
			if !canonOnly.MatchString(p.version) || !semverOnly.MatchString(p.version+a.Value) {
				return fmt.Errorf("the version %.100q with the suffix %.100q is not a valid version", p.version, a.Value)
			}
		}
	}
	return nil
}

// annotated checks a constructor, method or static function.
func (e *env) annotated(direction int, p *nameParts, x *external) error {
	if p.annotation == "" {
		return nil
	}
	f, ok := x.is.(*funcType)
	if x.sort != Func || !ok {
		return fmt.Errorf("a %s is a function", p.annotation)
	}
	id := e.resources[direction][p.resource]
	if id == nil {
		return fmt.Errorf("there is no resource %.100q before it", p.resource)
	}
	is := func(t *valueType, kind Kind) bool { return t != nil && t.kind == kind && t.resource.id == id }
	switch p.annotation {
	case "constructor":
		r := f.result
		if r != nil && r.kind == Result {
			r = r.elem
		}
		if !is(r, Own) {
			return fmt.Errorf("a constructor returns the resource %.100q", p.resource)
		}
	case "method":
		if len(f.params) == 0 || f.params[0].name != "self" || !is(f.params[0].typ, Borrow) {
			return fmt.Errorf("the first parameter of a method is self, a borrow of %.100q", p.resource)
		}
	}
	return nil
}

// register notes the types that an import or export names, and reports whether the types
// that it uses have names.
func (v *validator) register(e *env, direction int, x *external) (bool, error) {
	if err := v.step(); err != nil {
		return false, err
	}
	if t, ok := x.is.(*instanceType); ok && x.sort == Inst {
		for i := range t.exports {
			if ok, err := v.register(e, direction, &t.exports[i]); !ok || err != nil {
				return ok, err
			}
		}
		return true, nil
	}
	if !v.named(e, direction, x.is) {
		return false, nil
	}
	if x.sort == Type {
		put(&e.named[exporting], x.is, true)
		if direction == importing {
			put(&e.named[importing], x.is, true)
		}
	}
	return true, nil
}

// named reports whether the types in a type have names.
func (v *validator) named(e *env, direction int, is any) bool {
	ok := true
	switch t := is.(type) {
	case *funcType:
		return v.namedFunc(e, direction, t)
	case *instanceType:
		for i := range t.exports {
			ok = ok && v.step() == nil && v.named(e, direction, t.exports[i].is)
		}
	case *valueType:
		t.parts(func(p *valueType) { ok = ok && v.hasName(e, direction, p) })
		ok = ok && (t.resource == nil || e.named[direction][t.resource])
	}
	return ok
}

func (v *validator) namedFunc(e *env, direction int, t *funcType) bool {
	for _, p := range t.params {
		if !v.hasName(e, direction, p.typ) {
			return false
		}
	}
	return t.result == nil || v.hasName(e, direction, t.result)
}

// hasName reports whether a type, or each of its parts if it needs no name, is named.
func (v *validator) hasName(e *env, direction int, t *valueType) bool {
	switch {
	case t.prim != Indexed || e.named[direction][t]:
		return true
	case t.resource != nil:
		return e.named[direction][t.resource]
	case t.kind == Record || t.kind == Variant || t.kind == Flags || t.kind == Enum || v.step() != nil:
		return false
	}
	ok := true
	t.parts(func(p *valueType) { ok = ok && v.hasName(e, direction, p) })
	return ok
}

// instance resolves an instance.
func (v *validator) instance(e *env, n *Instance) (any, error) {
	if n.Inline {
		return v.inlineInstance(e, n)
	}
	c, err := lookup[*componentType](e, Comp, n.Component)
	if err != nil {
		return nil, err
	}
	args, err := e.arguments(n)
	if err != nil {
		return nil, err
	}
	b, open := make(binding), make(map[*identity]bool)
	for _, id := range c.imported {
		open[id] = true
	}
	s := &substitution{v: v, to: b, done: make(map[any]any)}
	for i := range c.imports {
		want := &c.imports[i]
		got, ok := args[want.name]
		if !ok {
			return nil, fmt.Errorf("the argument %.100q is missing", want.name)
		}
		if err := v.sub(b, open, &got, want); err != nil {
			return nil, fmt.Errorf("the argument %.100q does not fit: %w", want.name, err)
		}
		if err := s.given(want, &got); err != nil {
			return nil, err
		}
	}
	if err := v.node(len(c.defined)); err != nil {
		return nil, err
	}
	for _, id := range c.defined {
		b[id] = &identity{id.name}
		e.defined = append(e.defined, b[id])
	}
	return s.instanceOf(c)
}

// instanceOf returns the type of an instance of a component. Instances with just the exports
// of the component share one.
func (s *substitution) instanceOf(c *componentType) (any, error) {
	exports, err := s.list(c.exports)
	if err != nil || !sameSlice(exports, c.exports) {
		return newInstanceType(exports, nil), err
	}
	if c.whole == nil {
		c.whole = newInstanceType(exports, nil)
	}
	return c.whole, nil
}

// arguments resolves the arguments of an instance of a component.
func (e *env) arguments(n *Instance) (map[string]external, error) {
	args := make(map[string]external, len(n.Args))
	for _, a := range n.Args {
		if _, ok := args[a.Name]; ok {
			return nil, fmt.Errorf("the argument %.100q is given twice", a.Name)
		}
		if a.Sort < CoreModule || a.Sort == CoreInst || a.Sort == Value {
			return nil, fmt.Errorf("an argument can't be a %s", a.Sort)
		}
		is, err := lookup[any](e, a.Sort, a.Index)
		if err != nil {
			return nil, err
		}
		args[a.Name] = external{sort: a.Sort, is: is}
	}
	return args, nil
}

func (v *validator) inlineInstance(e *env, n *Instance) (any, error) {
	if len(n.Exports) == 0 {
		return newInstanceType(nil, nil), nil
	}
	inner := &env{kind: ofList, outer: e}
	exports := make([]external, 0, len(n.Exports))
	for i := range n.Exports {
		x := &n.Exports[i]
		if x.Sort < CoreModule || x.Sort == CoreInst || x.Sort == Value {
			return nil, fmt.Errorf("an instance can't export a %s", x.Sort)
		}
		is, err := lookup[any](e, x.Sort, x.Index)
		if err != nil {
			return nil, err
		}
		out := external{name: x.Name.Name, sort: x.Sort, is: is}
		if err := v.extern(inner, exporting, &x.Name, &out); err != nil {
			return nil, err
		}
		exports = append(exports, out)
	}
	return newInstanceType(exports, nil), nil
}
