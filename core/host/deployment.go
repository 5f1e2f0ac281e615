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

// Restart, RestartPolicy and the policies are core's.
type (
	Restart       = core.Restart
	RestartPolicy = core.RestartPolicy
)

// The policies; see [core.RestartPolicy].
const (
	RestartPermanent = core.RestartPermanent
	RestartTransient = core.RestartTransient
	RestartTemporary = core.RestartTemporary
)

// normalize checks d and sets what it leaves open.
func (d *Deployment) normalize() error {
	switch {
	case d.ID.IsZero():
		return fmt.Errorf("deployment: %w: the id is empty", core.ErrInvalidID)
	case d.ID.Namespace() == core.HostNamespace:
		return fmt.Errorf("deployment: %w: %s: the namespace %s is the host's own", core.ErrInvalidID, d.ID, core.HostNamespace)
	}
	for name, value := range map[string]int64{
		"limits.memory": d.Limits.Memory, "limits.stack": d.Limits.Stack, "limits.handler_time": int64(d.Limits.HandlerTime),
		"limits.handler_wall_time": int64(d.Limits.HandlerWallTime), "limits.start_time": int64(d.Limits.StartTime),
		"limits.mailbox": int64(d.Limits.Mailbox), "limits.mailbox_bytes": d.Limits.MailboxBytes, "quota.message_size": int64(d.Limits.MessageSize),
		"quota.messages_per_second": int64(d.Quota.MessagesPerSecond), "quota.burst": int64(d.Quota.Burst),
		"quota.pending_requests": int64(d.Quota.PendingRequests),
		"logs.lines_per_second":  int64(d.Limits.LogLines), "logs.bytes_per_second": d.Limits.LogBytes,
	} {
		if value < 0 {
			return fmt.Errorf("deployment of %s: %s is %d, want 0 (for the default) or more", d.ID, name, value)
		}
	}
	d.Limits = d.Limits.WithDefaults()
	if d.Limits.HandlerWallTime < d.Limits.HandlerTime {
		return fmt.Errorf("deployment of %s: limits.handler_wall_time is %v, want at least limits.handler_time, %v",
			d.ID, d.Limits.HandlerWallTime, d.Limits.HandlerTime)
	}
	if size := int64(d.Limits.MessageSize); size > d.Limits.MailboxBytes-core.MessageOverhead {
		return fmt.Errorf("deployment of %s: limits.mailbox_bytes is %d, want room for a message of quota.message_size: at least %d and %d",
			d.ID, d.Limits.MailboxBytes, size, core.MessageOverhead)
	}
	d.Quota.setDefaults()
	var err error
	if d.Restart, err = d.Restart.WithDefaults(); err != nil {
		return fmt.Errorf("deployment of %s: %w", d.ID, err)
	}
	return nil
}

func (q *Quota) setDefaults() {
	q.MessagesPerSecond = orDefault(q.MessagesPerSecond, 10_000)
	q.Burst = orDefault(q.Burst, 1000)
	q.PendingRequests = orDefault(q.PendingRequests, 1000)
}

func orDefault[T comparable](value, fallback T) T {
	var zero T
	if value == zero {
		return fallback
	}
	return value
}
