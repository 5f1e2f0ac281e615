package service

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// AtOnce calls do with each of the first n indices, in order, as many at a time as there
// are processors.
func AtOnce(n int, do func(i int)) {
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
