package allengines

import (
	"errors"
	"sort"
	"strings"
	"testing"

	"github.com/airhost/airhost/backends/wasmtime"
	"github.com/airhost/airhost/backends/wazero"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/enginetest"
)

// TestFuelMakesNoDifference: a call needs the same fuel on each engine, to the unit,
// whether the engine answers the guest's sends itself or asks its host.
func TestFuelMakesNoDifference(t *testing.T) {
	house := newHouse(t)
	engines := []string{wazero.Name, wazero.Name + asked, interpreter}
	if wasmtime.Available {
		engines = append(engines, wasmtime.Name, wasmtime.Name+asked)
	}
	full := strings.Repeat("f", 64-3)
	for name, s := range map[string]script{
		"nothing":                        script(nil),
		"a response":                     script("e\x05hello"),
		"a message":                      script(nil).send(0, 0, 0, []byte("hello")),
		"a full message":                 script(nil).send(0, 0, 0, []byte(full)),
		"a larger message":               script(nil).send(0, 0, 65, nil),
		"messages":                       script(nil).send(0, 0, 0, []byte("a")).send(0, 0, 0, []byte("b")),
		"a message elsewhere":            script(nil).send(0, 1, 0, []byte("hello")),
		"a message at the end of memory": script(nil).send(1<<4, 0, 64, nil),
		"a request":                      script(nil).request(0, 0, 0, 0, []byte("hello")),
		"a larger request":               script(nil).request(0, 0, 65, 0, nil),
	} {
		t.Run(name, func(t *testing.T) {
			s = append(s, 'u').number(4000) // more than the guest needs to start
			want := [2]int{}
			for i, engine := range engines {
				got := [2]int{}
				for n := range got {
					got[n] = leastFuel(t, house, engine, s, n == 1)
				}
				if i == 0 {
					want = got
				}
				if got != want {
					t.Errorf("%s: it needs %d fuel for the call, and %d with what follows; on %s %d", engine, got[0], got[1], engines[0], want)
				}
			}
		})
	}
}

// TestFuelOfTimers: a call that starts or cancels a timer, or calls a function, needs the
// same fuel on each engine.
func TestFuelOfTimers(t *testing.T) {
	house := newHouse(t)
	engines := []string{wazero.Name, interpreter}
	if wasmtime.Available {
		engines = append(engines, wasmtime.Name)
	}
	for name, message := range map[string]string{
		"a timer":              "a\x05\x00\x00\x00\x00\x00\x00\x00hello",
		"a larger timer":       "a\x05\x00\x00\x00\x00\x00\x00\x00" + strings.Repeat("x", 9000),
		"a refused timer":      "a\xff\xff\xff\xff\xff\xff\xff\xffhello",
		"a canceled timer":     "q\x01\x00\x00\x00\x00\x00\x00\x00",
		"a function":           "j\x01fan argument",
		"functions":            "m\x04j\x01fx\x04j\x01gy",
		"timers and a message": "m\x09a\x05\x00\x00\x00\x00\x00\x00\x00\x09q\x01\x00\x00\x00\x00\x00\x00\x00\x05s\x01xhi",
	} {
		want := leastFuelOfActor(t, house, engines[0], message)
		for _, engine := range engines[1:] {
			if got := leastFuelOfActor(t, house, engine, message); got != want {
				t.Errorf("%s: it needs %d fuel on %s, and %d on %s", name, got, engine, want, engines[0])
			}
		}
	}
}

// leastFuelOfActor is the least fuel with which a call of the suite's actor succeeds.
func leastFuelOfActor(t *testing.T, house *house, engine, message string) int {
	t.Helper()
	const most = 200_000
	c, err := house.engine(engine).Compile(t.Context(), enginetest.ActorWasm(), core.Limits{Fuel: most}.WithDefaults())
	check(t, err)
	services := &enginetest.Services{Timer: 7, Running: true}
	if message[1] == 0xff {
		services.Err = core.ErrInvalidArgument
	}
	return sort.Search(most, func(fuel int) bool {
		env := core.Environment{ID: id("t/one"), Host: services, Timers: services, Functions: services, Limits: core.Limits{Fuel: uint64(fuel + 1)}.WithDefaults()}
		in, err := c.Instantiate(t.Context(), env)
		if err != nil {
			return outOfFuel(t, err)
		}
		defer in.Close()
		return outOfFuel(t, in.HandleMessage(id("t/two"), []byte(message), nil))
	})
}

