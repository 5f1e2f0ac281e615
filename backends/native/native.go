// Package native runs components written in Go in the host's own process. Use it for
// trusted code, for debugging a component before it is compiled to WebAssembly, and
// for tests: it implements the contract and nothing else.
//
// A Go component shares the host's memory and cannot be stopped. A panic ends its
// instance. Some faults end the whole host, since Go cannot recover from them: a
// stack of a gigabyte, concurrent map writes, runtime.Goexit, os.Exit. An endless
// loop occupies its goroutine for ever.
package native

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/guest"
	"github.com/airhost/airhost/internal/refs"
)

// Name is the engine's name in configurations and results.
const Name = "native"

// Config configures an [Engine].
type Config struct {
	// Components are the constructors that configurations can name as a source. The
	// engine calls a constructor once for each instance, from any goroutine. It must
	// return a new component each time, since instances share nothing.
	Components map[string]func() guest.Component
}

// Engine is the native engine.
type Engine struct {
	components map[string]func() guest.Component
	refs       refs.Count // counts instances and calls of Compile
}

var _ core.Engine = (*Engine)(nil)

// New returns an engine for the components in config. It never fails.
func New(config Config) (*Engine, error) {
	return &Engine{components: maps.Clone(config.Components)}, nil
}

// Source returns a source for a component that is not in [Config]. create must meet
// the conditions for Config.Components.
func Source(create func() guest.Component) core.Source { return core.Source{Value: create} }

// Name returns [Name].
func (e *Engine) Name() string { return Name }

// Compile finds the constructor of src: its Value, or else the one named by Path. It
// calls the constructor once to learn the component's traits. The first instance
// uses the value.
func (e *Engine) Compile(ctx context.Context, src core.Source, limits core.Limits) (core.Component, error) {
	if err := e.refs.Acquire(); err != nil {
		return nil, err
	}
	defer e.refs.Release()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	create, err := e.find(src)
	if err != nil {
		return nil, err
	}
	return newComponent(e, sourceName(src), create)
}

func (e *Engine) find(src core.Source) (func() guest.Component, error) {
	if len(src.SHA256) > 0 {
		return nil, refuse(src, "a checksum is for code that is read, and a native component is part of the program: leave it out")
	}
	if src.Value != nil {
		create, ok := src.Value.(func() guest.Component)
		if !ok || create == nil {
			return nil, refuse(src, fmt.Sprintf("the source's value is a %T, want a func() guest.Component that is not nil", src.Value))
		}
		return create, nil
	}
	if create := e.components[src.Path]; create != nil {
		return create, nil
	}
	return nil, refuse(src, fmt.Sprintf("no such native component, available are: %s", e.available()))
}

func (e *Engine) available() string {
	if len(e.components) == 0 {
		return "none"
	}
	return strings.Join(slices.Sorted(maps.Keys(e.components)), ", ")
}

func refuse(src core.Source, problem string) error {
	return &core.ModuleError{Source: sourceName(src), Problems: []string{problem}}
}

func sourceName(src core.Source) string {
	if src.Path != "" {
		return src.Path
	}
	return "native component"
}

// Close implements [core.Engine].
func (e *Engine) Close(ctx context.Context) error {
	if err := e.refs.Close(ctx, func() error { return nil }); err != nil {
		return fmt.Errorf("native: close: %w", err)
	}
	return nil
}
