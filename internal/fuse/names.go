package fuse

import "github.com/airhost/airhost/internal/wasm"

// maxName is the length of the longest function name of the result, in bytes. The host
// drops all names of a module that has a longer one.
const maxName = 1 << 10

// name gives a function of the result a name, which traps show.
func (f *fuser) name(number uint32, prefix, name string) {
	if prefix != "" {
		name = prefix + ":" + name
	}
	if len(name) <= maxName && name != "" {
		f.names = append(f.names, wasm.FuncName{Index: number, Name: name})
	}
}

// instanceNames keeps the names of an instance's functions, with its own name before them.
func (f *fuser) instanceNames(in *instance) {
	imported := uint32(len(in.imports[wasm.KindFunc]))
	for _, n := range in.module.FuncNames() {
		if n.Index < imported || int(n.Index-imported) >= len(in.numbers[wasm.KindFunc]) {
			continue
		}
		if number := in.numbers[wasm.KindFunc][n.Index-imported]; number != dropped {
			f.name(number, in.name, n.Name)
		}
	}
}

// addNames writes the names of functions, in the order of the functions.
func (f *fuser) addNames() {
	if len(f.names) > 0 {
		f.out.AddFuncNames(f.names)
	}
}
