package service

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/airhost/airhost/admin"
)

// TestWatchIncluded: a file that include begins or ceases to match is seen, and so is a change of it.
func TestWatchIncluded(t *testing.T) {
	f := newFolder(t)
	s := f.serve("include: [plugins/*.yaml]\ncomponents: [{id: a/b, source: echo.wasm}]")
	ctx, cancel := context.WithCancel(t.Context())
	seen, ended := make(chan struct{}), make(chan error)
	go func() { ended <- s.Watch(ctx, func() { seen <- struct{}{} }) }()
	for i, change := range []func(){
		func() {
			if err := os.Mkdir(f.file("plugins"), 0o700); err != nil {
				t.Fatal(err)
			}
			f.write("plugins/c.yaml", "components: [{id: a/c, source: ../echo.wasm}]")
		},
		func() { f.write("plugins/c.yaml", "components: [{id: a/c, source: ../echo.wasm, quota: {burst: 3}}]") },
		func() { f.write("plugins/d.yaml", "components: [{id: a/d, source: ../echo.wasm}]") },
		func() {
			if err := os.Remove(f.file("plugins/d.yaml")); err != nil {
				t.Fatal(err)
			}
		},
	} {
		change()
		select {
		case <-seen:
		case <-time.After(10 * time.Second):
			t.Fatalf("change %d was not seen", i)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestApplyIncluded: components of an included file come and go with it, and a mistake in it is
// in its place there.
func TestApplyIncluded(t *testing.T) {
	f := newFolder(t)
	const main = "include: [c*.yaml]\ndefaults: {quota: {burst: 5}}\ncomponents: [{id: a/b, source: echo.wasm}]"
	s := f.serve(main)
	f.write("c.yaml", "defaults: {config: {token: '${HOME}'}}\ncomponents: [{id: a/c, source: echo.wasm}]")
	same(t, f.apply(s, main), "add a/c")
	f.write("c.yaml", "components: [{id: a/c, source: echo.wasm, quota: {burst: 6}, config: {token: x}}]")
	got, err := s.Apply(t.Context(), admin.ApplyRequest{}, func(admin.Progress) {})
	if err != nil {
		t.Fatal(err)
	}
	want := []admin.Difference{{Path: "config.token", Old: "…", New: "…"}, {Path: "quota.burst", Old: "5", New: "6"}}
	if d := got.Changes[0].Differences; len(d) != 2 || d[0] != want[0] || d[1] != want[1] {
		t.Errorf("got the differences %v, want %v", d, want)
	}
	f.write("c.yaml", "components: [{id: a/c, source: trap.nowhere}]")
	_, err = s.Apply(t.Context(), admin.ApplyRequest{}, func(admin.Progress) {})
	refused, ok := err.(*admin.Error)
	if !ok || refused.Place == nil || refused.Place.File != f.file("c.yaml") || refused.Place.Path != "components[0].source" {
		t.Errorf("got %v, want a mistake in c.yaml", err)
	}
	if err := os.Remove(f.file("c.yaml")); err != nil {
		t.Fatal(err)
	}
	same(t, f.apply(s, main), "remove a/c")
}
