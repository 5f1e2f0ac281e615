package core

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// RestartPolicy says after which ends something is started again: a component's
// instance, or an extension's process.
type RestartPolicy string

// The policies, as in Erlang's supervisors.
const (
	// RestartPermanent: always; a component also when it reports to be unhealthy.
	RestartPermanent RestartPolicy = "permanent"
	// RestartTransient, the default: after a trap, or the death of a process.
	RestartTransient RestartPolicy = "transient"
	// RestartTemporary: never.
	RestartTemporary RestartPolicy = "temporary"
)

// Restart says when and how fast what has ended is started again. A zero field
// stands for its default.
type Restart struct {
	Policy RestartPolicy
	// MaxRestarts within Within are granted; with one more end it has failed for
	// good. 5 within 30 s by default; a negative MaxRestarts is without a limit.
	MaxRestarts int
	Within      time.Duration
	// Backoff is the pause before the second restart in a row; it doubles with
	// each further one up to MaxBackoff, and each pause is shortened by a random
	// part of up to a half. The first restart is at once. 100 ms and 10 s by
	// default.
	Backoff    time.Duration
	MaxBackoff time.Duration
}

// WithDefaults returns r with what it leaves open, or an error that names what
// is wrong with it.
func (r Restart) WithDefaults() (Restart, error) {
	switch r.Policy {
	case "":
		r.Policy = RestartTransient
	case RestartPermanent, RestartTransient, RestartTemporary:
	default:
		return r, fmt.Errorf("unknown restart policy %q, want permanent, transient or temporary", r.Policy)
	}
	for _, field := range []struct {
		name     string
		value    *time.Duration
		fallback time.Duration
	}{{"within", &r.Within, 30 * time.Second}, {"backoff", &r.Backoff, 100 * time.Millisecond}, {"max_backoff", &r.MaxBackoff, 10 * time.Second}} {
		if *field.value < 0 {
			return r, fmt.Errorf("restart.%s is %v, want 0 (for the default) or more", field.name, *field.value)
		}
		if *field.value == 0 {
			*field.value = field.fallback
		}
	}
	if r.MaxRestarts == 0 {
		r.MaxRestarts = 5
	}
	return r, nil
}

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
