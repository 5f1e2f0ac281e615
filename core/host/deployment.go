package host

import (
	"fmt"
	"time"

	"github.com/airhost/airhost/core"
)

// Deployment says which guest runs under which id, and what it may do.
type Deployment struct {
	ID     core.ComponentID
	Engine string // the name of one of the host's engines
	Source core.Source
	// Config is handed to the guest's initialize, in this order.
	Config       []core.ConfigPair
	Capabilities Capabilities
	Limits       core.Limits
	Quota        Quota
	Restart      Restart
	// HealthInterval is how often the guest's health is asked for; 0 is never.
	HealthInterval time.Duration
}

// Capabilities are the targets that a component may message. The zero value
// grants nothing.
type Capabilities struct {
	Send    []core.IDPattern // fire-and-forget
	Request []core.IDPattern // request-response
}

// Quota bounds what a component may send. A zero field stands for its default.
type Quota struct {
	// MessagesPerSecond is the rate at which messages and requests may be sent
	// in the long run; 10,000 by default.
	MessagesPerSecond int
	// Burst is how many may be sent at once after a pause; 1,000 by default.
	Burst int
	// PendingRequests is how many requests may wait for their outcome; 1,000 by
	// default.
	PendingRequests int
}

// RestartPolicy says after which ends of its instance a component is started
// again.
type RestartPolicy string

// The policies, as in Erlang's supervisors.
const (
	// RestartPermanent: always, also when the guest reports to be unhealthy.
	RestartPermanent RestartPolicy = "permanent"
	// RestartTransient, the default: after a trap.
	RestartTransient RestartPolicy = "transient"
	// RestartTemporary: never.
	RestartTemporary RestartPolicy = "temporary"
)

// Restart says when and how fast an instance that has ended is replaced. A zero
// field stands for its default.
type Restart struct {
	Policy RestartPolicy
	// MaxRestarts within Within is what the component is granted; one more end
	// of its instance and it is failed for good. 5 within 30 s by default; a
	// negative MaxRestarts is without a limit.
	MaxRestarts int
	Within      time.Duration
	// Backoff is the pause before the second restart in a row; it doubles with
	// each further one up to MaxBackoff, and each pause is shortened by a random
	// part of up to a half. The first restart is at once. 100 ms and 10 s by
	// default.
	Backoff    time.Duration
	MaxBackoff time.Duration
}

// normalize checks d and sets what it leaves open.
func (d *Deployment) normalize() error {
	switch {
	case d.ID.IsZero():
		return fmt.Errorf("deployment: %w: the id is empty", core.ErrInvalidID)
	case d.ID == core.HostID:
		return fmt.Errorf("deployment: %w: %s is the host's own", core.ErrInvalidID, d.ID)
	case d.Restart.Policy != "" && d.Restart.Policy != RestartPermanent && d.Restart.Policy != RestartTransient && d.Restart.Policy != RestartTemporary:
		return fmt.Errorf("deployment of %s: unknown restart policy %q, want permanent, transient or temporary", d.ID, d.Restart.Policy)
	}
	for name, value := range map[string]int64{
		"limits.memory": d.Limits.Memory, "limits.handler_time": int64(d.Limits.HandlerTime),
		"limits.mailbox": int64(d.Limits.Mailbox), "quota.message_size": int64(d.Limits.MessageSize),
		"quota.messages_per_second": int64(d.Quota.MessagesPerSecond), "quota.burst": int64(d.Quota.Burst),
		"quota.pending_requests": int64(d.Quota.PendingRequests), "restart.within": int64(d.Restart.Within),
		"restart.backoff": int64(d.Restart.Backoff), "restart.max_backoff": int64(d.Restart.MaxBackoff),
	} {
		if value < 0 {
			return fmt.Errorf("deployment of %s: %s is %d, want 0 (for the default) or more", d.ID, name, value)
		}
	}
	d.Limits = d.Limits.WithDefaults()
	d.Quota.setDefaults()
	d.Restart.setDefaults()
	return nil
}

func (q *Quota) setDefaults() {
	q.MessagesPerSecond = orDefault(q.MessagesPerSecond, 10_000)
	q.Burst = orDefault(q.Burst, 1000)
	q.PendingRequests = orDefault(q.PendingRequests, 1000)
}

func (r *Restart) setDefaults() {
	r.Policy = orDefault(r.Policy, RestartTransient)
	r.MaxRestarts = orDefault(r.MaxRestarts, 5)
	r.Within = orDefault(r.Within, 30*time.Second)
	r.Backoff = orDefault(r.Backoff, 100*time.Millisecond)
	r.MaxBackoff = orDefault(r.MaxBackoff, 10*time.Second)
}

func orDefault[T comparable](value, fallback T) T {
	var zero T
	if value == zero {
		return fallback
	}
	return value
}
