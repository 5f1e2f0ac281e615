package cells_test

import (
	"testing"

	"github.com/airhost/airhost/internal/bench/data/cells"
)

func TestKeyNamesWhatVaries(t *testing.T) {
	key := func(pattern cells.Pattern) cells.Key {
		return cells.Key{
			Engine: "wazero", Broker: "inproc", Tracker: "slab",
			Pattern: pattern, PayloadBytes: 64, Mode: cells.Latency,
		}
	}
	with := func(set func(*cells.Key)) cells.Key {
		k := key(cells.Call)
		set(&k)
		return k
	}
	for want, k := range map[string]cells.Key{
		"wazero/inproc/slab/call/64B/latency": key(cells.Call),
		"wazero/inproc/slab/fire-and-forget/64B/latency/components=3/pairs=2": with(func(k *cells.Key) {
			k.Pattern, k.Components, k.Pairs = cells.FireAndForget, 3, 2
		}),
		"wazero/inproc/slab/call/64B/throughput/components=10/cores=2": with(func(k *cells.Key) {
			k.Mode, k.Components, k.Cores = cells.Throughput, 10, 2
		}),
		"wazero/inproc/slab/call/64B/load/load=50%": with(func(k *cells.Key) { k.Mode, k.LoadPercent = cells.Load, 50 }),
		"wazero/call/64B/cold/compile": with(func(k *cells.Key) {
			k.Broker, k.Tracker, k.Mode, k.Part = "", "", cells.Cold, "compile"
		}),
	} {
		if got := k.String(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
