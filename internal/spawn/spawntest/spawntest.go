// Package spawntest supports tests that kill processes. It provides the number of
// kills, a component that sends requests meanwhile, and a check that nothing grows
// or is left.
package spawntest

import (
	"fmt"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/airhost/airhost/guest"
)

// Kills returns how often a test kills a process: the value of the environment
// variable AIRHOST_KILLS, at least 2, or 5 by default.
func Kills(t testing.TB) int {
	t.Helper()
	text := os.Getenv("AIRHOST_KILLS")
	if text == "" {
		return 5
	}
	kills, err := strconv.Atoi(text)
	if err == nil && kills < 2 {
		err = fmt.Errorf("AIRHOST_KILLS is %d, want 2 at least", kills)
	}
	if err != nil {
		t.Fatal(err)
	}
	return kills
}

// Asker is a component that forwards each message as a request to Target and counts
// the outcomes of its requests. The requests' timeout is too long to end one.
type Asker struct {
	Target string

	mu               sync.Mutex              // guards the fields below
	open             map[guest.RequestID]int // requests minus callbacks, unless 0
	answered, failed int
}

// HandleMessage implements [guest.Component]. It does not count a refused request.
func (a *Asker) HandleMessage(host guest.Host, _ string, message []byte) ([]byte, error) {
	if id, err := host.Request(a.Target, message, time.Hour); err == nil {
		a.count(id, 1)
	}
	return nil, nil
}

// HandleCallback implements [guest.CallbackHandler].
func (a *Asker) HandleCallback(_ guest.Host, id guest.RequestID, _ []byte, err error) error {
	a.count(id, -1)
	a.mu.Lock()
	defer a.mu.Unlock()
	if err == nil {
		a.answered++
	} else {
		a.failed++
	}
	return nil
}

func (a *Asker) count(id guest.RequestID, n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.open == nil {
		a.open = make(map[guest.RequestID]int)
	}
	if a.open[id] += n; a.open[id] == 0 {
		delete(a.open, id)
	}
}

// Answered returns the number of requests that were answered so far.
func (a *Asker) Answered() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.answered
}

// Check checks that each request has ended once, and that at least one was answered.
// Call it when the host is idle.
func (a *Asker) Check(t testing.TB) {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	for id, left := range a.open {
		t.Errorf("request %d of a component has got %d callbacks, want one", id, 1-left)
	}
	if a.answered == 0 {
		t.Error("no request of a component was answered: the test has tested nothing")
	}
	t.Logf("of the requests of a component %d were answered and %d failed", a.answered, a.failed)
}
