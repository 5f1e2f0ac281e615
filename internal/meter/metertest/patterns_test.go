package metertest

import (
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/airhost/airhost/internal/meter"
	"github.com/airhost/airhost/internal/wasm"
)

// BenchmarkMemory measures code that misses the processor's caches: loads that each need
// the result of the one before, and the first store to each page of new memory.
func BenchmarkMemory(b *testing.B) {
	for _, c := range []struct {
		name  string
		pages uint64
		fresh bool
	}{{"chain-32MiB", 512, false}, {"chain-1GiB", 16384, false}, {"fresh-pages", 16384, true}} {
		b.Run(c.name, func(b *testing.B) { memoryPattern(b, c.pages, c.fresh) })
	}
}

func memoryPattern(b *testing.B, pages uint64, fresh bool) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	// f(at, n): n times at = load at; or store at, at += 4096
	step := []byte{0x20, 0, 0x28, 2, 0, 0x21, 0}
	if fresh {
		step = []byte{0x20, 0, 0x20, 0, 0x36, 2, 0, 0x20, 0, 0x41, 0x80, 0x20, 0x6a, 0x21, 0}
	}
	expr := append([]byte{0x03, 0x40}, step...)
	expr = append(expr, 0x20, 1, 0x41, 1, 0x6b, 0x22, 1, 0x0d, 0, 0x0b, 0x0b)
	m := oneFunction(wasm.FuncType{Params: []wasm.ValueType{wasm.I32, wasm.I32}}, expr)
	m.Memories = []wasm.Limits{{Min: pages}}
	m.Exports = append(m.Exports, wasm.Export{Name: "memory", Kind: wasm.KindMemory})
	in := instantiate(b, engines[0].config, instrument(b, m.Encode(), meter.Config{Fuel: true}), nil)
	size := uint32(pages << 16)
	if !fresh { // one cycle through all pages' lines
		lines := rand.Perm(int(size / 512))
		for i, line := range lines {
			in.Memory().WriteUint32Le(uint32(line)*512, uint32(lines[(i+1)%len(lines)])*512)
		}
	}
	in.budget(in.counter, 1<<50)
	before := threadTime()
	if _, err := in.call(nil, "f", 0, uint64(size/4096)); err != nil {
		b.Fatal(err)
	}
	ns := float64(threadTime()-before) / float64(in.used(in.counter))
	b.ReportMetric(ns, "ns/fuel")
	b.ReportMetric(ns*meter.Slice/1000, "µs/slice")
}
