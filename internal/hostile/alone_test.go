package hostile_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/abi"
	"github.com/airhost/airhost/internal/hostile"
	"github.com/airhost/airhost/internal/wasm"
)

// BenchmarkAlone measures single steps that fuel does not bound, since the system
// does the work. Each step is the first message of a new guest. The time is its
// thread's processor time.
func BenchmarkAlone(b *testing.B) {
	for _, engine := range hostile.Engines() {
		for _, c := range []struct {
			name string
			code []byte
		}{
			{"memory.grow-1-page", grow(1)},
			{"memory.grow-1000-pages", grow(1000)},
			{"memory.grow-16000-pages", grow(16000)},
			{"table.grow-1000", growTable(1000)},
			{"table.grow-9000", growTable(9000)},
			{"first-stores-4000", firstStores(4000)},
		} {
			b.Run(engine.Name+"/"+c.name, func(b *testing.B) {
				least := time.Hour
				for range max(b.N, 3) {
					least = min(least, alone(b, engine, c.code))
				}
				b.ReportMetric(float64(least.Microseconds()), "cpu-µs")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

func constant(n int) []byte { return wasm.AppendSigned([]byte{0x41}, int64(n)) }

func grow(pages int) []byte { return append(constant(pages), 0x40, 0, 0x1a) }

func growTable(n int) []byte {
	return slices.Concat([]byte{0xd0, 0x70}, constant(n), []byte{0xfc, 0x0f, 0, 0x1a})
}

// firstStores returns code that stores to each of the first n pages of 4 KiB.
func firstStores(n int) []byte {
	return slices.Concat(grow(n/16), []byte{0x03, 0x40, 0x20, 0}, constant(12), []byte{0x74, 0x41, 1, 0x36, 2, 0},
		[]byte{0x20, 0, 0x41, 1, 0x6a, 0x22, 0}, constant(n), []byte{0x48, 0x0d, 0, 0x0b})
}

// alone returns the time of a step in a new guest, minus the time of an empty step.
func alone(b *testing.B, engine hostile.Engine, step []byte) time.Duration {
	b.Helper()
	ctx := context.Background()
	limits := core.Limits{Memory: 1 << 30, TableElements: 10_000, HandlerTime: time.Minute, HandlerWallTime: time.Hour, StartTime: time.Minute, Stack: 1 << 20}
	e, err := engine.Open()
	must(b, err)
	c, err := e.Compile(ctx, core.Source{Code: stepper(step)}, limits)
	must(b, err)
	self := core.MustComponentID("bench/alone")
	in, err := c.Instantiate(ctx, core.Environment{ID: self, Limits: limits})
	must(b, err)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before := threadTime()
	must(b, in.HandleMessage(self, []byte("x"), nil))
	spent := threadTime() - before
	must(b, errors.Join(in.Close(), c.Close(ctx), e.Close(ctx)))
	return spent
}

// stepper returns a guest that runs a step at each message.
func stepper(step []byte) []byte {
	four := slices.Repeat([]wasm.ValueType{wasm.I32}, 4)
	m := &wasm.Module{
		Types:     []wasm.FuncType{{Params: four, Results: []wasm.ValueType{wasm.I32}}},
		Functions: []uint32{0, 0},
		Tables:    []wasm.Table{{Elem: wasm.FuncRef, Limits: wasm.Limits{Min: 1}}},
		Memories:  []wasm.Limits{{Min: 1}},
		Exports: []wasm.Export{
			{Name: abi.Memory, Kind: wasm.KindMemory}, {Name: abi.Realloc, Kind: wasm.KindFunc}, {Name: abi.HandleMessage, Kind: wasm.KindFunc, Index: 1},
		},
		Code: []wasm.Code{
			{Expr: append(constant(1024), 0x0b)},
			{Expr: slices.Concat(constant(0), []byte{0x21, 0}, step, constant(64), []byte{0x0b})},
		},
	}
	return m.Encode()
}

func threadTime() time.Duration {
	var now unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &now)
	return time.Duration(now.Nano())
}

func must(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}
