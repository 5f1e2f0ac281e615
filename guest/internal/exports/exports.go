// Package exports connects package guest with packages that add exports to a WebAssembly
// module. The compiler keeps every export of a package that is part of a module, so that
// optional ones are in packages of their own.
package exports

// State says that package guest/state is part of the program.
var State bool

// The functions behind the exports of guest/state. Package guest sets them as WebAssembly.
var (
	Save       func() (area uint32)
	Restore    func(address, size uint32) (area uint32)
	PostReturn func()
)
