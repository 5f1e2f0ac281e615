package parts_test

import (
	"errors"
	"os"
	"path"
	"reflect"
	"slices"
	"testing"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/parts"
)

func engines() []parts.Part[core.Engine] {
	var all []parts.Part[core.Engine]
	for _, e := range parts.Engines {
		all = append(all, e.Part)
	}
	return all
}

// TestTableIsWhole: each folder of an implementation has its entry, and each entry that
// is not left out makes the implementation of its folder.
func TestTableIsWhole(t *testing.T) {
	checkTable(t, "backends", engines())
	checkTable(t, "brokers", parts.Brokers)
	checkTable(t, "trackers", parts.Trackers)
}

func checkTable[P any](t *testing.T, folder string, table []parts.Part[P]) {
	t.Helper()
	var names []string
	for _, p := range table {
		if p.Name == "" || p.About == "" || slices.Contains(names, p.Name) {
			t.Errorf("%s: %q has no name of its own, or nothing about it: %q", folder, p.Name, p.About)
		}
		names = append(names, p.Name)
		if p.LeftOut != "" {
			continue
		}
		part, err := p.New(parts.Settings{})
		if err != nil {
			t.Errorf("%s/%s: %v", folder, p.Name, err)
			continue
		}
		if got, want := path.Base(reflect.TypeOf(part).Elem().PkgPath()), p.Name; got != want {
			t.Errorf("%s: the entry %s makes a part of package %s", folder, want, got)
		}
		checkEnd(t, part, p.Name)
	}
	entries, err := os.ReadDir("../../" + folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		// An executable stands for the parts of package plugin, which have no name.
		if e.IsDir() && e.Name() != "internal" && e.Name() != "plugin" && !slices.Contains(names, e.Name()) {
			t.Errorf("%s/%s is not in the table", folder, e.Name())
		}
	}
}

// checkEnd ends a part, and compares the name of an engine with its entry's.
func checkEnd(t *testing.T, part any, name string) {
	t.Helper()
	var err error
	switch part := part.(type) {
	case core.Engine:
		if part.Name() != name {
			t.Errorf("the engine %s calls itself %s", name, part.Name())
		}
		err = part.Close(t.Context())
	case core.Tracker:
		err = part.Close()
	}
	if err != nil {
		t.Errorf("%s: %v", name, err)
	}
}

// TestDefaults: the first of each kind is in every build.
func TestDefaults(t *testing.T) {
	for kind, reason := range map[string]string{
		"engine": parts.Engines[0].LeftOut, "broker": parts.Brokers[0].LeftOut, "tracker": parts.Trackers[0].LeftOut,
	} {
		if reason != "" {
			t.Errorf("the default %s is left out: %s", kind, reason)
		}
	}
}

// TestCaches: an engine that caches keeps compiled code in the directory that is set.
func TestCaches(t *testing.T) {
	for _, e := range parts.Engines {
		if e.LeftOut != "" || !e.Caches {
			continue
		}
		dir := t.TempDir()
		engine, err := e.New(parts.Settings{CacheDir: dir})
		if err != nil {
			t.Fatal(err)
		}
		code, err := os.ReadFile("../../examples/c-echo/echo.wasm")
		if err != nil {
			t.Fatal(err)
		}
		compiled, err := engine.Compile(t.Context(), core.Source{Code: code}, core.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(compiled.Close(t.Context()), engine.Close(t.Context())); err != nil {
			t.Error(err)
		}
		if kept, err := os.ReadDir(dir); err != nil || len(kept) == 0 {
			t.Errorf("%s keeps no compiled code: %v, %v", e.Name, kept, err)
		}
	}
}
