package component

import (
	"errors"
	"fmt"

	"github.com/airhost/airhost/internal/wasm"
)

// atDef adds the place of a definition to an error without one.
func atDef(d *Def, err error) error {
	var invalid *InvalidError
	var unsupported *UnsupportedError
	var limit *LimitError
	if errors.As(err, &invalid) || errors.As(err, &unsupported) || errors.As(err, &limit) {
		return err
	}
	return &InvalidError{int(d.At), sectionOf(d.Node), err.Error()}
}

// sectionOf returns the section in which a definition is.
func sectionOf(n Node) string {
	switch n.(type) {
	case *Module:
		return sectionNames[secModule]
	case *CoreInstance:
		return sectionNames[secCoreInstance]
	case *CoreFuncType, *ModuleType:
		return sectionNames[secCoreType]
	case *Component:
		return sectionNames[secComponent]
	case *Instance:
		return sectionNames[secInstance]
	case *Alias:
		return sectionNames[secAlias]
	case *Canon:
		return sectionNames[secCanon]
	case *Start:
		return sectionNames[secStart]
	case *Import:
		return sectionNames[secImport]
	case *Export:
		return sectionNames[secExport]
	}
	return sectionNames[secType]
}

// coreInstance makes a core instance and returns its index.
func (l *linker) coreInstance(n *CoreInstance, s *scope) (any, error) {
	if len(l.instances) == maxInstances {
		return 0, &LimitError{"core instances", maxInstances + 1, maxInstances}
	}
	c, err := l.moduleInstance(n, s)
	if n.Inline {
		c, err = l.listInstance(n, s)
	}
	l.instances = append(l.instances, c)
	return len(l.instances) - 1, err
}

// listInstance makes a core instance that is a list of exports.
func (l *linker) listInstance(n *CoreInstance, s *scope) (c coreInstance, err error) {
	if err := l.take(len(n.Exports)); err != nil {
		return c, err
	}
	c.exports = make(map[string]*coreItem, len(n.Exports))
	for _, e := range n.Exports {
		if e.Sort > CoreTag {
			return c, fmt.Errorf("a core instance exports a %s", e.Sort)
		}
		if c.exports[e.Name], err = get[*coreItem](s, e.Sort, e.Index); err != nil {
			return c, err
		}
	}
	return c, nil
}

// moduleInstance makes a core instance of a module.
func (l *linker) moduleInstance(n *CoreInstance, s *scope) (c coreInstance, err error) {
	if n.Inline {
		return c, nil
	}
	if c.module, err = get[*Module](s, CoreModule, n.Module); err != nil {
		return c, err
	}
	if c.parsed, err = l.parse(c.module); err != nil {
		return c, err
	}
	if err := l.take(len(c.parsed.Exports) + len(n.Args)); err != nil {
		return c, err
	}
	for _, a := range n.Args {
		i, err := get[int](s, CoreInst, a.Instance)
		if err != nil {
			return c, err
		}
		c.args = append(c.args, CoreArg{a.Name, uint32(i)})
	}
	return c, l.exportsOf(&c)
}

// exportsOf sets the exports of a core instance. An export of something that its module
// imports is that which the instance gets for it.
func (l *linker) exportsOf(c *coreInstance) error {
	imported, err := l.argsFit(c)
	if err != nil {
		return err
	}
	c.exports = make(map[string]*coreItem, len(c.parsed.Exports))
	for _, e := range c.parsed.Exports {
		if from := imported[e.Kind]; uint64(e.Index) < uint64(len(from)) {
			c.exports[e.Name] = from[e.Index]
			continue
		}
		c.exports[e.Name] = &coreItem{sort: Sort(e.Kind), instance: len(l.instances), name: e.Name}
	}
	return nil
}

// argsFit checks that the arguments of a core instance have all imports of its module. It
// returns these, by kind.
func (l *linker) argsFit(c *coreInstance) (imported [wasm.KindTag + 1][]*coreItem, err error) {
	if err := l.step(len(c.parsed.Imports) * (1 + len(c.args))); err != nil {
		return imported, err
	}
	for i := range c.parsed.Imports {
		imp := &c.parsed.Imports[i]
		item, err := l.argument(c, imp.Module, imp.Name)
		if err != nil {
			return imported, err
		}
		if item.sort != Sort(imp.Kind) {
			return imported, fmt.Errorf("import %.100q %.100q of a core module is a %s, and gets a %s", imp.Module, imp.Name, imp.Kind, item.sort)
		}
		imported[imp.Kind] = append(imported[imp.Kind], item)
	}
	return imported, nil
}

// argument returns the item for an import of a core instance.
func (l *linked) argument(c *coreInstance, module, name string) (*coreItem, error) {
	for _, a := range c.args {
		if a.Name != module {
			continue
		}
		if item, ok := l.instances[a.Instance].exports[name]; ok {
			return item, nil
		}
		return nil, fmt.Errorf("import %.100q %.100q of a core module is not an export of the instance that it gets", module, name)
	}
	return nil, fmt.Errorf("import %.100q %.100q of a core module has no argument", module, name)
}

// parse reads a core module once.
func (l *linker) parse(m *Module) (*wasm.Module, error) {
	if p := l.parsed[m]; p != nil {
		return p, nil
	}
	p, err := wasm.Parse(m.Data)
	l.parsed[m] = p
	return p, err
}

