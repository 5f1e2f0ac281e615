package service

import (
	"sync/atomic"
	"testing"
)

func TestAtOnceDoesEachOnce(t *testing.T) {
	for _, n := range []int{0, 1, 100} {
		done := make([]atomic.Int32, n)
		AtOnce(n, func(i int) { done[i].Add(1) })
		for i := range done {
			if got := done[i].Load(); got != 1 {
				t.Errorf("%d of %d was done %d times", i, n, got)
			}
		}
	}
}
