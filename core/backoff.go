package core

import (
	"math/rand/v2"
	"time"
)

// Restarts remembers when something was started again, and decides whether it is
// once more. The zero value has seen nothing. It is for one goroutine at a time.
type Restarts struct {
	within []time.Duration // when, within the window; not kept where there is no limit
	last   time.Duration   // when the last restart was
	streak int             // restarts in a row
}

// Next returns the pause before the next restart, or false when there is none.
// plan has its defaults; now is the time since any fixed moment.
func (s *Restarts) Next(plan Restart, now time.Duration) (time.Duration, bool) {
	if plan.Policy == RestartTemporary {
		return 0, false
	}
	if now-s.last > plan.Within {
		s.streak = 0
	}
	for len(s.within) > 0 && now-s.within[0] > plan.Within {
		s.within = s.within[1:]
	}
	if plan.MaxRestarts >= 0 {
		if len(s.within) >= plan.MaxRestarts {
			return 0, false
		}
		s.within = append(s.within, now)
	}
	s.last = now
	s.streak++
	return backoff(plan, s.streak), true
}

// backoff is the pause before the n-th restart in a row: none before the first,
// then doubling, with up to half of it taken off at random so that what fell
// together does not rise together.
func backoff(plan Restart, n int) time.Duration {
	if n < 2 {
		return 0
	}
	pause := plan.MaxBackoff
	if doublings := n - 2; plan.Backoff < pause>>doublings {
		pause = plan.Backoff << doublings
	}
	return pause - rand.N(pause/2+1)
}
