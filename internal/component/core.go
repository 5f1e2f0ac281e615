package component

import (
	"errors"

	"github.com/airhost/airhost/internal/wasm"
)

// Core returns the core module of a guest that is a component, with the contract's names
// for its imports and exports, without the parts that wit-component puts around it. Of a
// component that has several core modules of its own it makes one.
//
// An error is one of Decode or Validate, a [*ContractError], a [*ShapeError], or one of
// package fuse.
func Core(data []byte) ([]byte, error) {
	c, err := Open(data)
	if err != nil {
		return nil, err
	}
	if problems := c.Types.CheckContract(); len(problems) > 0 {
		return nil, &ContractError{problems}
	}
	m, err := c.Core()
	if err != nil {
		return nil, err
	}
	return m.Encode(), nil
}

// Binary is a component that has been read and checked.
type Binary struct {
	Component *Component
	Types     *Types
	size      int
}

// Open decodes and validates a component. The result aliases data.
func Open(data []byte) (*Binary, error) {
	c, err := Decode(data)
	if err != nil {
		return nil, err
	}
	t, err := Validate(c, len(data))
	if err != nil {
		return nil, err
	}
	return &Binary{c, t, len(data)}, nil
}

// Core returns the core module of a component, whether it meets the contract or not. The
// module shares memory with the component.
func (b *Binary) Core() (*wasm.Module, error) {
	l, err := link(b.Component, b.size)
	if err != nil {
		return nil, err
	}
	bundle := newBundle(l)
	m, err := bundle.unbundle()
	if errors.As(err, new(*ShapeError)) && len(bundle.others()) > 0 {
		return bundle.fuse()
	}
	return m, err
}
