package sandbox

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"sync"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/meter"
)

// Shared holds an engine's compiled code, of type T, as long as a component uses it.
// Components with the same code share it, even if they load it from different files.
type Shared[T any] struct {
	Close func(T) error // frees compiled code that no component uses any more

	mu      sync.Mutex // guards entries, and uses of each entry
	entries map[shape]*entry[T]
}

// shape is the key of an entry: components with equal shapes share compiled code. It
// holds the hash of the code and the limits that change the compiled code or the
// checks.
type shape struct {
	code          [sha256.Size]byte
	tableElements uint32
	nesting       int
	fuel          bool
	variant       string // chosen by the engine
}

type entry[T any] struct {
	shape shape
	uses  int
	lock  chan struct{} // holds a token while a component compiles the entry
	done  bool
	code  *Code
	value T
}

// Use is one component's use of compiled code.
type Use[T any] struct {
	Compiled T
	Most     uint64 // maximum size of the component's memory, in bytes

	shared *Shared[T]
	entry  *entry[T]
}

// Request describes the code to compile.
type Request struct {
	Source    core.Source
	Limits    core.Limits
	MaxModule int64  // in bytes
	Variant   string // an engine's own settings that change the compiled code

	// Trusted are the keys of the files whose code the engine may run.
	Trusted []ed25519.PublicKey
}

// Compile returns the compiled form of r.Source: of its Code or, if that is nil, of
// the file at its Path. It checks the code and calls compile, unless another
// component has already compiled the same code. It waits while another component
// compiles the same code, and while other compilations use up the memory for
// compiling, until ctx ends. The caller must release the Use.
func (s *Shared[T]) Compile(ctx context.Context, r Request, compile func(*Code) (T, error)) (*Use[T], error) {
	if r.Limits.Stack < meter.StackSlice {
		return nil, ModuleError(r.Source, &core.LimitError{Limit: "limits.stack", Got: meter.StackSlice, Max: uint64(max(r.Limits.Stack, 0)), Unit: "bytes"})
	}
	binary, err := read(r.Source, r.MaxModule)
	if err != nil {
		return nil, err
	}
	e := s.addUse(shape{binary.sum, r.Limits.TableElements, r.Limits.Nesting, r.Limits.Fuel > 0, r.Variant})
	u := &Use[T]{shared: s, entry: e}
	if err := e.fill(ctx, r, binary, compile); err != nil {
		if s.dropUse(e) && e.done { // another component, which is gone, has compiled it
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

// fill compiles the entry if no component has compiled it yet. It tries again after
// another component failed, since that component's context may have ended.
func (e *entry[T]) fill(ctx context.Context, r Request, binary contents, compile func(*Code) (T, error)) error {
	select {
	case e.lock <- struct{}{}:
		defer func() { <-e.lock }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if e.done {
		return nil
	}
	code, err := load(r.Source, binary.code, r.Limits)
	if err != nil {
		return err
	}
	if code.Precompiled = binary.precompiled; code.Precompiled != nil {
		code.Precompiled.SignedBy(r.Trusted)
	}
	release, err := compileMemory.take(ctx, code.cost.cost())
	if err != nil {
		return err
	}
	defer release()
	value, err := compile(code)
	code.Precompiled = nil // it holds the module
	if err == nil {
		e.code, e.value, e.done = code, value, true
	}
	return err
}

func (s *Shared[T]) addUse(of shape) *entry[T] {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entries[of]
	if e == nil {
		if s.entries == nil {
			s.entries = make(map[shape]*entry[T])
		}
		e = &entry[T]{shape: of, lock: make(chan struct{}, 1)}
		s.entries[of] = e
	}
	e.uses++
	return e
}

// dropUse reports whether that was the entry's last use.
func (s *Shared[T]) dropUse(e *entry[T]) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	e.uses--
	if e.uses > 0 {
		return false
	}
	delete(s.entries, e.shape)
	return true
}

// Release ends the use. Call it once. The last use of an entry closes the compiled
// code.
func (u *Use[T]) Release() error {
	if u.shared.dropUse(u.entry) {
		return u.shared.Close(u.Compiled)
	}
	return nil
}

// shares is the number of parts into which the memory for compiling is divided.
const shares = 64

// compileMemory bounds the memory that all engines of the process use for compiling
// at the same time: as much as one module of maximum cost.
var compileMemory = newMemoryShares()

type memoryShares struct {
	queue chan struct{} // holds a token while a caller waits for its shares: first come, first served
	free  chan struct{}
}

func newMemoryShares() *memoryShares {
	m := &memoryShares{queue: make(chan struct{}, 1), free: make(chan struct{}, shares)}
	m.give(shares)
	return m
}

func (m *memoryShares) give(n int) {
	for range n {
		m.free <- struct{}{}
	}
}

// take waits for the shares that compiling at this cost needs. release gives them
// back.
func (m *memoryShares) take(ctx context.Context, cost int) (release func(), err error) {
	select {
	case m.queue <- struct{}{}:
		defer func() { <-m.queue }()
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
