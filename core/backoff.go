package core

import (
	"math/rand/v2"
	"time"
)

// Restarts counts the restarts of one instance or process and applies a [Restart] to
// them. The zero value has counted none. It is for one goroutine at a time.
type Restarts struct {
	within []time.Duration // times of the restarts in the window; empty if there is no limit
	last   time.Duration   // time of the last restart
	streak int             // restarts in a row
	failed bool            // the last restart is the one after the cool-down
}

// NoRestart is the pause before a restart that never comes.
const NoRestart time.Duration = -1

// Next counts a restart and returns the pause before it. failed says that the restarts
// before have been too many: the pause is the plan's CoolDown then, or NoRestart if the
// policy is temporary. plan has its defaults. now is the time since any fixed moment.
func (s *Restarts) Next(plan Restart, now time.Duration) (pause time.Duration, failed bool) {
	if plan.Policy == RestartTemporary {
		return NoRestart, true
	}
	if s.failed && now-s.last <= plan.Within {
		s.last = now + plan.CoolDown
		return plan.CoolDown, true
	}
	s.failed = false
	if now-s.last > plan.Within {
		s.streak = 0
	}
	for len(s.within) > 0 && now-s.within[0] > plan.Within {
		s.within = s.within[1:]
	}
	if plan.MaxRestarts >= 0 {
		if len(s.within) >= plan.MaxRestarts {
			s.failed, s.last = true, now+plan.CoolDown
			return plan.CoolDown, true
		}
		s.within = append(s.within, now)
	}
	s.last = now
	s.streak++
	return backoff(plan, s.streak), false
}

// backoff returns the pause before the n-th restart in a row. The random part keeps
// instances that ended together from starting together.
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
