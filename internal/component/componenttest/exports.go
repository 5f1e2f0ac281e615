package componenttest

import (
	"strings"

	"github.com/airhost/airhost/internal/abi"
)

// exported are the interfaces that a component may export.
var exported = []string{"airhost:core/component-management@0.1.0", "airhost:state/component-state@0.1.0", lifecycle}

const lifecycle = "airhost:core/component-lifecycle@0.1.0"

// export lifts main's functions and exports them by interface.
func (w *wrapper) export() {
	for _, of := range exported {
		names := w.exportsOf(of)
		if len(names) == 0 {
			continue
		}
		var exports [][]byte
		first := w.nFuncs
		for _, name := range names {
			f := w.lift(name)
			exports = append(exports, join(0, strings.TrimPrefix(name, of+"#"), 1, f))
		}
		if of == lifecycle {
			w.nested(names, first)
		} else {
			w.section(5, join(1, exports))
		}
		w.section(11, join(0, of, 5, w.nInstances, 0))
		w.nInstances += 2 // the instance, and the export of it
	}
}

// lift lifts a function of main, and returns its index.
func (w *wrapper) lift(name string) uint32 {
	s := &typeScope{names: w.typeNames, next: w.nTypes}
	t := s.function(functions[name])
	w.section(7, s.defs...)
	w.nTypes = s.next
	options := [][]byte{{0}}
	if name != abi.Health && name != abi.Shutdown {
		options = append(options, join(3, w.memory), join(4, w.realloc))
	}
	f := w.coreAlias(0, w.instances["main"], name)
	if post := "cabi_post_" + name; w.exports(post) {
		options = append(options, join(5, w.coreAlias(0, w.instances["main"], post)))
	}
	w.section(8, join(0, 0, f, options, t))
	w.nFuncs++
	return w.nFuncs - 1
}

// nested writes a component that imports functions and types, and exports them again, and
// an instance of it. first is the index of the first function.
func (w *wrapper) nested(names []string, first uint32) {
	inner := &wrapper{out: []byte("\x00asm\x0d\x00\x01\x00")}
	used := named[:3]
	s := &typeScope{names: make(map[string]uint32)}
	var args [][]byte
	for _, t := range used {
		inner.types7(s, func() uint32 { return s.whole(t.spec) })
		inner.section(10, join(0, "import-type-"+t.name, 3, 0, s.next-1))
		s.names[t.name] = s.next
		s.next++
		args = append(args, join("import-type-"+t.name, 3, w.typeNames[t.name]))
	}
	for i, name := range names {
		short := strings.TrimPrefix(name, lifecycle+"#")
		f := inner.types7(s, func() uint32 { return s.function(functions[name]) })
		inner.section(10, join(0, "import-func-"+short, 1, f))
		args = append(args, join("import-func-"+short, 1, first+uint32(i)))
	}
	for _, t := range used {
		inner.section(11, join(0, t.name, 3, s.names[t.name], 0))
		s.names[t.name] = s.next
		s.next++
	}
	for i, name := range names {
		f := inner.types7(s, func() uint32 { return s.function(functions[name]) })
		inner.section(11, join(0, strings.TrimPrefix(name, lifecycle+"#"), 1, uint32(i), 1, 1, f))
	}
	w.raw(4, inner.out)
	w.section(5, join(0, uint32(0), args))
}

// types7 writes the types that define defines as a section.
func (w *wrapper) types7(s *typeScope, define func() uint32) uint32 {
	s.defs = nil
	i := define()
	w.section(7, s.defs...)
	return i
}