// leastFuel is the least fuel with which a call of a player succeeds, or with which also
// the next one does.
func leastFuel(t *testing.T, house *house, engine string, s script, next bool) int {
	t.Helper()
	return leastFuelFor(t, house, engine, core.Source{Code: playerWasm}, func(in core.Instance, l *core.Ledger) error {
		err := in.Initialize([]core.ConfigPair{{Key: "t", Value: "t/two"}, {Key: "t", Value: "t/xxx"}})
		credit := &core.Credit{Target: "t/two", Messages: true, MaxSize: 1000}
		for i := 0; i < 3 && err == nil; i++ { // a credit may be used only when it comes again
			if l != nil {
				l.Sides[0] = core.Side{Instance: in, Credit: credit, Requests: []core.RequestID{7}}
				l.Open.Kind = core.TransferNone
			}
			message := make([]byte, len(s)+1)
			message[0] = '.'
			if i == 2 {
				message = append(s[:len(s):len(s)], '.')
			}
			err = in.HandleMessage(id("t/two"), message, nil)
		}
		if err == nil && next {
			err = in.HandleMessage(id("t/two"), []byte("."), nil)
		}
		return err
	})
}

// leastFuelFor is the least fuel with which a new instance can be used.
func leastFuelFor(t *testing.T, house *house, engine string, src core.Source, use func(core.Instance, *core.Ledger) error) int {
	t.Helper()
	const most = 200_000
	e := house.engine(strings.TrimSuffix(engine, asked))
	c, err := e.Compile(t.Context(), src, core.Limits{Fuel: most}.WithDefaults())
	check(t, err)
	return sort.Search(most, func(fuel int) bool {
		if fuel == 0 {
			return false // there would be no limit
		}
		host := &enginetest.Services{ID: 7}
		env := core.Environment{ID: id("t/one"), Host: host, Limits: core.Limits{Fuel: uint64(fuel)}.WithDefaults()}
		if engine == strings.TrimSuffix(engine, asked) {
			env.Ledger = core.NewLedger(func() *[]byte { return nil })
		}
		in, err := c.Instantiate(t.Context(), env)
		if err != nil {
			return outOfFuel(t, err)
		}
		defer in.Close()
		return outOfFuel(t, use(in, env.Ledger))
	})
}

// TestFuelOfState: save and restore need the same fuel on each engine, to the unit.
func TestFuelOfState(t *testing.T) {
	house := newHouse(t)
	for what, use := range map[string]func(core.Instance, *core.Ledger) error{
		"restore": func(in core.Instance, _ *core.Ledger) error {
			return in.(core.StateKeeper).Restore(make([]byte, 3000))
		},
		"save": func(in core.Instance, _ *core.Ledger) error {
			_, err := in.(core.StateKeeper).Save(nil)
			return err
		},
		"a message after save": func(in core.Instance, _ *core.Ledger) error {
			err := in.HandleMessage(id("t/two"), []byte("e"), nil)
			if err == nil {
				_, err = in.(core.StateKeeper).Save(nil)
			}
			if err == nil {
				err = in.HandleMessage(id("t/two"), []byte("e"), nil)
			}
			return err
		},
	} {
		want := leastFuelFor(t, house, wazero.Name, enginetest.ActorWasm(), use)
		engines := []string{interpreter}
		if wasmtime.Available {
			engines = append(engines, wasmtime.Name)
		}
		for _, engine := range engines {
			if got := leastFuelFor(t, house, engine, enginetest.ActorWasm(), use); got != want || got < 10 {
				t.Errorf("%s: it needs %d fuel on %s, and %d on wazero", what, got, engine, want)
			}
		}
	}
}

// outOfFuel reports whether err is nil; any error is that the fuel was used up.
func outOfFuel(t *testing.T, err error) bool {
	t.Helper()
	var trap *core.TrapError
	if err == nil {
		return true
	}
	if !errors.As(err, &trap) || trap.Kind != core.TrapFuel {
		t.Fatal(err)
	}
	return false
}
