package enginetest

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/airhost/airhost/backends/wazero"
	"github.com/airhost/airhost/core"
)

// flawedWasm is an engine for WebAssembly with one flaw.
type flawedWasm struct {
	core.Engine
	flaw string
}

func (e *flawedWasm) Compile(ctx context.Context, src core.Source, limits core.Limits) (core.Component, error) {
	if e.flaw == "no limits" {
		limits = core.Limits{Memory: 1 << 30, TableElements: 1 << 20}
	}
	c, err := e.Engine.Compile(ctx, src, limits)
	if err != nil && e.flaw == "vague errors" {
		err = errors.New("something is wrong")
	}
	return &flawedComponent{c, e.flaw}, err
}

type flawedComponent struct {
	core.Component
	flaw string
}

func (c *flawedComponent) Traits() core.Traits {
	traits := c.Component.Traits()
	if c.flaw == "claims nothing" {
		traits.Enforces = 0
	}
	return traits
}

func (c *flawedComponent) Instantiate(ctx context.Context, env core.Environment) (core.Instance, error) {
	env.Host = &flawedServices{env.Host, c.flaw}
	if c.flaw == "no word of the end" {
		env.Ended = nil
	}
	in, err := c.Component.Instantiate(ctx, env)
	return &flawedInstance{in, c.flaw}, flawedError(err, c.flaw)
}

// flawedError gives every trap a kind that no hostile guest causes.
func flawedError(err error, flaw string) error {
	var trap *core.TrapError
	switch {
	case !errors.As(err, &trap):
		return err
	case flaw == "traps say nothing":
		return &core.TrapError{Kind: trap.Kind, Text: "it ended"}
	case flaw != "traps have the wrong kind":
		return err
	}
	kinds := []core.TrapKind{core.TrapStack, core.TrapABI, core.TrapHandler, core.TrapFault, core.TrapFuel}
	return &core.TrapError{Kind: kinds[trap.Kind], Text: trap.Text, Details: trap.Details}
}

type flawedServices struct {
	core.Services
	flaw string
}

func (s *flawedServices) Log(level core.LogLevel, message []byte) {
	if s.flaw != "no logs" {
		s.Services.Log(level, message)
	}
}

type flawedInstance struct {
	core.Instance
	flaw string
}

func (in *flawedInstance) HandleMessage(sender core.ComponentID, message []byte, response *[]byte) error {
	if in.flaw == "handles all twice" {
		_ = in.Instance.HandleMessage(sender, message, nil)
	}
	err := in.Instance.HandleMessage(sender, message, response)
	if response != nil && in.flaw == "responses are always the same" {
		*response = []byte("same")
	}
	return flawedError(err, in.flaw)
}

func (in *flawedInstance) HandleCallback(id core.RequestID, response []byte, failure *core.RequestError) error {
	return flawedError(in.Instance.HandleCallback(id, response, failure), in.flaw)
}

func (in *flawedInstance) Save(dst []byte) ([]byte, error) {
	keeper := in.Instance.(core.StateKeeper)
	if in.flaw == "saves all twice" {
		_, _ = keeper.Save(nil)
	}
	state, err := keeper.Save(dst)
	return state, flawedError(err, in.flaw)
}

func (in *flawedInstance) Restore(state []byte) error {
	if in.flaw == "restores nothing" {
		return nil
	}
	return flawedError(in.Instance.(core.StateKeeper).Restore(state), in.flaw)
}

func (in *flawedInstance) Initialize(config []core.ConfigPair) error {
	return flawedError(in.Instance.Initialize(config), in.flaw)
}

func (in *flawedInstance) Health() (core.HealthStatus, error) {
	status, err := in.Instance.Health()
	return status, flawedError(err, in.flaw)
}

