package allengines

import (
	"context"
	_ "embed"
	"log/slog"
	"testing"
	"time"

	"github.com/airhost/airhost/backends/wasmtime"
	"github.com/airhost/airhost/backends/wazero"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/reach/secret"
)

// settingsWasm asks for settings as its messages say: see testdata/settings.c.
//
//go:embed testdata/settings.wasm
var settingsWasm []byte

// TestSettings: a guest gets the configuration and the secrets of its component by all names of
// wasi:config, and by the function of the host, on every engine.
func TestSettings(t *testing.T) {
	for _, engine := range wasmEngines() {
		t.Run(engine, func(t *testing.T) {
			open := func() (core.Engine, error) { return wazero.New(wazero.Config{}) }
			if engine == wasmtime.Name {
				open = func() (core.Engine, error) { return wasmtime.New(wasmtime.Config{}) }
			}
			broker, err := newInproc()
			check(t, err)
			tracker, err := newSlab()
			check(t, err)
			e, err := open()
			check(t, err)
			h, err := host.New(host.Config{Logger: slog.New(slog.DiscardHandler)}, broker, tracker, e)
			check(t, err)
			check(t, h.Start(context.Background()))
			t.Cleanup(func() { check(t, h.Stop(context.Background())); check(t, e.Close(context.Background())) })
			d := host.Deployment{
				ID: id("t/s"), Engine: engine, Source: core.Source{Code: settingsWasm}, Limits: core.Limits{HandlerTime: time.Minute},
				Config: []core.ConfigPair{{Key: "limit", Value: "3"}, {Key: "empty", Value: ""}},
			}
			check(t, h.Deploy(t.Context(), d))
			asks(t, h, "dlimit", "V3", "rempty", "V", "okey", "N", "a", "limit=3 empty= ", "skey", "E0airhost/secret: the component has no secrets")
			t.Setenv("AIRHOST_TEST_KEY", "s3cr3t")
			d.Secrets = []host.Secret{{Key: "key", Source: secret.Env("AIRHOST_TEST_KEY")}}
			check(t, h.Replace(t.Context(), d))
			asks(t, h, "dkey", "Vs3cr3t", "rkey", "Vs3cr3t", "okey", "Vs3cr3t", "dlimit", "V3", "dnone", "N",
				"a", "limit=3 empty= key=s3cr3t ", "skey", "Vs3cr3t", "slimit", "E1the component has no secret limit")
			if _, err := h.Request(within(t), id("t/s"), []byte("d\xff")); err == nil {
				t.Error("a key that is not UTF-8 is taken")
			}
		})
	}
}

func asks(t *testing.T, h *host.Host, pairs ...string) {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		answer, err := h.Request(within(t), id("t/s"), []byte(pairs[i]))
		if string(answer) != pairs[i+1] || err != nil {
			t.Errorf("%q: got %q, %v, want %q", pairs[i], answer, err, pairs[i+1])
		}
	}
}
