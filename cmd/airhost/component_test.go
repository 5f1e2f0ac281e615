package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/airhost/airhost/internal/component/componenttest"
)

// TestWrapped: the component that scripts use is echo.wasm in the shape of toolchains. With UPDATE it is
// written anew.
func TestWrapped(t *testing.T) {
	guests := filepath.Join("testdata", "guests")
	core, err := os.ReadFile(filepath.Join(guests, "echo.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	path, want := filepath.Join(guests, "wrapped.wasm"), componenttest.Wrap(core)
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(path, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s is not what componenttest makes of echo.wasm (%v): UPDATE=1 go test ./cmd/airhost -run TestWrapped", path, err)
	}
}

// TestWithoutInterface: functions of a component that are in no interface have a line above them.
func TestWithoutInterface(t *testing.T) {
	r := moduleReport{Component: &componentReport{}, Exports: []moduleItem{{Name: "init", Kind: kindWIT, Type: "func()"}}}
	if text := r.text(); !bytes.Contains(text, []byte("\nexports\n  in no interface\n    init  func()\n")) {
		t.Errorf("got %s", text)
	}
}
