// Package spawntest has what tests share that kill processes: how often they do,
// who asks meanwhile, and what may not grow or be left behind.
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

// Kills is how often a test kills a process: what the environment variable
// AIRHOST_KILLS says, or a few times, and twice at least.
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

// Asker is a component that asks another whatever it is sent, and counts how its
// requests end. Their timeout is so long that none ends by it.
type Asker struct {
	Target string

	mu               sync.Mutex              // guards what follows
	open             map[guest.RequestID]int // requests less callbacks, where there is a difference
	answered, failed int
}

// HandleMessage implements [guest.Component]. A request that is refused ends
// with that.
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

// Answered is how many requests were answered so far.
func (a *Asker) Answered() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.answered
}

// Check checks, when all is quiet, that each request has ended once, and that
// there were some that were answered.
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
