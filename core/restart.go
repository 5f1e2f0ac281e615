package core

import (
	"fmt"
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
