package component

import (
	"fmt"
	"strings"

	"github.com/airhost/airhost/internal/abi"
	"github.com/airhost/airhost/internal/wasm"
)

// ShapeError says that a component is not one core module with the parts that
// wit-component puts around it. Package fuse makes one core module of several.
type ShapeError struct {
	Why string // such as "it has 3 core modules of its own"
}

// Error gives the reason.
func (e *ShapeError) Error() string {
	return "the component is not one core module with what wit-component puts around it: " + e.Why
}

func otherShape(format string, args ...any) error {
	return &ShapeError{cut(fmt.Sprintf(format, args...), maxMessage)}
}

// root is the module from which a core module imports functions that a component imports
// by themselves, and not as part of an interface.
const root = "$root"

// unbundler renames the imports and exports of the main module.
type unbundler struct {
	*bundle
	main    int
	m       *wasm.Module // of main; it shares memory with the parsed one
	realloc *coreItem
	exports []wasm.Export
	index   map[string]uint32 // of the main module's exported functions

	sequences []wasm.Sequence // of functions and their post-returns
	joined    []int           // the exports that are these sequences
}

// unbundle returns the main module of a component, with imports and exports by the names
// of the component's own.
func (b *bundle) unbundle() (*wasm.Module, error) {
	others := b.others()
	if len(others) != 1 {
		return nil, otherShape("it has %d core modules of its own that are linked with each other", len(others))
	}
	u := &unbundler{bundle: b, main: others[0], index: make(map[string]uint32)}
	main := *b.instances[u.main].parsed
	u.m = &main
	for _, e := range main.Exports {
		if e.Kind == wasm.KindFunc {
			u.index[e.Name] = e.Index
		}
	}
	if err := u.imports(); err != nil {
		return nil, err
	}
	if err := u.lifts(); err != nil {
		return nil, err
	}
	if err := u.start(); err != nil {
		return nil, err
	}
	if u.realloc != nil {
		u.export(abi.Realloc, wasm.KindFunc, u.index[u.realloc.name])
	}
	for _, e := range main.Exports {
		if e.Kind == wasm.KindMemory {
			u.export(abi.Memory, wasm.KindMemory, e.Index)
			break
		}
	}
	u.m.Exports = u.exports
	return u.m, nil
}

func (u *unbundler) export(name string, kind wasm.Kind, index uint32) {
	u.exports = append(u.exports, wasm.Export{Name: name, Kind: kind, Index: index})
}

// imports renames the main module's imports.
func (u *unbundler) imports() error {
	main := &u.instances[u.main]
	u.m.Imports = append([]wasm.Import(nil), u.m.Imports...)
	for i := range u.m.Imports {
		imp := &u.m.Imports[i]
		if imp.Kind != wasm.KindFunc {
			return otherShape("its core module imports a %s", imp.Kind)
		}
		item, err := u.argument(main, imp.Module, imp.Name)
		if err != nil {
			return err
		}
		module, name, err := u.host(u.resolve(item), imp)
		if err != nil {
			return err
		}
		imp.Module, imp.Name = module, name
	}
	return nil
}

// host returns the names of the host's function that an import gets.
func (u *unbundler) host(item *coreItem, imp *wasm.Import) (module, name string, err error) {
	if item.canon == nil {
		if imp.Module == abi.WASI && u.roles[item.instance] == roleAdapter {
			return abi.WASI, item.name, nil
		}
		return "", "", otherShape("its core module imports %.100q %.100q of another core module", imp.Module, imp.Name)
	}
	module, name, ok := hostNames(item.canon)
	if !ok {
		return "", "", otherShape("its core module imports %s", item.canon.text())
	}
	return module, name, u.ours(name, &item.canon.options)
}

// hostNames returns the names by which core modules import a canonical definition. ok is
// false if the host has no such function.
func hostNames(c *canonical) (module, name string, ok bool) {
	switch {
	case c.op == Lower && c.fn.lifted == nil && !c.options.async:
		module, name, ok = patched(c.fn.of), c.fn.name, true
	case c.op == ResourceDrop && c.resource.name != "":
		module, name, ok = c.resource.of, "[resource-drop]"+c.resource.name, true
	}
	if module == "" {
		module = root
	}
	return module, name, ok
}

// text names a canonical definition for people.
func (c *canonical) text() string {
	switch {
	case c.op == Lower && c.fn.lifted != nil:
		return "a function of a part of the component"
	case c.op == Lower:
		return fmt.Sprintf("%s %s as an async function", c.fn.of, c.fn.name)
	}
	return c.op.String()
}

