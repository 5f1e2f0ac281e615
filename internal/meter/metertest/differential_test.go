package metertest

import (
	"bytes"
	"runtime"
	"testing"

	"github.com/tetratelabs/wazero"

	"github.com/airhost/airhost/internal/meter"
)

var configs = []struct {
	name string
	cfg  meter.Config
}{
	{"interrupt", meter.Config{}},
	{"fuel", meter.Config{Fuel: true}},
	{"stack", meter.Config{Stack: true}},
	{"fuel-stack", meter.Config{Fuel: true, Stack: true}},
}

// calls has exports of the modules in testdata, and an argument for each. All have one
// parameter and one result.
var calls = []struct {
	file, export string
	arg          uint64
}{
	{"compute", "loop", 1000}, {"compute", "hash", 999}, {"compute", "fib", 12},
	{"compute", "primes", 500}, {"compute", "calls", 100}, {"compute", "switch", 100},
	{"features", "multi", 10}, {"features", "bulk", 64}, {"features", "simd", 0xfffd},
	{"features", "floats", 200}, {"features", "tail", 50}, {"features", "atomic", 3},
	{"features", "dead", 0}, {"features", "dead", 1}, {"crc", "crc", 4096},
}

func TestInstrumentedCodeComputesTheSame(t *testing.T) {
	for _, c := range calls {
		bin := read(t, "../testdata/"+c.file+".wasm")
		for _, e := range engines {
			want := outcome(t, e.config, plain(bin), c.export, c.arg)
			for _, k := range configs {
				got := outcome(t, e.config, instrument(t, bin, k.cfg), c.export, c.arg)
				if got.result != want.result || !bytes.Equal(got.memory, want.memory) {
					t.Errorf("%s.%s(%d) %s/%s: got %d, want %d; memory equal: %t", c.file, c.export, c.arg,
						e.name, k.name, got.result, want.result, bytes.Equal(got.memory, want.memory))
				}
			}
		}
	}
}

// TestProcessorsMakeNoDifference: the result does not depend on the number of
// processors; nor does the function that the error names.
func TestProcessorsMakeNoDifference(t *testing.T) {
	bin := read(t, "../testdata/compute.wasm")
	broken := parse(t, bin)
	for i := 1; i < len(broken.Code); i++ {
		broken.Code[i].Expr = []byte{0x06}
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	for _, k := range configs {
		runtime.GOMAXPROCS(1)
		want := instrument(t, bin, k.cfg).Module.Encode()
		_, refused := meter.Instrument(broken, k.cfg)
		for _, n := range []int{2, 3, 64} {
			runtime.GOMAXPROCS(n)
			if got := instrument(t, bin, k.cfg).Module.Encode(); !bytes.Equal(got, want) {
				t.Errorf("%s on %d processors: got another module than on one", k.name, n)
			}
			if _, err := meter.Instrument(broken, k.cfg); err == nil || err.Error() != refused.Error() {
				t.Errorf("%s on %d processors: got %v, want %v", k.name, n, err, refused)
			}
		}
	}
}

func TestFuelIsTheSameOnBothEngines(t *testing.T) {
	for _, c := range calls {
		res := instrument(t, read(t, "../testdata/"+c.file+".wasm"), meter.Config{Fuel: true})
		want := outcome(t, engines[0].config, res, c.export, c.arg).fuel
		got := outcome(t, engines[1].config, res, c.export, c.arg).fuel
		if got != want || got == 0 {
			t.Errorf("%s.%s(%d): got %d fuel used by the %s, want %d as by the %s",
				c.file, c.export, c.arg, got, engines[1].name, want, engines[0].name)
		}
	}
}

// ran is the outcome of a call.
type ran struct {
	result uint64
	memory []byte
	fuel   int64 // used
}

func outcome(t *testing.T, config func() wazero.RuntimeConfig, res *meter.Result, export string, arg uint64) ran {
	t.Helper()
	in := instantiate(t, config, res, func() {})
	if in.counter != nil {
		in.budget(in.counter, 1<<40)
	}
	results, err := in.call(res, export, arg)
	if err != nil {
		t.Fatalf("%s(%d): %v", export, arg, err)
	}
	out := ran{result: results[0]}
	if in.counter != nil {
		out.fuel = in.used(in.counter)
	}
	view, _ := in.Memory().Read(0, in.Memory().Size())
	out.memory = bytes.Clone(view)
	return out
}