// wasmFlaws has the flaw that the test of each promise of RunWasm must find.
var wasmFlaws = map[string]string{
	"enforces":          "claims nothing",
	"refused-modules":   "vague errors",
	"declared-sizes":    "no limits",
	"memory-limit":      "no limits",
	"table-limit":       "no limits",
	"fuel":              "traps have the wrong kind",
	"stack":             "traps have the wrong kind",
	"versioned-imports": "responses are always the same",
	"start-order":       "responses are always the same",
	"start-trap":        "traps have the wrong kind",
	"start-interrupt":   "traps have the wrong kind",
	"start-sends":       "traps have the wrong kind",
	"handler-time":      "traps have the wrong kind",
	"start-time":        "traps have the wrong kind",
	"wall-time":         "traps have the wrong kind",
	"collect":           "traps have the wrong kind",
	"stderr":            "no logs",
	"stdout":            "no logs",
	"last-lines":        "no logs",
	"last-words":        "traps say nothing",
	"cause-memory":      "traps say nothing",
	"cause-place":       "traps say nothing",
	"cause-fuel":        "traps say nothing",
	"exit":              "traps have the wrong kind",
	"sleep":             "traps have the wrong kind",
	"clock":             "responses are always the same",
	"random":            "responses are always the same",
	"files":             "responses are always the same",
	"nothing":           "responses are always the same",
	"results":           "traps have the wrong kind",
	"arguments":         "traps have the wrong kind",
	"realloc":           "traps have the wrong kind",
	"realloc-calls":     "traps have the wrong kind",
	"post-return-calls": "traps have the wrong kind",
	"within-service":    "traps have the wrong kind",
	"within-call":       "traps have the wrong kind",
	"call-time":         "traps have the wrong kind",
	"moves":             "responses are always the same",
	"aliases":           "responses are always the same",
	"upper-bits":        "responses are always the same",
	"unknown-health":    "traps have the wrong kind",
	"log-bytes":         "no logs",
	"bulk":              "traps have the wrong kind",

	"wasi2-clocks":    "responses are always the same",
	"wasi2-random":    "responses are always the same",
	"wasi2-output":    "no logs",
	"wasi2-poll":      "responses are always the same",
	"wasi2-sleep":     "traps have the wrong kind",
	"wasi2-nothing":   "responses are always the same",
	"wasi2-http":      "responses are always the same",
	"wasi2-exchange":  "responses are always the same",
	"wasi2-exit":      "traps say nothing",
	"wasi2-attacks":   "traps say nothing",
	"http-request":    "responses are always the same",
	"http-instances":  "handles all twice",
	"http-unanswered": "responses are always the same",
	"http-attacks":    "traps say nothing",
	"http-interrupt":  "traps have the wrong kind",

	"order-advance":       "handles all twice",
	"order-callback":      "handles all twice",
	"order-resize":        "handles all twice",
	"order-empty":         "responses are always the same",
	"order-bounded":       "responses are always the same",
	"order-advance-fails": "traps have the wrong kind",
	"order-advance-ended": "no word of the end",
	"order-advance-moves": "responses are always the same",

	"state-order":       "saves all twice",
	"state-open":        "responses are always the same",
	"state-empty":       "restores nothing",
	"state-results":     "traps have the wrong kind",
	"state-realloc":     "traps have the wrong kind",
	"state-post-return": "traps have the wrong kind",
	"state-moves":       "restores nothing",
}

// wasmHarness returns the harness of an engine with a flaw.
func wasmHarness(flaw string) Harness {
	return Harness{
		Actor: ActorWasm(), Responder: ResponderWasm(),
		New: func() (core.Engine, error) {
			engine, err := wazero.New(wazero.Config{})
			return &flawedWasm{engine, flaw}, err
		},
	}
}

// TestClaimsAreTried: Run tests the limits that an engine for WebAssembly claims to
// enforce.
func TestClaimsAreTried(t *testing.T) {
	for _, p := range limitPromises {
		if failures := failuresOf(p, wasmHarness(""), 10*time.Second); len(failures) > 0 {
			t.Errorf("%s: a sound engine fails: %q", p.name, failures)
		}
		if p.name == "enforces-memory" || p.name == "enforces-table-elements" {
			if len(failuresOf(p, wasmHarness("no limits"), 10*time.Second)) == 0 {
				t.Errorf("%s: an engine that keeps no limits passes", p.name)
			}
		}
	}
}

func TestWasmSuiteSeesEachBrokenPromise(t *testing.T) {
	for _, p := range slices.Concat(wasmPromises, wasiPromises, wasi2Promises, httpPromises, wordsPromises, hostilePromises, orderPromises, wasmStatePromises) {
		flaw := wasmFlaws[p.name]
		if flaw == "" || len(failuresOf(p, wasmHarness(flaw), 10*time.Second)) == 0 {
			t.Errorf("%s: an engine with the flaw %q passes", p.name, flaw)
		}
	}
}
