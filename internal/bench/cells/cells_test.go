package cells_test

import (
	"testing"

	"github.com/airhost/airhost/internal/bench/cells"
	"github.com/airhost/airhost/internal/bench/result"
)

func selection() cells.Selection {
	return cells.Selection{
		Engines: []string{"wazero", "native"}, Brokers: []string{"inproc", "channel"}, Trackers: []string{"slab"},
		Patterns: result.Patterns(), Payloads: []int{64, 1024}, Modes: result.Modes(),
		Components: []int{2, 10}, Pairs: []int{1, 2},
	}
}

func TestKeys(t *testing.T) {
	keys := selection().Keys()
	count := make(map[result.Pattern]int)
	seen := make(map[result.Key]bool)
	for _, key := range keys {
		count[key.Pattern]++
		if seen[key] {
			t.Errorf("%s is there twice", key)
		}
		seen[key] = true
	}
	// Engines × brokers × payloads, times what the pattern has of its own.
	want := map[result.Pattern]int{result.FireAndForget: 8 * 4, result.RequestResponse: 8 * 2, result.Call: 8}
	for pattern, n := range want {
		if count[pattern] != n {
			t.Errorf("%s: %d cells, want %d", pattern, count[pattern], n)
		}
	}
	if first := keys[0]; first.Engine != "wazero" || first.Broker != "inproc" || first.PayloadBytes != 64 || first.Pairs != 1 {
		t.Errorf("the first cell is %s, want the first of every list", first)
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
	pair := result.Key{Pattern: result.FireAndForget, PayloadBytes: 64, Mode: result.Latency, Components: 2, Pairs: 1}
	with := func(change func(*result.Key)) result.Key {
		key := pair
		change(&key)
		return key
	}
	request := with(func(k *result.Key) { k.Pattern, k.Components = result.RequestResponse, 0 })
	call := with(func(k *result.Key) { k.Pattern, k.Components, k.Pairs = result.Call, 0, 0 })
	cases := []struct {
		key    result.Key
		native bool
		want   float64 // 0: none
	}{
		{pair, false, 280}, {request, false, 560}, {call, false, 200},
		{pair, true, 140}, {request, true, 280}, {call, true, 100},
		{with(func(k *result.Key) { k.PayloadBytes = 1024 }), false, 0},
		{with(func(k *result.Key) { k.Components = 10 }), false, 0},
		{with(func(k *result.Key) { k.Pairs = 2 }), false, 0},
	}
	for _, c := range cases {
		got, ok := cells.Target(c.key, c.native)
		if ok != (c.want != 0) || ok && got != c.want {
			t.Errorf("%s, native %v: got %v, %v; want %v", c.key, c.native, got, ok, c.want)
		}
	}
}

func TestVerdict(t *testing.T) {
	cases := []struct {
		low, high float64
		want      result.Verdict
	}{
		{270, 279, result.Met}, {270, 280, result.Met}, {279, 281, result.Undecided},
		{280, 290, result.Undecided}, {280.1, 290, result.Missed},
	}
	for _, c := range cases {
		if got := cells.Verdict(c.low, c.high, 280); got != c.want {
			t.Errorf("%v to %v against 280: got %s, want %s", c.low, c.high, got, c.want)
		}
	}
}
