package main

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/config"
)

// atOnce calls do with each of the first n indices, in order, as many at a time as there
// are processors.
func atOnce(n int, do func(i int)) {
	var next atomic.Int64
	var all sync.WaitGroup
	for range min(n, runtime.GOMAXPROCS(0)) {
		all.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				do(i)
			}
		})
	}
	all.Wait()
}

// startOrder makes a component start after those components before it in the file to
// which it may send: a guest may send already in its initialize.
type startOrder struct {
	components []config.Component
	ended      []chan struct{} // closed when the start of a component has ended
}

func newStartOrder(components []config.Component) *startOrder {
	o := &startOrder{components, make([]chan struct{}, len(components))}
	for i := range o.ended {
		o.ended[i] = make(chan struct{})
	}
	return o
}

func (o *startOrder) started(i int) { close(o.ended[i]) }

func (o *startOrder) wait(ctx context.Context, i int) error {
	granted := o.components[i].Capabilities
	for j, earlier := range o.components[:i] {
		matches := func(p core.IDPattern) bool { return p.Matches(earlier.ID) }
		if !slices.ContainsFunc(granted.Send, matches) && !slices.ContainsFunc(granted.Request, matches) {
			continue
		}
		select {
		case <-o.ended[j]:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return ctx.Err()
}
