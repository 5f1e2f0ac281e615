package sandbox

import (
	"context"
	"crypto/sha256"
	"errors"
	"sync"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/meter"
)

// Shared is what an engine has compiled, of type T, for as long as components use it:
// components of the same code share it, wherever they have the code from.
type Shared[T any] struct {
	Close func(T) error // releases what was compiled, once no component uses it

	mu      sync.Mutex // guards entries and their uses
	entries map[shape]*entry[T]
}

// shape is what two components must have in common to share compiled code: the code,
// and those limits that change what is compiled, or whether it is.
type shape struct {
	code          [sha256.Size]byte
	tableElements uint32
	nesting       int
	fuel          bool
	variant       string // the engine's own
}

type entry[T any] struct {
	shape shape
	uses  int
	turn  chan struct{} // full while a component compiles it
	done  bool
	code  *Code
	value T
}

// Use is one component's use of what was compiled.
type Use[T any] struct {
	Compiled T
	Most     uint64 // how large the component's memory may become, in bytes

	shared *Shared[T]
	entry  *entry[T]
}

// Request says what is to be compiled.
type Request struct {
	Source    core.Source
	Limits    core.Limits
	MaxModule int64  // in bytes
	Variant   string // what else than the source and its limits changes the code
}

// Compile returns what compile makes of a guest's code: src.Code or, where that is nil,
// the file at src.Path. It checks the code before compile is called, which is not
// called where another component of the same code has called it. It waits while another
// one does, and while those that compile take all the memory that there is for
// compiling, until ctx ends. The use must be released.
func (s *Shared[T]) Compile(ctx context.Context, r Request, compile func(*Code) (T, error)) (*Use[T], error) {
	if r.Limits.Stack < meter.StackSlice {
		return nil, ModuleError(r.Source, &core.LimitError{Limit: "limits.stack", Got: meter.StackSlice, Max: uint64(max(r.Limits.Stack, 0)), Unit: "bytes"})
	}
	binary, err := read(r.Source, r.MaxModule)
	if err != nil {
		return nil, err
	}
	e := s.enter(shape{sha256.Sum256(binary), r.Limits.TableElements, r.Limits.Nesting, r.Limits.Fuel > 0, r.Variant})
	u := &Use[T]{shared: s, entry: e}
	if err := e.fill(ctx, r, binary, compile); err != nil {
		if s.leave(e) && e.done { // it was compiled for a component that is gone
			err = errors.Join(err, s.Close(e.value))
		}
		return nil, err
	}
	u.Compiled = e.value
	if u.Most, err = e.code.mostMemory(r.Source, r.Limits); err != nil {
		return nil, errors.Join(err, u.Release())
	}
	return u, nil
}

// fill compiles the entry, unless another component has. That this has failed is no
// reason not to try: the context of the other one may have ended.
func (e *entry[T]) fill(ctx context.Context, r Request, binary []byte, compile func(*Code) (T, error)) error {
	select {
	case e.turn <- struct{}{}:
		defer func() { <-e.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if e.done {
		return nil
	}
	code, err := load(r.Source, binary, r.Limits)
	if err != nil {
		return err
	}
	release, err := compiling.enter(ctx, code.cost.cost())
	if err != nil {
		return err
	}
	defer release()
	value, err := compile(code)
	if err == nil {
		e.code, e.value, e.done = code, value, true
	}
	return err
}

func (s *Shared[T]) enter(of shape) *entry[T] {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entries[of]
	if e == nil {
		if s.entries == nil {
			s.entries = make(map[shape]*entry[T])
		}
		e = &entry[T]{shape: of, turn: make(chan struct{}, 1)}
		s.entries[of] = e
	}
	e.uses++
	return e
}

// leave reports whether no component uses the entry any more.
func (s *Shared[T]) leave(e *entry[T]) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	e.uses--
	if e.uses > 0 {
		return false
	}
	delete(s.entries, e.shape)
	return true
}

// Release ends the use, once. The last one closes what was compiled.
func (u *Use[T]) Release() error {
	if u.shared.leave(u.entry) {
		return u.shared.Close(u.Compiled)
	}
	return nil
}

// shares is in how many parts the memory for compiling is divided.
const shares = 64

// compiling is the memory that all engines of the process may take for compiling at the
// same time: what the dearest module takes alone.
var compiling = newMemoryShares()

type memoryShares struct {
	turn chan struct{} // full while one waits for its shares, so that the dear ones get theirs
	free chan struct{}
}

func newMemoryShares() *memoryShares {
	m := &memoryShares{turn: make(chan struct{}, 1), free: make(chan struct{}, shares)}
	m.give(shares)
	return m
}

func (m *memoryShares) give(n int) {
	for range n {
		m.free <- struct{}{}
	}
}

// enter takes what compiling at this cost needs, which is given back by release.
func (m *memoryShares) enter(ctx context.Context, cost int) (release func(), err error) {
	select {
	case m.turn <- struct{}{}:
		defer func() { <-m.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	need := min(cost/(maxCost/shares)+1, shares)
	for taken := range need {
		select {
		case <-m.free:
		case <-ctx.Done():
			m.give(taken)
			return nil, ctx.Err()
		}
	}
	return func() { m.give(need) }, nil
}
