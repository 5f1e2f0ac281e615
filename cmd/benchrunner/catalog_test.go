package main

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/airhost/airhost/internal/natstest"
)

// TestCatalogIsWhole: each name that can be chosen is a part that can be measured, or is
// left out for a reason; and each engine that runs components in this process has a
// floor.
func TestCatalogIsWhole(t *testing.T) {
	c := catalog(slog.New(slog.DiscardHandler))
	for _, name := range engineNames {
		engine, found := c.Engines[name]
		if found == (c.LeftOut[name] != "") {
			t.Errorf("engine %s: found %v, left out for %q", name, found, c.LeftOut[name])
		}
		if found && engine.Guest == nil {
			t.Errorf("engine %s has no guest", name)
		}
		if found && !engine.OutOfProcess && engine.Floor == nil {
			t.Errorf("engine %s has no floor", name)
		}
	}
	for _, name := range brokerNames {
		if _, found := c.Brokers[name]; found == (c.LeftOut[name] != "") {
			t.Errorf("broker %s: found %v, left out for %q", name, found, c.LeftOut[name])
		}
	}
	for _, name := range trackerNames {
		if _, found := c.Trackers[name]; found == (c.LeftOut[name] != "") {
			t.Errorf("tracker %s: found %v, left out for %q", name, found, c.LeftOut[name])
		}
	}
}

// TestNATSCells: with the address of a server, cells with the broker nats are measured, and
// without a server there they fail.
func TestNATSCells(t *testing.T) {
	s := natstest.Serve(t, &server.Options{})
	t.Setenv(natsVariable, s.ClientURL())
	measure := func() (code int, out string) {
		var both bytes.Buffer
		code = run(t.Context(), strings.Fields("run --engine native --broker nats --pattern call --samples 2 --interval 0 --sample-time 0 --sample-ops 50 --total-ops 0 --warmup 1ms"), &both, &both)
		return code, both.String()
	}
	if code, out := measure(); code != exitDone || strings.Contains(out, "left out") || !strings.Contains(out, "nats") {
		t.Errorf("exit code %d, %s", code, out)
	}
	t.Setenv(natsVariable, "nats://127.0.0.1:1")
	if code, out := measure(); code == exitDone || !strings.Contains(out, "no connection to nats://127.0.0.1:1") {
		t.Errorf("without a server: exit code %d, %s", code, out)
	}
}
