package component

import (
	"errors"
	"fmt"
	"maps"
)

// binding says which resource an abstract one is in a comparison.
type binding map[*identity]*identity

// of returns the resource that id is.
func (b binding) of(id *identity) *identity {
	if bound := b[id]; bound != nil {
		return bound
	}
	return id
}

// sub checks that got may be used where want is declared. It binds the abstract resources
// of want that open has, and that are not bound yet.
func (v *validator) sub(b binding, open map[*identity]bool, got, want *external) error {
	if err := v.step(); err != nil {
		return err
	}
	if got.sort != want.sort {
		return fmt.Errorf("expected a %s, got a %s", want.sort, got.sort)
	}
	switch w := want.is.(type) {
	case *moduleType:
		return v.subModule(got.is.(*moduleType), w)
	case *funcType:
		if g, ok := got.is.(*funcType); ok {
			return v.sameFunc(b, g, w)
		}
	case *instanceType:
		if g, ok := got.is.(*instanceType); ok {
			return v.subInstance(b, open, g, w, want.sort == Type)
		}
	case *componentType:
		if g, ok := got.is.(*componentType); ok {
			return v.subComponent(b, g, w)
		}
	case *resourceType:
		g, ok := got.is.(*resourceType)
		switch {
		case !ok:
			return errors.New("expected a resource, got another type")
		case want.abstract && open[w.id] && b[w.id] == nil:
			b[w.id] = g.id
		case b.of(w.id) != g.id:
			return errors.New("expected another resource")
		}
		return nil
	case *valueType:
		if g, ok := got.is.(*valueType); ok {
			return v.same(b, g, w)
		}
	}
	return errors.New("expected another sort of type")
}

// subInstance checks that an instance has all exports of a type, and no others if they
// must be equal.
func (v *validator) subInstance(b binding, open map[*identity]bool, got, want *instanceType, equal bool) error {
	if len(want.fresh) > 0 {
		v.steps += len(open)
		wider := maps.Clone(open)
		for _, id := range want.fresh {
			put(&wider, id, true)
		}
		open = wider
	}
	if equal && len(got.exports) != len(want.exports) {
		return errors.New("expected the type of an instance with other exports")
	}
	for i := range want.exports {
		w := &want.exports[i]
		at, ok := got.byName[w.name]
		if !ok {
			return fmt.Errorf("the export %.100q is missing", w.name)
		}
		if err := v.sub(b, open, &got.exports[at], w); err != nil {
			return fmt.Errorf("export %.100q: %w", w.name, err)
		}
	}
	return nil
}

// subComponent checks that a component may be used where another type is declared: it may
// import less and export more.
func (v *validator) subComponent(outer binding, got, want *componentType) error {
	copied := len(outer) + len(got.imports) + len(got.imported) + len(got.exports) + len(want.imports) + len(want.exports) + len(want.defined)
	if err := v.stepped(copied); err != nil {
		return err
	}
	b := maps.Clone(outer)
	if b == nil {
		b = make(binding)
	}
	given := newInstanceType(want.imports, nil)
	open := make(map[*identity]bool)
	for _, id := range got.imported {
		open[id] = true
	}
	for i := range got.imports {
		g := &got.imports[i]
		at, ok := given.byName[g.name]
		if !ok {
			return fmt.Errorf("the import %.100q is not expected", g.name)
		}
		if err := v.sub(b, open, &given.exports[at], g); err != nil {
			return fmt.Errorf("import %.100q: %w", g.name, err)
		}
	}
	s := &substitution{v: v, to: b, done: make(map[any]any)}
	exports, err := s.list(got.exports)
	if err != nil {
		return err
	}
	open = make(map[*identity]bool)
	for _, id := range want.defined {
		open[id] = true
	}
	return v.subInstance(make(binding), open, newInstanceType(exports, nil), newInstanceType(want.exports, nil), false)
}

func (v *validator) subModule(got, want *moduleType) error {
	for key, g := range got.imports {
		w := want.imports[key]
		if w == nil {
			return fmt.Errorf("the core module imports %.100q %.100q, which is not expected", key[0], key[1])
		}
		if err := v.fits(w, g); err != nil {
			return fmt.Errorf("import %.100q %.100q of the core module: %w", key[0], key[1], err)
		}
	}
	for name, w := range want.exports {
		g := got.exports[name]
		if g == nil {
			return fmt.Errorf("the core module does not export %.100q", name)
		}
		if err := v.fits(g, w); err != nil {
			return fmt.Errorf("export %.100q of the core module: %w", name, err)
		}
	}
	return nil
}

func (v *validator) sameFunc(b binding, got, want *funcType) error {
	switch {
	case got.async != want.async:
		return errors.New("one function is async and the other is not")
	case len(got.params) != len(want.params):
		return fmt.Errorf("expected %d parameters, got %d", len(want.params), len(got.params))
	}
	if err := v.sameFields(b, got.params, want.params); err != nil {
		return err
	}
	return v.same(b, got.result, want.result)
}

func (v *validator) sameFields(b binding, got, want []fieldType) error {
	if len(got) != len(want) {
		return fmt.Errorf("expected %d entries, got %d", len(want), len(got))
	}
	for i := range got {
		if got[i].name != want[i].name {
			return fmt.Errorf("expected %.100q, got %.100q", want[i].name, got[i].name)
		}
		if err := v.same(b, got[i].typ, want[i].typ); err != nil {
			return fmt.Errorf("%.100q: %w", got[i].name, err)
		}
	}
	return nil
}

