package cells

import (
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// A mode that lacks any of its faces does not get into the table.
func TestIncompleteModeIsRefused(t *testing.T) {
	for _, mode := range modes {
		fields := reflect.TypeOf(mode)
		for i := range fields.NumField() {
			field := fields.Field(i)
			incomplete := mode
			reflect.ValueOf(&incomplete).Elem().Field(i).SetZero()
			err := incomplete.check()
			if slices.Contains(optional, field.Name) {
				if err != nil {
					t.Errorf("mode %s without %s: got %v, want none: it is optional", mode.Name, field.Name, err)
				}
				continue
			}
			if err == nil || !strings.Contains(err.Error(), field.Name) {
				t.Errorf("mode %s without %s: got %v, want an error that names it", mode.Name, field.Name, err)
			}
			if !panics(func() { complete(latency, incomplete) }) {
				t.Errorf("mode %s without %s: it gets into the table", mode.Name, field.Name)
			}
		}
	}
	if !panics(func() { complete(latency, latency) }) {
		t.Error("the same mode twice: it gets into the table")
	}
}

func panics(f func()) (did bool) {
	defer func() { did = recover() != nil }()
	f()
	return false
}

func TestUnknownMode(t *testing.T) {
	if mode, err := Find("lateness"); err == nil {
		t.Errorf("got mode %s, want an error", mode.Name)
	}
	if !panics(func() { MustFind("lateness") }) {
		t.Error("MustFind of an unknown mode: got no panic")
	}
	key := Key{Engine: "wazero", Pattern: Call, PayloadBytes: 64, Mode: "lateness"}
	if err := key.Check(); err == nil {
		t.Error("a key of an unknown mode: got no error")
	}
	if err := (Selection{Modes: []ModeName{Latency, "lateness"}}).Check(); err == nil {
		t.Error("a selection of an unknown mode: got no error")
	}
}

// The keys that a mode makes of a selection are valid.
func TestVariedKeysAreValid(t *testing.T) {
	s := Selection{
		Engines: []string{"wazero"}, Brokers: []string{"inproc"}, Trackers: []string{"slab"},
		Patterns: Patterns(), Payloads: []int{64}, Modes: ModeNames(),
		Components: []int{2, 10}, Pairs: []int{1, 2}, Cores: []int{1, 2}, Loads: []int{50, 90},
	}
	found := make(map[ModeName]bool)
	for _, key := range s.Keys() {
		found[key.Mode] = true
		if err := key.Check(); err != nil {
			t.Errorf("%s: %v", key, err)
		}
	}
	for _, name := range ModeNames() {
		if !found[name] {
			t.Errorf("mode %s has no cells", name)
		}
	}
}

func TestModesAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../../../../docs/benchmarking.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range ModeNames() {
		if !strings.Contains(string(text), "\n| `"+string(name)+"` |") {
			t.Errorf("docs/benchmarking.md: the table of modes has no row of %s", name)
		}
	}
}
