package componenttest

import (
	"fmt"

	"github.com/airhost/airhost/internal/abi"
	"github.com/airhost/airhost/internal/wasm"
)

// Core modules, by the order in which they are written. There is an adapter if main imports
// from WASI.
const (
	mainModule = iota
	shimModule
	fixupModule
	adapterModule
)

// signature returns the core type of an import of main.
func (w *wrapper) signature(i int) wasm.FuncType { return w.main.Types[w.types[i]] }

// modules writes the core modules. The shim has a function for each import of main.
func (w *wrapper) modules(core []byte) {
	w.imported = w.main.Imports
	n := len(w.imported)
	shim := &wasm.Module{Tables: []wasm.Table{{Elem: wasm.FuncRef, Limits: wasm.Limits{Min: uint64(n), Max: uint64(n), HasMax: true}}}}
	adapter := &wasm.Module{Imports: []wasm.Import{{Module: "env", Name: "memory", Kind: wasm.KindMemory, Memory: wasm.Limits{}}}}
	fixup := &wasm.Module{Imports: []wasm.Import{{Module: "shim", Name: "$imports", Kind: wasm.KindTable, Table: shim.Tables[0]}}}
	elements, seen := []byte{0, 0x41, 0, 0x0b}, make(map[string]bool)
	elements = wasm.AppendIndex(elements, uint32(n))
	for i := range n {
		var code []byte
		for p := range w.signature(i).Params {
			code = wasm.AppendIndex(append(code, byte(wasm.OpLocalGet)), uint32(p))
		}
		code = wasm.AppendSigned(append(code, 0x41), int64(i))
		code = wasm.AppendIndex(append(code, byte(wasm.OpCallIndirect)), uint32(i))
		define(shim, fmt.Sprint(i), w.signature(i), append(code, 0, byte(wasm.OpEnd)))
		if name := abi.ImportName(w.imported[i].Name); w.imported[i].Module == abi.WASI && !seen[name] {
			seen[name] = true
			define(adapter, name, w.signature(i), []byte{byte(wasm.OpUnreachable), byte(wasm.OpEnd)})
		}
		fixup.Types = append(fixup.Types, w.signature(i))
		fixup.Imports = append(fixup.Imports, wasm.Import{Module: "actual", Name: fmt.Sprint(i), Kind: wasm.KindFunc, Type: uint32(i)})
		elements = wasm.AppendIndex(elements, uint32(i))
	}
	shim.Export("$imports", wasm.KindTable, 0)
	fixup.Elements = wasm.Segments{Count: 1, Raw: elements}
	if w.exports(abi.Start) {
		fixup.Types = append(fixup.Types, wasm.FuncType{})
		fixup.Imports = append(fixup.Imports, wasm.Import{Module: "main", Name: abi.Start, Kind: wasm.KindFunc, Type: uint32(n)})
		start := uint32(n)
		fixup.Start = &start
	}
	w.raw(1, core)
	w.raw(1, shim.Encode())
	w.raw(1, fixup.Encode())
	if w.adapted = len(adapter.Code) > 0; w.adapted {
		w.raw(1, adapter.Encode())
	}
}

// define adds an exported function to a module.
func define(m *wasm.Module, name string, typ wasm.FuncType, code []byte) {
	m.Types = append(m.Types, typ)
	m.Functions = append(m.Functions, uint32(len(m.Types)-1))
	m.Code = append(m.Code, wasm.Code{Expr: code})
	m.Export(name, wasm.KindFunc, uint32(m.Len(wasm.KindFunc)-1))
}

// coreAlias takes a core function or memory from a core instance.
func (w *wrapper) coreAlias(sort int, instance uint32, name string) uint32 {
	w.section(6, join(0, sort, 1, instance, name))
	if sort != int(wasm.KindFunc) {
		return 0
	}
	w.nCoreFuncs++
	return w.nCoreFuncs - 1
}

// coreInstance adds a core instance of a module.
func (w *wrapper) coreInstance(module uint32, args ...[]byte) uint32 {
	w.section(2, join(0, module, args))
	w.nCoreInstances++
	return w.nCoreInstances - 1
}

// list adds a core instance that is a list of exports.
func (w *wrapper) list(exports ...[]byte) uint32 {
	w.section(2, join(1, exports))
	w.nCoreInstances++
	return w.nCoreInstances - 1
}

func arg(name string, instance uint32) []byte { return join(name, 0x12, instance) }

// instantiate makes the shim, main with its functions, and the adapter.
func (w *wrapper) instantiate() {
	shim := w.coreInstance(shimModule)
	lists, order := make(map[string][][]byte), []string(nil)
	for i, imp := range w.imported {
		f := w.coreAlias(0, shim, fmt.Sprint(i))
		if lists[imp.Module] == nil {
			order = append(order, imp.Module)
		}
		lists[imp.Module] = append(lists[imp.Module], join(imp.Name, 0, f))
	}
	var args [][]byte
	for _, module := range order {
		args = append(args, arg(module, w.list(lists[module]...)))
	}
	main := w.coreInstance(mainModule, args...)
	w.memory = w.coreAlias(2, main, abi.Memory)
	w.realloc = w.coreAlias(0, main, abi.Realloc)
	if w.adapted {
		env := w.list(join("memory", 2, w.memory))
		w.adapter = w.coreInstance(adapterModule, arg("env", env))
	}
	w.instances["main"], w.instances["shim"] = main, shim
}

// fixup lowers the functions of the host, and writes them to the shim's table.
func (w *wrapper) fixup() {
	var actual [][]byte
	for i, imp := range w.imported {
		name := abi.ImportName(imp.Name)
		var f uint32
		if imp.Module == abi.WASI {
			f = w.coreAlias(0, w.adapter, name)
		} else {
			w.section(6, join(1, 0, w.instances[imp.Module], name))
			w.section(8, join(1, 0, w.nFuncs, w.options()))
			f = w.nCoreFuncs
			w.nFuncs++
			w.nCoreFuncs++
		}
		actual = append(actual, join(fmt.Sprint(i), 0, f))
	}
	w.section(6, join(0, 1, 1, w.instances["shim"], "$imports"))
	list := w.list(join("$imports", 1, uint32(0)))
	w.coreInstance(fixupModule, arg("shim", list), arg("actual", w.list(actual...)), arg("main", w.instances["main"]))
}

// options are those of all functions.
func (w *wrapper) options() []byte {
	return join([][]byte{{0}, join(3, w.memory), join(4, w.realloc)})
}
