package corpus

import (
	"github.com/airhost/airhost/internal/meter"
	"github.com/airhost/airhost/internal/wasm"
)

// build is a way to turn a module into the code that an engine runs.
type build struct {
	name string
	make func(m *wasm.Module) (*meter.Result, error)
	// exact tells whether the build counts fuel.
	exact bool
	// fuel is the fuel of an instance; 0 stands for plenty.
	fuel int64
}

// maxElements is well above the size of any table in the suite.
const maxElements = 10_000_000

var limits = meter.Config{MaxTableElements: maxElements, Stack: true}

// plain leaves the module unchanged.
var plain = build{name: "plain", make: func(m *wasm.Module) (*meter.Result, error) { return &meter.Result{Module: m}, nil }}

// Builds like those of the engines' guests: wazero instruments all guests, Wasmtime
// only those with a limit of fuel.
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

// of builds a module. The plain build keeps its bytes.
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

// tank is the host's part of the meter's protocol for one instance.
type tank struct {
	exact   bool
	slice   int64 // most fuel in the counter; 0 makes the guest yield at every test
	granted int64
	rest    int64 // remaining fuel or, if not exact, remaining yields
	stack   int64 // bytes granted beyond the first slice
}

// newTank returns an empty tank for calls of a build.
func newTank(exact bool, slice int64) *tank { return &tank{exact: exact, slice: slice} }

// fill sets the fuel for the next call and returns the start value of the counter.
func (t *tank) fill(fuel int64) int64 {
	t.granted = min(fuel, t.slice)
	t.rest = fuel - t.granted
	return t.granted
}

// mostStack is the most stack that open calls get beyond the first slice, in bytes.
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

// used returns the fuel that a call of an exact build has used, given its counter.
func (t *tank) used(counter int64) int64 { return t.granted - counter }
