package floor

import (
	"context"
	"encoding/binary"
	"errors"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// The functions of the module of a caller: a guest that calls its host as often as the
// first 4 bytes of a message say.
const (
	callerModule   = "airhost:functions/host-functions@0.1.0"
	callerFunction = "call"
	callerHandle   = "airhost:core/component-lifecycle@0.1.0#handle-message"
	callerRealloc  = "cabi_realloc"
	callerMessage  = 68 // bytes
)

// Caller is the floor of a function of the host: a bare call of Go by a guest, which
// answers with no result, and a bare call of the guest's cabi_realloc by Go.
type Caller struct {
	call    func(n int) error
	realloc func(n int) error
	close   func() error
	called  int
}

// Call has the guest call Go n times.
func (c *Caller) Call(n int) error {
	before := c.called
	if err := c.call(n); err != nil {
		return err
	}
	return check(c.called-before, n)
}

// Realloc calls cabi_realloc n times, for 64 bytes.
func (c *Caller) Realloc(n int) error { return c.realloc(n) }

// Close releases the engine.
func (c *Caller) Close() error { return c.close() }

var errCaller = errors.New("the caller's module is not what it should be")

// NewWazeroCaller returns the floor on wazero's compiler.
func NewWazeroCaller(ctx context.Context, module []byte) (*Caller, error) {
	r := wazero.NewRuntime(ctx)
	c := &Caller{close: func() error { return r.Close(context.Background()) }}
	if err := c.openWazero(ctx, r, module); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

func (c *Caller) openWazero(ctx context.Context, r wazero.Runtime, module []byte) error {
	i32 := api.ValueTypeI32
	function := func(ctx context.Context, stack []uint64) {
		c.called++
		ctx.(*instance).memory[uint32(stack[4])] = 0 // the area: no error
	}
	_, err := r.NewHostModuleBuilder(callerModule).NewFunctionBuilder().
		WithGoFunction(api.GoFunc(function), []api.ValueType{i32, i32, i32, i32, i32}, nil).Export(callerFunction).Instantiate(ctx)
	if err != nil {
		return err
	}
	guest, err := r.Instantiate(ctx, module)
	if err != nil {
		return err
	}
	memory, handle, realloc := guest.ExportedMemory("memory"), guest.ExportedFunction(callerHandle), guest.ExportedFunction(callerRealloc)
	if memory == nil || handle == nil || realloc == nil {
		return errCaller
	}
	return c.useWazero(guest, memory, handle, realloc)
}

func (c *Caller) useWazero(guest api.Module, memory api.Memory, handle, realloc api.Function) error {
	view, _ := memory.Read(0, memory.Size())
	in := &instance{context.Background(), guest, view}
	var stack [4]uint64
	allocate := func(size uint64) error {
		stack = [4]uint64{0, 0, 1, size}
		return realloc.CallWithStack(in, stack[:])
	}
	if err := allocate(callerMessage); err != nil {
		return err
	}
	message := stack[0]
	c.call = func(n int) error {
		binary.LittleEndian.PutUint32(view[message:], uint32(n))
		stack = [4]uint64{0, 0, message, callerMessage}
		return handle.CallWithStack(in, stack[:])
	}
	c.realloc = func(n int) (err error) {
		for ; n > 0 && err == nil; n-- {
			err = allocate(64)
		}
		return err
	}
	return nil
}
