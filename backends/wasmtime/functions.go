//go:build cgo && (linux || darwin) && (amd64 || arm64)

package wasmtime

import (
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/airhost/airhost/core"
)

// caller is an instance that calls functions of its host. A function may be another guest,
// which runs within this one's call, on the same thread: each of them may take maxStack of
// its stack, and a thread has room for few. C tells whether there is room for one more.
type caller instance

var _ core.Functions = (*caller)(nil)

// CallFunction implements [core.Functions].
func (c *caller) CallFunction(name, argument []byte) ([]byte, error) {
	if c.c.low {
		return c.elsewhere(name, argument)
	}
	return c.functions.CallFunction(name, argument)
}

var errExited = errors.New("it called runtime.Goexit")

// elsewhere calls a function on another thread, whose stack is empty, while this thread
// waits. A panic of the function goes on here, with its stack.
func (c *caller) elsewhere(name, argument []byte) (result []byte, err error) {
	ended := make(chan error)
	go func() {
		cause := errExited
		defer func() {
			if reason := recover(); reason != nil {
				cause = fmt.Errorf("%v\n%s", reason, debug.Stack())
			}
			ended <- cause
		}()
		result, err = c.functions.CallFunction(name, argument)
		cause = nil
	}()
	if cause := <-ended; cause != nil {
		panic(cause)
	}
	return result, err
}
