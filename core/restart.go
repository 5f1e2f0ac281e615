package core

import (
	"fmt"
	"time"
)

// RestartPolicy says after which ends an instance of a component, or the process of
// an extension, is started again.
type RestartPolicy string

// The policies, as in Erlang's supervisors.
const (
	// RestartPermanent: after every end; a component also if it reports that it is
	// unhealthy.
	RestartPermanent RestartPolicy = "permanent"
	// RestartTransient, the default: after a trap, or if a process died.
	RestartTransient RestartPolicy = "transient"
	// RestartTemporary: never.
	RestartTemporary RestartPolicy = "temporary"
)

// Restart says when, and after which pause, an ended instance or process is started
// again. A zero field stands for its default.
type Restart struct {
	Policy RestartPolicy
	// MaxRestarts is the largest number of restarts in any time of Within; after one
	// more end it has failed until CoolDown is over. 5 within 30 s by default. A negative
	// MaxRestarts sets no limit.
	MaxRestarts int
	Within      time.Duration
	// Backoff is the pause before the second restart in a row; the first restart has
	// none. The pause doubles with each further restart, up to MaxBackoff, and is
	// then shortened by a random part of at most one half. 100 ms and 10 s by
	// default.
	Backoff    time.Duration
	MaxBackoff time.Duration
	// CoolDown is the time after a failure until one more start is tried. If that instance
	// ends within Within, it has failed again. 5 minutes by default.
	CoolDown time.Duration
	// MaxDeliver is how often a message of a durable mailbox is delivered if the instance ends
	// each time; then it is a dead letter. 5 by default, at most [MaxDeliverLimit].
	MaxDeliver int
}

// MaxDeliverLimit is the largest [Restart] MaxDeliver.
const MaxDeliverLimit = 1000

// WithDefaults returns r with its zero fields set to their defaults, or an error that
// names the wrong field.
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
	}{{"within", &r.Within, 30 * time.Second}, {"backoff", &r.Backoff, 100 * time.Millisecond}, {"max_backoff", &r.MaxBackoff, 10 * time.Second}, {"cool_down", &r.CoolDown, 5 * time.Minute}} {
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
	if err := CheckCount("restart.max_deliver", int64(r.MaxDeliver), 1, MaxDeliverLimit); err != nil {
		return r, err
	}
	if r.MaxDeliver == 0 {
		r.MaxDeliver = 5
	}
	return r, nil
}
