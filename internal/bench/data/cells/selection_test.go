package cells_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/airhost/airhost/internal/bench/data/cells"
)

func selection() cells.Selection {
	return cells.Selection{
		Engines: []string{"wazero", "native"}, Brokers: []string{"inproc", "channel"}, Trackers: []string{"slab"},
		Patterns: cells.Patterns(), Payloads: []int{64, 1024}, Modes: []cells.ModeName{cells.Latency, cells.Calls, cells.Throughput, cells.Load, cells.Cold, cells.Stages},
		Components: []int{2, 10}, Pairs: []int{1, 2}, Cores: []int{1, 2}, Loads: []int{50},
	}
}

func TestKeys(t *testing.T) {
	keys := selection().Keys()
	type kind struct {
		mode    cells.ModeName
		pattern cells.Pattern
	}
	count := make(map[kind]int)
	seen := make(map[cells.Key]bool)
	for _, key := range keys {
		count[kind{key.Mode, key.Pattern}]++
		if seen[key] {
			t.Errorf("%s is there twice", key)
		}
		seen[key] = true
	}
	// Engines × brokers × payloads, times the choices of the pattern and the mode.
	want := map[kind]int{
		{cells.Latency, cells.FireAndForget}: 8 * 4, {cells.Latency, cells.RequestResponse}: 8 * 2, {cells.Latency, cells.Call}: 8,
		{cells.Calls, cells.Call}:               8 * 3, // by part; pattern and components do not matter
		{cells.Throughput, cells.FireAndForget}: 8 * 4, {cells.Throughput, cells.RequestResponse}: 8 * 4, {cells.Throughput, cells.Call}: 8 * 4,
		{cells.Load, cells.FireAndForget}: 8 * 4, {cells.Load, cells.RequestResponse}: 8 * 2, {cells.Load, cells.Call}: 8 * 2,
		{cells.Stages, cells.FireAndForget}: 8 * 7, {cells.Stages, cells.RequestResponse}: 8 * 8, {cells.Stages, cells.Call}: 8 * 4,
		{cells.Cold, cells.Call}: 4 * 5, // broker and pattern do not matter
	}
	if diff := cmp.Diff(want, count); diff != "" {
		t.Errorf("cells by mode and pattern (-want +got):\n%s", diff)
	}
	if first := keys[0]; first.Engine != "wazero" || first.Broker != "inproc" || first.PayloadBytes != 64 || first.Pairs != 1 {
		t.Errorf("the first cell is %s, want the first of every list", first)
	}
}

// The measurements behind the parts must cancel out: the parts but the whole add up
// to the whole.
func TestStagesAddUpToTheWhole(t *testing.T) {
	for _, pattern := range cells.Patterns() {
		key := cells.Key{Engine: "e", Broker: "b", Tracker: "t", Pattern: pattern, PayloadBytes: 64, Mode: cells.Stages}
		parts := cells.MustFind(cells.Stages).Parts(pattern)
		sum := make(map[cells.Key]float64)
		for _, part := range parts {
			key.Part = part.Name
			sign := 1.0
			if part.Name == cells.Whole {
				sign = -1
			}
			for _, term := range cells.Terms(key) {
				sum[term.Key] += sign * term.Factor
			}
		}
		for base, factor := range sum {
			if factor != 0 {
				t.Errorf("%s: %v times %s is in the parts and not in the whole", pattern, factor, base)
			}
		}
		if len(sum) < len(parts)-2 {
			t.Errorf("%s: %d parts are found from %d measurements", pattern, len(parts), len(sum))
		}
	}
}

func TestTermsAreShared(t *testing.T) {
	tracker := func(engine, broker string) []cells.Term {
		return cells.Terms(cells.Key{
			Engine: engine, Broker: broker, Tracker: "slab", Pattern: cells.RequestResponse,
			PayloadBytes: 64, Mode: cells.Stages, Part: cells.Tracker,
		})
	}
	if a, b := tracker("wazero", "inproc"), tracker("native", "channel"); len(a) != 1 || a[0] != b[0] {
		t.Errorf("the tracker of two engines and brokers: got %v and %v, want the same measurement", a, b)
	}
	latency := cells.Key{Engine: "wazero", Pattern: cells.Call, Mode: cells.Latency}
	if got := cells.Terms(latency); len(got) != 1 || got[0] != (cells.Term{Key: latency, Factor: 1}) {
		t.Errorf("a latency cell: got %v, want itself", got)
	}
}

