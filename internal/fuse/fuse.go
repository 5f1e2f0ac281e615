package fuse

import (
	"errors"

	"github.com/airhost/airhost/internal/wasm"
)

// Fuse returns one module that does what the instances of g do together. Its errors say
// which instance and which name they are about. They may wrap those of [wasm.Parse], and
// an [*wasm.UnsupportedError] for a feature that guests may not use.
func Fuse(g Graph) (*wasm.Module, error) {
	return nil, errors.New("fuse: not yet")
}
