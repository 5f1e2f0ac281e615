//go:build race

package host

import (
	"sync"
	"testing"
)

type testLocks struct {
	host                  mutex[ofHost]
	component, component2 mutex[ofComponent]
}

func takeOnce(l sync.Locker) {
	l.Lock()
	defer l.Unlock()
}

// lockOrders take locks, and say whether that panics.
var lockOrders = map[string]struct {
	take   func(l *testLocks)
	panics bool
}{
	"host, component": {func(l *testLocks) {
		l.host.Lock()
		defer l.host.Unlock()
		takeOnce(&l.component)
	}, false},
	"component, host": {func(l *testLocks) {
		l.component.Lock()
		defer l.component.Unlock()
		l.host.Lock()
	}, true},
	"two components": {func(l *testLocks) {
		l.component.Lock()
		defer l.component.Unlock()
		l.component2.Lock()
	}, true},
	"partner": {func(l *testLocks) {
		l.component.Lock()
		defer l.component.Unlock()
		l.component2.lockPartner()
		l.component2.Unlock()
	}, false},
	"partner of an earlier rank": {func(l *testLocks) {
		l.component.Lock()
		defer l.component.Unlock()
		l.host.lockPartner()
	}, true},
	"component, unlock, host": {func(l *testLocks) {
		takeOnce(&l.component)
		takeOnce(&l.host)
	}, false},
	"partner, unlock both, host": {func(l *testLocks) {
		l.component.Lock()
		l.component2.lockPartner()
		l.component.Unlock() // not in reverse order
		l.component2.Unlock()
		takeOnce(&l.host)
	}, false},
	"unlock one of two, host": {func(l *testLocks) {
		l.component.Lock()
		l.component2.lockPartner()
		defer l.component.Unlock()
		l.component2.Unlock()
		l.host.Lock()
	}, true},
}

// TestLockOrder: a goroutine that takes locks in the wrong order panics in a build
// with -race.
func TestLockOrder(t *testing.T) {
	held.always = true
	defer func() { held.always = false }()
	for name, test := range lockOrders {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if got := recover(); (got != nil) != test.panics {
					t.Errorf("panic: %v, want one: %t", got, test.panics)
				}
			}()
			test.take(new(testLocks))
		})
	}
}

// TestLockOrderIsOfAGoroutine: the locks of one goroutine do not restrict another.
func TestLockOrderIsOfAGoroutine(t *testing.T) {
	held.always = true
	defer func() { held.always = false }()
	var host mutex[ofHost]
	var component mutex[ofComponent]
	component.Lock()
	defer component.Unlock()
	done := make(chan any)
	go func() {
		defer func() { done <- recover() }()
		takeOnce(&host)
	}()
	if got := <-done; got != nil {
		t.Errorf("panic: %v", got)
	}
}
