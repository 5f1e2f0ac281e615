package wasi

import (
	"testing"

	"github.com/airhost/airhost/internal/abi"
	"github.com/airhost/airhost/internal/wit"
)

// fileFunction is a function of files of one of both versions.
type fileFunction struct {
	in, name string
	params   int
	inMemory bool // its last argument is an area for the result
}

func fileFunctions() (all []fileFunction) {
	for _, name := range []string{fileTypes, "wasi:filesystem/preopens", streams} {
		for _, f := range wit.Find(name).Funcs {
			all = append(all, fileFunction{f.Interface, f.Name, len(f.Core.Params), f.InMemory})
		}
	}
	for _, f := range abi.WASIImports() {
		if fileFuncs[f.Name] != nil || f.Name == "path_symlink" {
			all = append(all, fileFunction{abi.WASI, f.Name, len(f.Type.Params), false})
		}
	}
	return all
}

// FuzzFiles calls functions of files with small numbers, which are handles, file descriptors, places of short
// paths and their lengths. Whatever the guest has opened is closed at its end, and the host knows of each
// open file until then.
func FuzzFiles(f *testing.F) {
	all := fileFunctions()
	for i := range all {
		f.Add([]byte{byte(i), 1, 3, 0, 1, 9, 0, 4, 3, 2})
	}
	f.Fuzz(func(t *testing.T, script []byte) {
		g, granted, _ := newFiler(t)
		copy(g.memory, "a\x00b/..d./d/a//b\x00.")
		for end := error(nil); end == nil && len(script) > 0; {
			fn := all[int(script[0])%len(all)]
			script = script[1:]
			args := make([]any, fn.params)
			for i := range args {
				args[i] = uint64(0)
				if len(script) > 0 {
					args[i], script = uint64(script[0]%16), script[1:]
				}
			}
			if fn.inMemory {
				args[fn.params-1] = uint64(area)
			}
			_, end = g.try(fn.in, fn.name, args...)
		}
		if open := len(g.in.files.open); open != granted.open {
			t.Errorf("the guest has %d files, and the host %d", open, granted.open)
		}
		g.in.Close()
		want(t, "open files at the end", granted.open, 0)
	})
}