func (l *linker) alias(n *Alias, s *scope) (any, error) {
	switch n.Target {
	case TargetOuter:
		for range n.Of {
			if s = s.outer; s == nil {
				return nil, fmt.Errorf("an alias goes %d scopes out, and there are fewer", n.Of)
			}
		}
		v, err := s.passed(n.Sort, n.Index)
		return v.is, err
	case TargetCoreExport:
		i, err := get[int](s, CoreInst, n.Of)
		if err != nil {
			return nil, err
		}
		item := l.instances[i].exports[n.Name]
		if item == nil || item.sort != n.Sort {
			return nil, fmt.Errorf("core instance %d has no export %.100q that is a %s", n.Of, n.Name, n.Sort)
		}
		return item, nil
	}
	i, err := get[*instance](s, Inst, n.Of)
	if err != nil {
		return nil, err
	}
	if i.typ != nil {
		return l.hostExport(i, n)
	}
	at, ok := i.byName[n.Name]
	if !ok || i.exports[at].sort != n.Sort {
		return nil, fmt.Errorf("instance %d has no export %.100q that is a %s", n.Of, n.Name, n.Sort)
	}
	return i.exports[at].is, nil
}

// hostExport returns an export of an instance of the host.
func (l *linker) hostExport(i *instance, n *Alias) (any, error) {
	switch n.Sort {
	case Func:
		return &function{of: i.of, name: n.Name}, nil
	case Type:
		r, err := l.hostType(i, n.Name)
		return &typeValue{resource: r}, err
	}
	return nil, &UnsupportedError{fmt.Sprintf("imports of an instance with a %s", n.Sort), "link it into the component"}
}

// hostType returns the resource that is a type of an instance of the host. A type that is
// equal to one of another instance is that of the other one.
func (l *linker) hostType(i *instance, name string) (*resource, error) {
	t, ok := i.typ.node.(*InstanceType)
	if !ok {
		return nil, fmt.Errorf("the import %.100q is of a type that is not that of an instance", i.of)
	}
	if err := l.step(len(t.Decls)); err != nil {
		return nil, err
	}
	var types []*resource // of the declarations
	for _, d := range t.Decls {
		if s, ok := d.Node.sort(); !ok || s != Type {
			continue
		}
		var r *resource
		switch n := d.Node.(type) {
		case *Alias:
			r = outerResource(n, i.typ.scope)
		case *Export:
			if n.Type.Bound == BoundSub {
				r = &resource{i.of, n.Name.Name}
			} else if uint64(n.Type.Index) < uint64(len(types)) {
				r = types[n.Type.Index]
			}
			if n.Name.Name == name {
				return r, nil
			}
		}
		types = append(types, r)
	}
	return nil, fmt.Errorf("the import %.100q has no type %.100q", i.of, name)
}

// outerResource returns the resource that an alias in the type of an instance is of, or
// nil. s is the scope around the type.
func outerResource(a *Alias, s *scope) *resource {
	if a.Target != TargetOuter || a.Of == 0 {
		return nil
	}
	for range a.Of - 1 {
		if s = s.outer; s == nil {
			return nil
		}
	}
	t, err := s.typeAt(a.Index)
	if err != nil {
		return nil
	}
	return t.resource
}

// plainItems are the built-in functions that have neither options nor a resource. They
// are shared, since there may be one for each byte of the input.
var plainItems = func() map[CanonOp]*coreItem {
	m := make(map[CanonOp]*coreItem)
	for op := range canonOps {
		m[op] = &coreItem{sort: CoreFunc, canon: &canonical{op: op}}
	}
	return m
}()

// canon evaluates a canonical definition.
func (l *linker) canon(n *Canon, s *scope) (any, error) {
	o, err := l.options(n, s)
	if err != nil {
		return nil, err
	}
	switch n.Op {
	case Lift:
		f, err := get[*coreItem](s, CoreFunc, n.Index)
		return &function{lifted: f, options: o}, err
	case Lower:
		f, err := get[*function](s, Func, n.Index)
		return &coreItem{sort: CoreFunc, canon: &canonical{op: n.Op, fn: f, options: o}}, err
	case ResourceNew, ResourceDrop, ResourceRep:
		t, err := s.typeAt(n.Index)
		if err != nil {
			return nil, err
		}
		if t.resource == nil {
			return nil, fmt.Errorf("type %d is not a resource", n.Index)
		}
		return &coreItem{sort: CoreFunc, canon: &canonical{op: n.Op, resource: t.resource}}, nil
	}
	return plainItems[n.Op], nil
}

func (l *linker) options(n *Canon, s *scope) (o options, err error) {
	for _, opt := range n.Options {
		switch opt.Kind {
		case OptMemory:
			o.memory, err = get[*coreItem](s, CoreMemory, opt.Index)
		case OptRealloc:
			o.realloc, err = get[*coreItem](s, CoreFunc, opt.Index)
		case OptPostReturn:
			o.post, err = get[*coreItem](s, CoreFunc, opt.Index)
		case OptCallback:
			_, err = s.at(CoreFunc, opt.Index)
		case OptAsync:
			o.async = true
		default:
			o.encoding = opt.Kind
		}
		if err != nil {
			return o, err
		}
	}
	return o, l.step(len(n.Options))
}