// ours checks that the options of a function are those of the host: UTF-8, in the main
// module's memory, with one function that allocates.
func (u *unbundler) ours(name string, o *options) error {
	switch {
	case o.encoding != OptUTF8:
		return &UnsupportedError{fmt.Sprintf("strings in %s (by %s)", o.encoding, name), "build with strings in UTF-8"}
	case o.async:
		return &UnsupportedError{fmt.Sprintf("async functions (%s)", name), "build with functions that return when they are done"}
	case o.memory != nil && !u.isMain(o.memory):
		return otherShape("%s uses the memory of another core module", name)
	case o.realloc == nil:
		return nil
	case !u.isMain(u.resolve(o.realloc)):
		return otherShape("%s allocates by a function of another core module", name)
	case u.realloc != nil && u.index[u.realloc.name] != u.index[u.resolve(o.realloc).name]:
		return otherShape("it has two functions that allocate")
	}
	u.realloc = u.resolve(o.realloc)
	return nil
}

func (u *unbundler) isMain(item *coreItem) bool { return item.canon == nil && item.instance == u.main }

// lifts exports the functions that the component exports.
func (u *unbundler) lifts() error {
	all, err := u.lifted()
	if err != nil {
		return err
	}
	for _, l := range all {
		if err := u.lift(l.name, l.fn); err != nil {
			return err
		}
	}
	from, err := u.m.AddSequences(u.sequences)
	for i, at := range u.joined {
		u.exports[at].Index = from + uint32(i)
	}
	return err
}

// lifted is a function that a component exports, by interface#function.
type lifted struct {
	name string
	fn   *function
}

// Bounds of the functions that a component exports, which are those of a core module. One
// instance may be exported by many names.
const (
	maxLifted      = 100_000
	maxLiftedNames = 8 << 20 // bytes
)

// lifted returns the functions that the component exports, but not those of the host.
func (l *linked) lifted() (all []lifted, err error) {
	names := 0
	add := func(prefix, name string, v value) {
		fn, ok := v.is.(*function)
		if !ok || fn.lifted == nil || err != nil {
			return
		}
		switch names += len(prefix) + len(name); {
		case len(all) == maxLifted:
			err = &LimitError{"functions that it exports", maxLifted + 1, maxLifted}
		case names > maxLiftedNames:
			err = &LimitError{"bytes of names of functions that it exports", names, maxLiftedNames}
		default:
			all = append(all, lifted{prefix + name, fn})
		}
	}
	for _, e := range l.exports {
		add("", e.name, e.value)
		if i, ok := e.is.(*instance); ok {
			for _, f := range i.exports {
				add(patched(e.name)+"#", f.name, f.value)
			}
		}
	}
	return all, err
}

// patched adds the patch version to the name of an interface of the contract that has
// none, which the component model allows and the contract for core modules does not.
func patched(name string) string {
	if strings.HasPrefix(name, "airhost:") && strings.HasSuffix(name, "@0.1") {
		return name + ".0"
	}
	return name
}

// lift exports a function and its post-return.
func (u *unbundler) lift(name string, fn *function) error {
	item := u.resolve(fn.lifted)
	if !u.isMain(item) {
		if u.roles[item.instance] == roleAdapter && item.canon == nil && !strings.HasPrefix(name, "airhost:") {
			return nil // a command has it for a host that runs it
		}
		return otherShape("the export %s is not a function of its core module", name)
	}
	if err := u.ours(name, &fn.options); err != nil {
		return err
	}
	f := u.index[item.name]
	if fn.options.post == nil {
		u.export(name, wasm.KindFunc, f)
		return nil
	}
	post := u.resolve(fn.options.post)
	if !u.isMain(post) {
		return otherShape("the post-return of %s is not a function of its core module", name)
	}
	if fn.options.memory != nil {
		u.export(name, wasm.KindFunc, f)
		u.export(postPrefix+name, wasm.KindFunc, u.index[post.name])
		return nil
	}
	u.sequences, u.joined = append(u.sequences, wasm.Sequence{First: f, Then: u.index[post.name]}), append(u.joined, len(u.exports))
	u.export(name, wasm.KindFunc, f)
	return nil
}

// start exports the function that the component calls in the end.
func (u *unbundler) start() error {
	for i, item := range u.starts {
		item = u.resolve(item)
		switch {
		case !u.isMain(item):
			return otherShape("it starts a function of another core module")
		case i > 0:
			return otherShape("it starts %d functions", len(u.starts))
		}
		u.export(abi.Start, wasm.KindFunc, u.index[item.name])
	}
	return nil
}