// same checks that two types of values are equal. Either may be nil for none.
func (v *validator) same(b binding, got, want *valueType) error {
	if err := v.step(); err != nil {
		return err
	}
	if got == want && (got == nil || len(b) == 0) {
		return nil
	}
	if got == nil || want == nil || got.prim != want.prim || got.kind != want.kind || got.length != want.length || got.fixed != want.fixed {
		return fmt.Errorf("expected %s, got %s", want, got)
	}
	if got.resource != nil && b.of(want.resource.id) != got.resource.id {
		return errors.New("expected another resource")
	}
	if err := v.sameFields(b, got.fields, want.fields); err != nil {
		return err
	}
	if err := v.same(b, got.elem, want.elem); err != nil {
		return err
	}
	return v.same(b, got.second, want.second)
}

// substitution replaces resources in types. Types without them stay as they are. done has
// the types that were replaced so far, and types that are replaced as a whole.
type substitution struct {
	v    *validator
	to   binding
	done map[any]any
}

// given replaces the types that a component imports by those that it is given.
func (s *substitution) given(want, got *external) error {
	if err := s.v.step(); err != nil {
		return err
	}
	switch w := want.is.(type) {
	case *valueType, *resourceType:
		s.done[w] = got.is
	case *instanceType:
		g, ok := got.is.(*instanceType)
		if !ok || want.sort != Inst {
			return nil
		}
		for i := range w.exports {
			if at, ok := g.byName[w.exports[i].name]; ok {
				if err := s.given(&w.exports[i], &g.exports[at]); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// list replaces in imports or exports.
func (s *substitution) list(list []external) ([]external, error) {
	out := list
	if len(s.to)+len(s.done) == 0 {
		return out, nil
	}
	if err := s.v.stepped(len(list)); err != nil {
		return nil, err
	}
	for i := range list {
		is, err := s.in(list[i].is)
		if err != nil {
			return nil, err
		}
		if is == list[i].is {
			continue
		}
		if sameSlice(out, list) {
			if err := s.v.node(len(list)); err != nil {
				return nil, err
			}
			out = append([]external(nil), list...)
		}
		out[i].is = is
	}
	return out, nil
}

// in replaces in a type.
func (s *substitution) in(is any) (any, error) {
	if len(s.to)+len(s.done) == 0 || is == nil {
		return is, nil
	}
	if done, ok := s.done[is]; ok {
		return done, nil
	}
	if err := s.v.step(); err != nil {
		return nil, err
	}
	out, err := s.fresh(is)
	if err == nil && out != is {
		err = s.v.node(1)
	}
	s.done[is] = out
	return out, err
}

func (s *substitution) fresh(is any) (any, error) {
	switch t := is.(type) {
	case *resourceType:
		if s.to[t.id] != nil {
			return &resourceType{s.to[t.id]}, nil
		}
	case *valueType:
		return s.value(t)
	case *funcType:
		params, err := s.fields(t.params)
		if err != nil {
			return nil, err
		}
		result, err := s.optional(t.result)
		if err != nil || result == t.result && sameSlice(params, t.params) {
			return is, err
		}
		return &funcType{t.async, params, result}, nil
	case *instanceType:
		exports, err := s.list(t.exports)
		if err != nil || sameSlice(exports, t.exports) {
			return is, err
		}
		return newInstanceType(exports, t.fresh), nil
	case *componentType:
		imports, err := s.list(t.imports)
		if err != nil {
			return nil, err
		}
		exports, err := s.list(t.exports)
		if err != nil || sameSlice(exports, t.exports) && sameSlice(imports, t.imports) {
			return is, err
		}
		return &componentType{imports: imports, exports: exports, imported: t.imported, defined: t.defined, depth: t.depth}, nil
	}
	return is, nil
}

func sameSlice[T any](a, b []T) bool { return len(a) == 0 || &a[0] == &b[0] }

func (s *substitution) value(t *valueType) (any, error) {
	out := *t
	var err error
	if out.fields, err = s.fields(t.fields); err != nil {
		return nil, err
	}
	if out.elem, err = s.optional(t.elem); err != nil {
		return nil, err
	}
	if out.second, err = s.optional(t.second); err != nil {
		return nil, err
	}
	if t.resource != nil {
		r, err := s.in(t.resource)
		if err != nil {
			return nil, err
		}
		out.resource = r.(*resourceType)
	}
	if sameSlice(out.fields, t.fields) && out.elem == t.elem && out.second == t.second && out.resource == t.resource {
		return t, nil
	}
	return &out, nil
}

func (s *substitution) optional(t *valueType) (*valueType, error) {
	if t == nil {
		return nil, nil
	}
	out, err := s.in(t)
	if err != nil {
		return nil, err
	}
	return out.(*valueType), nil
}

func (s *substitution) fields(fields []fieldType) ([]fieldType, error) {
	out := fields
	if err := s.v.stepped(len(fields)); err != nil {
		return nil, err
	}
	for i := range fields {
		t, err := s.optional(fields[i].typ)
		if err != nil {
			return nil, err
		}
		if t == fields[i].typ {
			continue
		}
		if sameSlice(out, fields) {
			if err := s.v.node(len(fields)); err != nil {
				return nil, err
			}
			out = append([]fieldType(nil), fields...)
		}
		out[i].typ = t
	}
	return out, nil
}
