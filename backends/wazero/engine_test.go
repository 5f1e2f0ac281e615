package wazero_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/airhost/airhost/backends/wazero"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/enginetest"
	"github.com/airhost/airhost/internal/component/componenttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// modes are wazero's two engines.
var modes = map[string]wazero.Config{
	"compiler":    {},
	"interpreter": {Interpreter: true},
}

func harness(config wazero.Config) enginetest.Harness {
	return enginetest.Harness{
		New:       func() (core.Engine, error) { return wazero.New(config) },
		Actor:     enginetest.ActorWasm(),
		Buckets:   enginetest.BucketsWasm(),
		Responder: enginetest.ResponderWasm(),
		Malformed: core.Source{Code: []byte("no WebAssembly")},
	}
}

func TestEngine(t *testing.T) {
	for name, config := range modes {
		t.Run(name, func(t *testing.T) { enginetest.Run(t, harness(config)) })
	}
}

// TestComponents runs the suite with guests that are components.
func TestComponents(t *testing.T) {
	h := harness(wazero.Config{})
	h.Actor.Code, h.Responder.Code = componenttest.Wrap(h.Actor.Code), componenttest.Wrap(h.Responder.Code)
	enginetest.Run(t, h)
}

func TestWasm(t *testing.T) {
	for name, config := range modes {
		t.Run(name, func(t *testing.T) { enginetest.RunWasm(t, harness(config)) })
	}
}
