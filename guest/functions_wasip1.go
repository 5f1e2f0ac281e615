package guest

import (
	"unicode/utf8"
	"unsafe"
)

//go:wasmimport airhost:functions/host-functions@0.1.0 call
func call(name unsafe.Pointer, nameSize uint32, argument unsafe.Pointer, size uint32, area unsafe.Pointer)

// callArea is the return area of call: a byte that is 0 for ok; then address and size of
// the result, or the case of the error and its text.
type callArea [4]uint32

func (a *callArea) outcome() ([]byte, error) {
	if a[0]&0xff == 0 {
		return take(a[1], a[2]), nil
	}
	return nil, &CallError{CallErrorCase(a[1]), takeString(a[2], a[3])}
}

var errFunction = &CallError{CallNotFound, "function: not UTF-8"}

// Call is pruned by the linker, together with the import, from a module that does not
// use it.
func (services) Call(function string, argument []byte) ([]byte, error) {
	if !utf8.ValidString(function) {
		return nil, errFunction
	}
	area := new(callArea)
	call(textOf(function), uint32(len(function)), dataOf(argument), uint32(len(argument)), unsafe.Pointer(area))
	return area.outcome()
}
