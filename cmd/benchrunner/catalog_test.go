package main

import (
	"log/slog"
	"testing"
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
