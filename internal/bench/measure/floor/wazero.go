package floor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/airhost/airhost/internal/bench/data/cells"
)

// Wazero is the floor of wazero, by its fastest calls: CallWithStack into the guest,
// and a GoFunc into the host, which finds the guest's memory by its context. It uses
// nothing of airhost's engine.
type Wazero struct {
	name                string
	intoHost, intoGuest int
	runtime             wazero.Runtime
	// turns are the calls into guests, which alternate.
	turns             [2]turn
	payload, response []byte
	taken             []byte // the host's copy of the payload
	takes             int    // calls of take, since the last Verify
}

// instance is a component. It is the context of calls into it, which is the shortest
// way for a host function to the memory. As a context it has no values, since wazero
// looks for some in each call.
type instance struct {
	context.Context
	module api.Module
	// memory is a view of the whole memory, valid as long as the guest does not grow
	// it, and the guest never does. It saves a call of wazero for each payload.
	memory []byte
}

// turn is one call into a guest.
type turn struct {
	in    *instance
	enter api.Function
}

// place is the position of payloads in the guest's memory: above its stack. The
// memory grows as far as they need.
const (
	place    = 32 << 10
	pageSize = 64 << 10
)

var errOtherBytes = errors.New("a guest gave back or handed over other bytes than it was given")

// NewWazero returns the floor of a pattern and a payload in bytes, on a runtime of
// the configuration's kind. module is the guest: it exports its memory and two
// functions that return the pointer that they are given, exchange and relay; relay
// passes the bytes there to floor.take before. The caller closes the floor.
func NewWazero(ctx context.Context, engine string, config wazero.RuntimeConfig, module []byte, pattern cells.Pattern, payload int) (*Wazero, error) {
	f := &Wazero{
		name:    fmt.Sprintf("floor of %s, %s, %d B", engine, pattern, payload),
		runtime: wazero.NewRuntimeWithConfig(ctx, config),
		payload: bytes.Repeat([]byte{0xa5}, payload), response: make([]byte, payload), taken: make([]byte, payload),
	}
	f.intoHost, f.intoGuest = crossings(pattern)
	if err := f.setUp(ctx, module, pattern); err != nil {
		return nil, fmt.Errorf("%s: %w", f.name, errors.Join(err, f.Close()))
	}
	return f, nil
}

func (f *Wazero) setUp(ctx context.Context, module []byte, pattern cells.Pattern) error {
	_, err := f.runtime.NewHostModuleBuilder("floor").NewFunctionBuilder().
		WithGoFunction(api.GoFunc(f.take), []api.ValueType{api.ValueTypeI32, api.ValueTypeI32}, nil).
		Export("take").Instantiate(ctx)
	if err != nil {
		return err
	}
	compiled, err := f.runtime.CompileModule(ctx, module)
	if err != nil {
		return err
	}
	var instances [2]*instance
	for i := range instances {
		if instances[i], err = f.instantiate(ctx, compiled); err != nil {
			return err
		}
	}
	return f.schedule(pattern, instances[0], instances[1])
}

func (f *Wazero) instantiate(ctx context.Context, compiled wazero.CompiledModule) (*instance, error) {
	// A module without a name can have several instances.
	module, err := f.runtime.InstantiateModule(ctx, compiled, wazero.NewModuleConfig().WithName(""))
	if err != nil {
		return nil, err
	}
	memory := module.ExportedMemory("memory")
	if memory == nil {
		return nil, errors.New("the floor module exports no memory")
	}
	if need := uint32(place + len(f.payload)); need > memory.Size() {
		if _, ok := memory.Grow((need - memory.Size() + pageSize - 1) / pageSize); !ok {
			return nil, fmt.Errorf("the floor module has no memory for a payload of %d bytes", len(f.payload))
		}
	}
	view, _ := memory.Read(0, memory.Size())
	return &instance{context.Background(), module, view}, nil
}

// schedule makes the list of calls into a and b in one operation.
func (f *Wazero) schedule(pattern cells.Pattern, a, b *instance) error {
	switch pattern {
	case cells.FireAndForget:
		f.turns = [2]turn{a.turn("relay"), b.turn("relay")}
	case cells.RequestResponse:
		f.turns = [2]turn{a.turn("relay"), b.turn("exchange")}
	default:
		f.turns = [2]turn{a.turn("exchange")}
		f.turns[1] = f.turns[0] // the same function: each has a stack of its own
	}
	if f.turns[0].enter == nil || f.turns[1].enter == nil {
		return errors.New("the floor module exports no relay or exchange")
	}
	return nil
}

func (in *instance) turn(export string) turn {
	return turn{in, in.module.ExportedFunction(export)}
}

// take is the host function. It takes as many bytes as the cell's payload has; the
// guest says 64.
func (f *Wazero) take(ctx context.Context, stack []uint64) {
	if f.copyOut(f.taken, ctx.(*instance), stack[0]) {
		f.takes++
	}
}

// copyOut copies the bytes that the guest points to, and reports whether all of them
// are in the guest's memory.
func (f *Wazero) copyOut(to []byte, in *instance, pointer uint64) bool {
	at := int(uint32(pointer))
	if at > len(in.memory)-len(to) {
		return false
	}
	copy(to, in.memory[at:])
	return true
}

// Name names the engine.
func (f *Wazero) Name() string { return f.name }

// Close releases the runtime.
func (f *Wazero) Close() error { return f.runtime.Close(context.Background()) }

// Run does n operations.
func (f *Wazero) Run(_ context.Context, n int) (time.Duration, error) {
	var stack [1]uint64
	start := time.Now()
	for i := range n * f.intoGuest {
		if err := f.call(&f.turns[i&1], stack[:]); err != nil {
			return 0, err
		}
	}
	return time.Since(start), nil
}

var errOutOfRange = errors.New("a pointer of the floor module is out of range")

// call is one call into a guest, with the payload copied in and out.
func (f *Wazero) call(t *turn, stack []uint64) error {
	copy(t.in.memory[place:], f.payload)
	stack[0] = place
	if err := t.enter.CallWithStack(t.in, stack); err != nil {
		return err
	}
	if !f.copyOut(f.response, t.in, stack[0]) {
		return errOutOfRange
	}
	return nil
}

// Verify returns a [CountError] unless the guests called their host for n operations,
// and an error unless the payload came back unchanged.
func (f *Wazero) Verify(_ context.Context, n int) error {
	takes := f.takes
	f.takes = 0
	if err := check(takes, n*f.intoHost); err != nil {
		return err
	}
	if !bytes.Equal(f.response, f.payload) || takes > 0 && !bytes.Equal(f.taken, f.payload) {
		return errOtherBytes
	}
	clear(f.response)
	clear(f.taken)
	return nil
}
