package relay_test

import (
	"bytes"
	"context"
	"log/slog"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/airhost/airhost/backends/native"
	"github.com/airhost/airhost/backends/process"
	"github.com/airhost/airhost/backends/wazero"
	"github.com/airhost/airhost/brokers/inproc"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/examples/counter"
	"github.com/airhost/airhost/examples/echo"
	"github.com/airhost/airhost/examples/relay"
	"github.com/airhost/airhost/trackers/slab"
)

// TestOnAllEngines runs the three components on three engines, as Go values, modules
// and executables, and sends a message through all of them.
func TestOnAllEngines(t *testing.T) {
	guests := t.TempDir()
	if report, err := exec.CommandContext(t.Context(), "../build.sh", guests).CombinedOutput(); err != nil {
		t.Fatalf("build.sh: %v\n%s", err, report)
	}
	module := func(name string) core.Source { return core.Source{Path: filepath.Join(guests, name+".wasm")} }
	t.Run("native", func(t *testing.T) {
		test(t, native.Name, native.Source(relay.New), native.Source(echo.New), native.Source(counter.New))
	})
	t.Run("wazero", func(t *testing.T) {
		test(t, "wazero", module("relay"), module("echo"), module("counter"))
	})
	t.Run("process", func(t *testing.T) {
		executable := func(name string) core.Source { return core.Source{Path: filepath.Join(guests, name)} }
		test(t, process.Name, executable("relay"), executable("echo"), executable("counter"))
	})
}

func test(t *testing.T, engine string, relay, echo, counter core.Source) {
	log := new(bytes.Buffer) // slog writes one entry at a time
	h := start(t, log)
	send, _ := core.ParseIDPattern("demo/counter")
	request, _ := core.ParseIDPattern("demo/echo")
	pairs := make([]core.ConfigPair, len(config))
	for i, pair := range config {
		pairs[i] = core.ConfigPair(pair)
	}
	limits := core.Limits{HandlerTime: time.Minute} // for the slowest machine
	for _, d := range []host.Deployment{
		{ID: core.MustComponentID("demo/echo"), Engine: engine, Source: echo, Limits: limits},
		{ID: core.MustComponentID("demo/counter"), Engine: engine, Source: counter, Limits: limits},
		{ID: core.MustComponentID("demo/relay"), Engine: engine, Source: relay, Config: pairs, Limits: limits, Capabilities: host.Capabilities{
			Send: []core.IDPattern{send}, Request: []core.IDPattern{request},
		}},
	} {
		if err := h.Deploy(t.Context(), d); err != nil {
			t.Fatalf("deploy %s: %v", d.ID, err)
		}
	}
	ask(t, h, "demo/relay", "hello", "asked demo/echo")
	if err := h.Quiesce(t.Context()); err != nil {
		t.Fatal(err)
	}
	ask(t, h, "demo/counter", "get", "1")
	if err := h.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, entry := range []string{`airhost/host says \"hello\"`, `demo/echo answered request`, `message 1, from demo/relay: \"hello\"`, "counted to 1"} {
		if !strings.Contains(log.String(), entry) {
			t.Errorf("the log has no %s:\n%s", entry, log)
		}
	}
}

func ask(t *testing.T, h *host.Host, target, payload, want string) {
	t.Helper()
	response, err := h.Request(t.Context(), core.MustComponentID(target), []byte(payload))
	if err != nil || string(response) != want {
		t.Errorf("%s answered %q, %v, want %q", target, response, err, want)
	}
}

func start(t *testing.T, log *bytes.Buffer) *host.Host {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	goValues, err := native.New(native.Config{})
	must(err)
	modules, err := wazero.New(wazero.Config{})
	must(err)
	processes, err := process.New(process.Config{Logger: slog.New(slog.DiscardHandler)})
	must(err)
	broker, err := inproc.New(inproc.Config{})
	must(err)
	tracker, err := slab.New(slab.Config{})
	must(err)
	h, err := host.New(host.Config{Logger: slog.New(slog.NewTextHandler(log, nil))}, broker, tracker, goValues, modules, processes)
	must(err)
	must(h.Start(t.Context()))
	t.Cleanup(func() { _ = modules.Close(context.Background()) })
	return h
}
