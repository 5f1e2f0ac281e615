//go:build cgo && (linux || darwin) && (amd64 || arm64)

package wasmtime_test

import (
	"testing"
	"time"

	"github.com/airhost/airhost/backends/wasmtime"
	"github.com/airhost/airhost/core"
)

// TestGuestsAreStoppedAfterARest: the engine's clock rests after a second without use. A guest that
// then runs for ever must be stopped all the same.
func TestGuestsAreStoppedAfterARest(t *testing.T) {
	e := newEngine(t, wasmtime.Config{})
	c := compile(t, e, withBody(t, 0x03, 0x40, 0x0c, 0, 0x0b), core.Limits{HandlerTime: time.Millisecond}) // loop br 0 end
	for range 2 {
		in := instantiate(t, c, core.Environment{Host: sink{}, Limits: core.Limits{HandlerTime: time.Millisecond}.WithDefaults()})
		for !e.Resting() {
			<-time.After(10 * time.Millisecond)
		}
		trapOf(t, in.HandleMessage(core.MustComponentID("a/b"), nil, nil), core.TrapHandler)
		if e.Resting() {
			t.Error("it rests after a call")
		}
	}
}
