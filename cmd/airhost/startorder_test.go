package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/config"
)

func TestAtOnceDoesEachOnce(t *testing.T) {
	for _, n := range []int{0, 1, 100} {
		done := make([]atomic.Int32, n)
		atOnce(n, func(i int) { done[i].Add(1) })
		for i := range done {
			if got := done[i].Load(); got != 1 {
				t.Errorf("%d of %d was done %d times", i, n, got)
			}
		}
	}
}

// TestStartOrder: a component starts after those before it to which it may send, and
// no component waits for one that comes after it.
func TestStartOrder(t *testing.T) {
	components := make([]config.Component, 50)
	for i := range components {
		c := &components[i]
		id, err := core.ParseComponentID(fmt.Sprintf("%c/c%d", 'a'+i%3, i))
		if err != nil {
			t.Fatal(err)
		}
		c.ID = id
		for _, pattern := range []string{"a/*", fmt.Sprintf("b/c%d", i/3*3-2), "c/c49"} {
			p, err := core.ParseIDPattern(pattern)
			if err == nil && i%2 == 0 {
				c.Capabilities.Send = append(c.Capabilities.Send, p)
			} else if err == nil && i%5 == 0 {
				c.Capabilities.Request = append(c.Capabilities.Request, p)
			}
		}
	}
	order := newStartOrder(components)
	var mu sync.Mutex
	started := make([]bool, len(components))
	atOnce(len(components), func(i int) {
		defer order.started(i)
		if err := order.wait(t.Context(), i); err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		granted := slices.Concat(components[i].Capabilities.Send, components[i].Capabilities.Request)
		for j := range i {
			sends := slices.ContainsFunc(granted, func(p core.IDPattern) bool { return p.Matches(components[j].ID) })
			if sends && !started[j] {
				t.Errorf("%s has started before %s", components[i].ID, components[j].ID)
			}
		}
		started[i] = true
	})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := newStartOrder(components).wait(ctx, 49); err != context.Canceled {
		t.Errorf("got %v, want that it gave up", err)
	}
}
