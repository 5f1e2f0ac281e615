package intl_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/airhost/airhost/backends/native"
	"github.com/airhost/airhost/backends/process"
	"github.com/airhost/airhost/brokers/inproc"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/examples/counter"
	"github.com/airhost/airhost/trackers/slab"
)

var (
	intlID    = core.MustComponentID("demo/intl")
	counterID = core.MustComponentID("demo/counter")
)

// TestIntl runs the component where Node.js and the component's packages are installed.
func TestIntl(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("Node.js is not installed: apt-get install nodejs npm")
	}
	if _, err := os.Stat("node_modules"); err != nil {
		t.Skip("its packages are not installed: npm ci in examples/js-intl")
	}
	counters, err := core.ParseIDPattern(counterID.String())
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	h := startHost(t, &log)
	deploy(t, h, host.Deployment{ID: counterID, Engine: native.Name, Source: native.Source(counter.New)})
	deploy(t, h, host.Deployment{
		ID: intlID, Engine: process.Name,
		Source: process.Source(process.Command{
			Path: "intl.mjs", Env: []string{"PATH=" + filepath.Dir(node)},
		}),
		Config:       []core.ConfigPair{{Key: "notify", Value: counterID.String()}},
		Capabilities: host.Capabilities{Send: []core.IDPattern{counters}},
		Limits:       core.Limits{HandlerTime: time.Minute, StartTime: time.Minute},
	})
	response, err := h.Request(t.Context(), intlID, []byte(`{"locale": "de", "number": 1234567.5}`))
	if err != nil || string(response) != "1.234.567,5" {
		t.Errorf("got %q, %v, want 1.234.567,5", response, err)
	}
	_, err = h.Request(t.Context(), intlID, []byte("no JSON"))
	if !errors.Is(err, core.ErrRequestFailed) || !strings.Contains(err.Error(), "invalid-message") {
		t.Errorf("what is no JSON: %v", err)
	}
	if err := h.Stop(context.Background()); err != nil {
		t.Error(err)
	}
	if !strings.Contains(log.String(), "demo/intl runs on Node.js") {
		t.Errorf("log: %s, want what it printed", log.String())
	}
	if s := h.Snapshot(); s.Handled < 3 || s.Traps > 0 || len(s.Refused) > 0 {
		t.Errorf("counters: %+v, want three messages handled, one of them the counter's", s)
	}
}

func startHost(t *testing.T, log *bytes.Buffer) *host.Host {
	t.Helper()
	logger := slog.New(slog.NewTextHandler(log, nil))
	broker, _ := inproc.New(inproc.Config{})
	tracker, _ := slab.New(slab.Config{})
	processes, _ := process.New(process.Config{Logger: logger})
	values, _ := native.New(native.Config{})
	h, err := host.New(host.Config{Logger: slog.New(slog.DiscardHandler), RequestTimeout: time.Minute}, broker, tracker, processes, values)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return h
}

func deploy(t *testing.T, h *host.Host, d host.Deployment) {
	t.Helper()
	if err := h.Deploy(t.Context(), d); err != nil {
		t.Fatal(err)
	}
}
