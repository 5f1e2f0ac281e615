package result_test

import (
	"testing"

	"github.com/airhost/airhost/internal/bench/data/result"
)

func TestKeyNamesWhatVaries(t *testing.T) {
	with := func(set func(*result.Key)) result.Key {
		k := key(result.Call)
		set(&k)
		return k
	}
	for want, k := range map[string]result.Key{
		"wazero/inproc/slab/call/64B/latency": key(result.Call),
		"wazero/inproc/slab/fire-and-forget/64B/latency/components=3/pairs=2": with(func(k *result.Key) {
			k.Pattern, k.Components, k.Pairs = result.FireAndForget, 3, 2
		}),
		"wazero/inproc/slab/call/64B/throughput/components=10/cores=2": with(func(k *result.Key) {
			k.Mode, k.Components, k.Cores = result.Throughput, 10, 2
		}),
		"wazero/inproc/slab/call/64B/load/load=50%": with(func(k *result.Key) { k.Mode, k.LoadPercent = result.Load, 50 }),
		"wazero/call/64B/cold/compile": with(func(k *result.Key) {
			k.Broker, k.Tracker, k.Mode, k.Part = "", "", result.Cold, "compile"
		}),
	} {
		if got := k.String(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
