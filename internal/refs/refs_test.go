package refs

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/airhost/airhost/core"
)

// TestClose: an object is not freed while it is in use, it is freed once, and it
// cannot be acquired after it was closed.
func TestClose(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	var engine Count
	component := Count{Of: &engine}
	freed := 0
	free := func() error { freed++; return nil }
	for range 2 {
		if err := component.Acquire(); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []*Count{&component, &engine} {
		err := c.Close(ended, free)
		if !errors.Is(err, core.ErrInUse) || !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), ": 2)") {
			t.Errorf("in use: got %v", err)
		}
	}
	component.Release()
	component.Release()
	if err := component.Close(ended, free); err != nil || freed != 1 {
		t.Errorf("free: got %v, freed %d times", err, freed)
	}
	if err := component.Acquire(); err != core.ErrClosed {
		t.Errorf("closed: got %v", err)
	}
	if err := errors.Join(engine.Close(ended, free), engine.Close(ended, free)); err != nil || freed != 2 {
		t.Errorf("closing twice: got %v, freed %d times", err, freed)
	}
}

// TestCloseAtAnyTime closes an object while users come and go. No user sees it
// freed.
func TestCloseAtAnyTime(t *testing.T) {
	for range 200 {
		var c Count
		var freed atomic.Int32
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				for range 20 {
					if c.Acquire() != nil {
						return
					}
					if freed.Load() != 0 {
						t.Error("freed in use")
					}
					c.Release()
				}
			})
			all.Go(func() {
				if err := c.Close(t.Context(), func() error { freed.Add(1); return nil }); err != nil || freed.Load() != 1 {
					t.Errorf("got %v, freed %d times", err, freed.Load())
				}
			})
		}
		all.Wait()
	}
}