func TestUnit(t *testing.T) {
	for _, c := range []struct {
		key  cells.Key
		want string
	}{
		{cells.Key{Mode: cells.Latency}, cells.UnitNanoseconds},
		{cells.Key{Mode: cells.Load}, cells.UnitNanoseconds},
		{cells.Key{Mode: cells.Throughput}, cells.UnitPerSecond},
		{cells.Key{Mode: cells.Cold, Part: cells.Compile}, cells.UnitNanoseconds},
		{cells.Key{Mode: cells.Cold, Part: cells.Memory}, cells.UnitBytes},
	} {
		if got := cells.Unit(c.key); got != c.want {
			t.Errorf("%s: unit %s, want %s", c.key, got, c.want)
		}
	}
}

func TestCheck(t *testing.T) {
	cases := []struct {
		name   string
		change func(*cells.Selection)
		ok     bool
	}{
		{"as it is", func(*cells.Selection) {}, true},
		{"smallest payload", func(s *cells.Selection) { s.Payloads = []int{cells.MinPayload} }, true},
		{"too small a payload", func(s *cells.Selection) { s.Payloads = []int{64, cells.MinPayload - 1} }, false},
		{"no components", func(s *cells.Selection) { s.Components = []int{0} }, false},
		{"no pairs", func(s *cells.Selection) { s.Pairs = []int{1, -1} }, false},
		{"no cores", func(s *cells.Selection) { s.Cores = []int{0} }, false},
		{"no load", func(s *cells.Selection) { s.Loads = []int{0} }, false},
		{"full load", func(s *cells.Selection) { s.Loads = []int{100} }, true},
		{"more than full load", func(s *cells.Selection) { s.Loads = []int{101} }, false},
	}
	for _, c := range cases {
		s := selection()
		c.change(&s)
		if err := s.Check(); (err == nil) != c.ok {
			t.Errorf("%s: got %v, want ok to be %v", c.name, err, c.ok)
		}
	}
}

func TestTarget(t *testing.T) {
	pair := cells.Key{Pattern: cells.FireAndForget, PayloadBytes: 64, Mode: cells.Latency, Components: 2, Pairs: 1}
	with := func(change func(*cells.Key)) cells.Key {
		key := pair
		change(&key)
		return key
	}
	request := with(func(k *cells.Key) { k.Pattern, k.Components = cells.RequestResponse, 0 })
	call := with(func(k *cells.Key) { k.Pattern, k.Components, k.Pairs = cells.Call, 0, 0 })
	cases := []struct {
		key    cells.Key
		native bool
		want   float64 // 0: none
	}{
		{pair, false, 280}, {request, false, 560}, {call, false, 200},
		{pair, true, 140}, {request, true, 280}, {call, true, 100},
		{with(func(k *cells.Key) { k.PayloadBytes = 1024 }), false, 0},
		{with(func(k *cells.Key) { k.Components = 10 }), false, 0},
		{with(func(k *cells.Key) { k.Pairs = 2 }), false, 0},
	}
	for _, c := range cases {
		got, ok := cells.Target(c.key, c.native)
		if ok != (c.want != 0) || ok && got != c.want {
			t.Errorf("%s, native %v: got %v, %v; want %v", c.key, c.native, got, ok, c.want)
		}
	}
}

func TestTargetMultiple(t *testing.T) {
	key := func(engine string, pattern cells.Pattern, payload, components int) cells.Key {
		return cells.Key{Engine: engine, Pattern: pattern, PayloadBytes: payload, Mode: cells.Latency, Components: components}
	}
	for _, c := range []struct {
		key  cells.Key
		want float64 // 0: none
	}{
		{key("wazero", cells.FireAndForget, 64, 2), 1.2}, {key("wazero", cells.RequestResponse, 64, 0), 1.6}, {key("wazero", cells.Call, 64, 0), 4},
		{key("wasmtime", cells.FireAndForget, 64, 2), 1.3}, {key("wasmtime", cells.RequestResponse, 64, 0), 1.5}, {key("wasmtime", cells.Call, 64, 0), 3},
		{key("native", cells.FireAndForget, 64, 2), 3}, {key("native", cells.RequestResponse, 64, 0), 5}, {key("native", cells.Call, 64, 0), 6},
		{key("wazero", cells.FireAndForget, 1024, 2), 0}, {key("wazero", cells.FireAndForget, 64, 10), 0}, {key("process", cells.Call, 64, 0), 0},
	} {
		if got, ok := cells.TargetMultiple(c.key); ok != (c.want != 0) || got != c.want && ok {
			t.Errorf("%s: got %v, %v; want %v", c.key, got, ok, c.want)
		}
	}
}
