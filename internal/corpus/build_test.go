package corpus

import (
	"github.com/airhost/airhost/internal/meter"
	"github.com/airhost/airhost/internal/wasm"
)

// build is a way to make of a module what an engine runs.
type build struct {
	name string
	make func(m *wasm.Module) (*meter.Result, error)
	// exact is whether the build counts fuel.
	exact bool
	// fuel is what an instance gets, 0 for plenty.
	fuel int64
}

// maxElements is well above what the suite declares for a table.
const maxElements = 10_000_000

var limits = meter.Config{MaxTableElements: maxElements, Stack: true}

// plain is the module as it is.
var plain = build{name: "plain", make: func(m *wasm.Module) (*meter.Result, error) { return &meter.Result{Module: m}, nil }}

// Builds as the engines' guests are: all of wazero's and those with fuel of Wasmtime's
// are instrumented, the other ones of Wasmtime's are not.
var (
	interruptible = instrumented("interruptible", limits)
	fueled        = instrumented("fuel", withFuel(limits))
	paused        = build{name: "pauses", make: pauses}
)

func withFuel(cfg meter.Config) meter.Config {
	cfg.Fuel = true
	return cfg
}

func instrumented(name string, cfg meter.Config) build {
	return build{name: name, exact: cfg.Fuel, make: func(m *wasm.Module) (*meter.Result, error) { return meter.Instrument(m, cfg) }}
}

func pauses(m *wasm.Module) (*meter.Result, error) {
	bounded := *m
	if err := meter.Bound(&bounded, limits); err != nil {
		return nil, err
	}
	if _, err := meter.AddPauses(&bounded); err != nil {
		return nil, err
	}
	return &meter.Result{Module: &bounded}, nil
}

// of returns what the build makes of a module. The plain build leaves its bytes as
// they are.
func (b build) of(binary []byte, m *wasm.Module) (*code, error) {
	res, err := b.make(m)
	if err != nil {
		return nil, err
	}
	c := &code{binary: binary, made: res.Module, plain: m, result: *res}
	if res.Module != m {
		c.binary = res.Module.Encode()
	}
	return c, nil
}

// tank is the host's side of the meter's protocol, for one instance.
type tank struct {
	exact   bool
	slice   int64 // that the counter is brought up to; 0 has each test yield that may
	granted int64
	rest    int64 // fuel or, without exact, yields
	stack   int64 // that was granted beyond the first slice
}

// newTank returns a tank for calls of a build, to be filled.
func newTank(exact bool, slice int64) *tank { return &tank{exact: exact, slice: slice} }

// fill puts in what the next call may use, and returns what the counter has to be.
func (t *tank) fill(fuel int64) int64 {
	t.granted = min(fuel, t.slice)
	t.rest = fuel - t.granted
	return t.granted
}

// mostStack is what open calls get beyond the first slice, in bytes.
const mostStack = 1 << 20

func (t *tank) yield(n int64) (int64, error) {
	if n == meter.TooDeep {
		if t.stack += meter.StackSlice; t.stack > mostStack {
			return 0, errTooDeep
		}
		return meter.StackSlice, nil
	}
	if !t.exact {
		t.rest -= t.slice + 1
		if t.rest < 0 {
			return 0, errNoFuel
		}
		return t.slice, nil
	}
	if n+t.rest < 0 {
		return 0, errNoFuel
	}
	grant := min(t.rest, t.slice-n)
	t.rest, t.granted = t.rest-grant, t.granted+grant
	return n + grant, nil
}

// used returns how much fuel a call of an exact build has used, given the counter.
func (t *tank) used(counter int64) int64 { return t.granted - counter }
