package guests_test

import (
	"context"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/airhost/airhost/guest"
	"github.com/airhost/airhost/internal/bench/measure/guests"
)

const (
	lifecycle  = "airhost:core/component-lifecycle@0.1.0#"
	management = "airhost:core/component-management@0.1.0#"
)

// wasmPlayer calls a module by the canonical ABI, as plainly as can be.
type wasmPlayer struct {
	t      *testing.T
	module api.Module
}

func newWasmPlayer(t *testing.T, code []byte, w *wire) *wasmPlayer {
	runtime := wazero.NewRuntime(t.Context())
	t.Cleanup(func() { _ = runtime.Close(context.Background()) })
	p := &wasmPlayer{t: t}
	host := runtime.NewHostModuleBuilder("airhost:core/host-services@0.1.0")
	host.NewFunctionBuilder().WithFunc(func(target, targetSize, message, size, area uint32) {
		err := w.Send(string(p.read(target, targetSize)), p.read(message, size))
		p.writeRefusal(area, 4, err)
	}).Export("send-message")
	host.NewFunctionBuilder().WithFunc(func(target, targetSize, request, size uint32, _ uint64, area uint32) {
		id, err := w.Request(string(p.read(target, targetSize)), p.read(request, size), 0)
		p.module.Memory().WriteUint64Le(area+8, uint64(id))
		p.writeRefusal(area, 8, err)
	}).Export("send-request")
	if _, err := host.Instantiate(t.Context()); err != nil {
		t.Fatal(err)
	}
	module, err := runtime.Instantiate(t.Context(), code)
	if err != nil {
		t.Fatal(err)
	}
	if pages := module.Memory().Size() >> 16; pages != 1 {
		t.Errorf("the guest begins with %d pages of memory, want 1", pages)
	}
	p.module = module
	return p
}

func (p *wasmPlayer) writeRefusal(area, payload uint32, err error) {
	memory := p.module.Memory()
	if err == nil {
		memory.WriteByte(area, 0)
		return
	}
	refusal := err.(*guest.MessagingError)
	text := p.lower([]byte(refusal.Text))
	memory.WriteByte(area, 1)
	memory.WriteByte(area+payload, byte(refusal.Case))
	memory.WriteUint32Le(area+payload+4, uint32(text[0]))
	memory.WriteUint32Le(area+payload+8, uint32(text[1]))
}

func (p *wasmPlayer) call(name string, args ...uint64) uint64 {
	p.t.Helper()
	results, err := p.module.ExportedFunction(name).Call(p.t.Context(), args...)
	if err != nil {
		p.t.Fatal(err)
	}
	return append(results, 0)[0]
}

// lower copies b into the guest and returns its pointer and length.
func (p *wasmPlayer) lower(b []byte) []uint64 {
	p.t.Helper()
	at := p.call("cabi_realloc", 0, 0, 1, uint64(len(b)))
	if !p.module.Memory().Write(uint32(at), b) {
		p.t.Fatalf("cabi_realloc(%d) gave %d, out of memory", len(b), at)
	}
	return []uint64{at, uint64(len(b))}
}

func (p *wasmPlayer) read(at, size uint32) []byte {
	p.t.Helper()
	b, ok := p.module.Memory().Read(at, size)
	if !ok {
		p.t.Fatalf("the guest points at %d bytes at %d", size, at)
	}
	return b
}

func (p *wasmPlayer) lift(area uint32) ([]byte, error) {
	p.t.Helper()
	word := func(n uint32) uint32 {
		v, _ := p.module.Memory().ReadUint32Le(area + 4*n)
		return v
	}
	if word(0)&0xff == 0 {
		return p.read(word(1), word(2)), nil
	}
	text := string(p.read(word(2), word(3)))
	return nil, &guest.ComponentError{Case: guest.ComponentErrorCase(word(1)), Text: text}
}

func (p *wasmPlayer) initialize(config guest.Config) error {
	list := uint32(p.call("cabi_realloc", 0, 0, 4, uint64(16*len(config))))
	for i, pair := range config {
		key, value := p.lower([]byte(pair.Key)), p.lower([]byte(pair.Value))
		for n, word := range append(key, value...) {
			p.module.Memory().WriteUint32Le(list+uint32(16*i+4*n), uint32(word))
		}
	}
	_, err := p.lift(uint32(p.call(management+"initialize", uint64(list), uint64(len(config)))))
	return err
}

func (p *wasmPlayer) message(payload []byte) ([]byte, error) {
	args := append(p.lower([]byte("test/sender")), p.lower(payload)...)
	return p.lift(uint32(p.call(lifecycle+"handle-message", args...)))
}

func (p *wasmPlayer) callback(id guest.RequestID, response []byte, failure error) error {
	tag := uint64(0)
	if failure != nil {
		tag, response = 1, []byte(failure.Error())
	}
	args := append([]uint64{uint64(id), tag}, p.lower(response)...)
	_, err := p.lift(uint32(p.call(lifecycle+"handle-callback", args...)))
	return err
}

// TestMemoryGrowsOnce: the memory that a large message needed is enough for all that
// follow.
func TestMemoryGrowsOnce(t *testing.T) {
	for name, c := range map[string]struct {
		code []byte
		op   byte
	}{"pingpong": {guests.PingPong, guests.OpBall}, "roundtrip": {guests.RoundTrip, guests.OpRequest}} {
		t.Run(name, func(t *testing.T) {
			p := newWasmPlayer(t, c.code, new(wire))
			deliver(t, p, guests.NewMessage(c.op, 1, 1<<20))
			grown := p.module.Memory().Size()
			for range 100 {
				deliver(t, p, guests.NewMessage(c.op, 1, 1<<20))
			}
			if size := p.module.Memory().Size(); size != grown {
				t.Errorf("memory grew from %d to %d", grown, size)
			}
		})
	}
}

func TestFloor(t *testing.T) {
	runtime := wazero.NewRuntime(t.Context())
	defer func() { _ = runtime.Close(context.Background()) }()
	const where = 32 << 10
	taken := 0
	_, err := runtime.NewHostModuleBuilder("floor").NewFunctionBuilder().WithFunc(func(at, size uint32) {
		if at != where || size != 64 {
			t.Errorf("the host was given %d bytes at %d, want 64 at %d", size, at, where)
		}
		taken++
	}).Export("take").Instantiate(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	module, err := runtime.Instantiate(t.Context(), guests.Floor)
	if err != nil {
		t.Fatal(err)
	}
	p := &wasmPlayer{t: t, module: module}
	for _, c := range []struct {
		export string
		takes  int
	}{{"exchange", 0}, {"relay", 1}} {
		taken = 0
		if back := p.call(c.export, where); back != where || taken != c.takes {
			t.Errorf("%s gave %d back and called the host %d times, want %d and %d", c.export, back, taken, where, c.takes)
		}
	}
}

// discard takes every message and keeps the last request.
type discard struct {
	guest.Host
	lastID  guest.RequestID
	request []byte
}

func (d *discard) Send(string, []byte) error { return nil }

func (d *discard) Request(_ string, request []byte, _ time.Duration) (guest.RequestID, error) {
	d.lastID++
	d.request = append(d.request[:0], request...)
	return d.lastID, nil
}
