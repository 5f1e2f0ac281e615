package wasm

import (
	"errors"
	"fmt"
)

var (
	// ErrNotWasm is returned for input that does not begin like WebAssembly.
	ErrNotWasm = errors.New("not a WebAssembly binary: it does not begin with \\0asm")

	// ErrComponentModel is returned for a component, which wraps core modules: package
	// component reads it.
	ErrComponentModel = errors.New("a component-model binary where a core module is needed")
)

// FormatError is the error for input that is not a valid module.
type FormatError struct {
	Offset int    // in bytes, from the beginning of the input
	Msg    string // such as "expected a type, got the end"
}

// Error gives the offset and the message.
func (e *FormatError) Error() string {
	return fmt.Sprintf("malformed WebAssembly at offset %#x: %s", e.Offset, e.Msg)
}

// LimitError says that a module has more of something than Parse accepts.
type LimitError struct {
	Limit    string // such as "types"
	Got, Max uint64
}

// Error names the limit, the amount and the allowed amount.
func (e *LimitError) Error() string {
	return fmt.Sprintf("%s: %d where %d are allowed", e.Limit, e.Got, e.Max)
}
