package host

import (
	"cmp"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/airhost/airhost/core"
)

// Deployment says which guest runs under which id, with which rights and limits.
type Deployment struct {
	ID     core.ComponentID
	Engine string // the name of one of the host's engines
	Source core.Source
	// Config is handed to the guest's initialize, in this order.
	Config []core.ConfigPair
	// Secrets are settings that the component alone may read: by wasi:config/store, and by the
	// function airhost/secret. No key is one of Config. See [Secret].
	Secrets []Secret
	// Env and Args are the environment and the arguments that a guest of WebAssembly gets by
	// WASI. Other engines pass nothing on.
	Env          []core.ConfigPair
	Args         []string
	Capabilities Capabilities
	Limits       core.Limits
	Quota        Quota
	Accept       Accept
	Restart      Restart
	// HealthInterval is how often the guest's health is asked for; 0 is never.
	HealthInterval time.Duration
	// Instances is how many instances there are, each with its own memory: 0 stands for 1,
	// and -1 for one per core (runtime.GOMAXPROCS); [MaxInstances] at most. They share the
	// mailbox, the quota, the log limits, the id and the counters. Each one ends and is
	// restarted on its own.
	// A callback goes to the instance that has sent the request, or to another one if that
	// is gone. All other limits are for each instance: memory, times, fuel, timers.
	Instances int
	// Spread says which instance handles a message; [SpreadSender] by default.
	Spread Spread
	// Subscribe are the topics on which the component gets the messages that are published:
	// each message once, fire-and-forget, with the publisher as the sender. Of the
	// subscriptions the first one counts that matches a topic. The component needs no
	// capability for it.
	Subscribe []Subscription
	// Delivery says if messages are kept until they have been handled; [DeliveryMemory] by
	// default.
	Delivery Delivery
	// Required says that the program cannot do without the component. The host treats it like
	// any other; its [EventFailed] and its [ComponentStatus] say so, for the program to act.
	Required bool

	// Moving, if not nil, is all that the component brings from the host that has it now, whose
	// [Host.MoveAway] has given it. The guest is started, gets the state if it exports
	// component-state and has one instance, and its timers go on with the time that they have
	// left, and with their ids. Then Deploy returns. The component handles nothing until the
	// messages have come that waited for it on the former host, and all others after
	// these: 10 s at most. Its messages go to the former host until it has started. No change
	// of the component begins before it handles messages. Only [Host.Deploy] and
	// [Prepared.Deploy] take a Moving.
	Moving *core.Moving

	given core.LimitSet // limits that were set, and are no defaults
}

// MaxInstances is the largest number of instances of a component.
const MaxInstances = 256

// Spread is the way in which messages are spread over the instances of a component. Messages
// of Go programs, and of all other senders of the namespace [core.HostNamespace], are always
// spread as by [SpreadAny].
type Spread string

const (
	// SpreadSender gives all messages of a sender to the same instance, so that they stay in
	// order. They wait while that is restarted. If it fails they go to another one.
	SpreadSender Spread = "sender"
	// SpreadAny gives each message to an instance that is free. There is no order then.
	SpreadAny Spread = "any"
)

// Delivery says how the fire-and-forget messages to a component are kept.
type Delivery string

const (
	// DeliveryMemory keeps messages in the component's mailbox alone.
	DeliveryMemory Delivery = "memory"
	// DeliveryDurable stores messages until handle-message has returned, so that they outlive
	// the instance and the host. The host's broker must be a [core.DurableBroker]. A message on
	// which the instance ends is delivered again, up to [core.Restart] MaxDeliver times.
	DeliveryDurable Delivery = "durable"
)

// Subscription is a set of topics on which a component gets the messages that are published.
type Subscription struct {
	Topic core.TopicPattern
	// Queue, if not empty, names a queue group: of all components that have subscribed to a
	// topic with the same Queue, one gets a message. They take turns; the next one gets
	// it if a mailbox is full. A name is like a part of a topic. If the broker joins hosts, the
	// group is of all of them, unless an earlier entry overlaps Topic: the component gets nothing
	// of other hosts then.
	Queue string
}

// Capabilities are the targets that a component may message, the functions that it may call,
// the topics on which it may publish, its buckets, its directories, and the URLs that it may reach. The zero value
// grants nothing.
type Capabilities struct {
	Send    []core.IDPattern // fire-and-forget
	Request []core.IDPattern // request-response
	Call    []core.IDPattern // functions of the host, by their names
	Publish []core.TopicPattern
	// KeyValue are the buckets: [DefaultBucket] is the component's own, any other name is one
	// of [Config.Buckets], which all have that are granted it.
	KeyValue []string
	// Files are directories of the host, 16 at most. A guest of WebAssembly has them as WASI's
	// preopens, a Go component by guest.OpenRoot, and no process has any.
	Files []FileGrant
	// HTTP are the URLs to which the component may send requests; see [Config.HTTP].
	HTTP core.HTTPRules
}

// Quota bounds the messages that a component may send. A zero field stands for its
// default.
type Quota struct {
	// MessagesPerSecond is the rate at which messages and requests may be sent
	// in the long run; 10,000 by default.
	MessagesPerSecond int
	// Burst is how many may be sent at once after a pause; 1,000 by default.
	Burst int
	// PendingRequests is how many requests may wait for their outcome; 1,000 by
	// default.
	PendingRequests int
	// Bucket bounds the component's own bucket; 16 MiB and 10,000 keys by default.
	Bucket BucketQuota
	// Files bounds each directory that the component may write to; 64 MiB and 10,000 files by default.
	Files FileQuota
	// HTTPRequests is how many requests to the web may be under way, of all instances
	// together; 16 by default.
	HTTPRequests int
}

// Accept bounds the messages and requests that come to a component, whoever sends them.
// More are refused with queue-full. Outcomes of its own requests do not count. The zero
// value sets no limit.
type Accept struct {
	// MessagesPerSecond is the rate in the long run.
	MessagesPerSecond int
	// Burst is how many may come at once after a pause; by default as many as in one
	// second. It needs a MessagesPerSecond.
	Burst int
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

// The errors that [Host.Deploy] documents.
var (
	ErrInvalidDeployment = errors.New("invalid deployment")
	ErrUnknownEngine     = errors.New("unknown engine")
	ErrLimitNotEnforced  = errors.New("limit not enforced")
	ErrAlreadyDeployed   = errors.New("there is a component of this id already")
)

// normalize checks d and sets the defaults.
func (d *Deployment) normalize() (err error) {
	if err = d.checkID(); err == nil {
		err = cmp.Or(d.Limits.Check(), d.Quota.check(), d.Accept.check(), core.CheckTime("health_interval", d.HealthInterval, time.Millisecond, 24*time.Hour))
	}
	if err == nil {
		d.given, d.Limits = d.Limits.Given(), d.Limits.WithDefaults()
		d.Quota.setDefaults()
		d.Accept.Burst = orDefault(d.Accept.Burst, d.Accept.MessagesPerSecond)
		err = d.checkLimits()
	}
	if err == nil {
		err = d.normalizeInstances()
	}
	if err == nil {
		err = cmp.Or(d.checkSubscriptions(), d.checkBuckets(), d.checkGrants(), d.checkRules(), d.checkSecrets())
	}
	if err == nil {
		err = d.checkMoving()
	}
	if err == nil {
		d.Restart, err = d.Restart.WithDefaults()
	}
	if err != nil {
		return fmt.Errorf("%w of %q: %w", ErrInvalidDeployment, d.ID, err)
	}
	return nil
}

func (d *Deployment) normalizeInstances() error {
	if d.Instances == -1 {
		d.Instances = min(runtime.GOMAXPROCS(0), MaxInstances)
	}
	if err := core.CheckCount("instances", int64(d.Instances), 1, MaxInstances); err != nil {
		return err
	}
	d.Instances, d.Spread = orDefault(d.Instances, 1), orDefault(d.Spread, SpreadSender)
	if d.Spread != SpreadSender && d.Spread != SpreadAny {
		return fmt.Errorf("spread is %q, want %s or %s: %w", d.Spread, SpreadSender, SpreadAny, core.ErrOutOfRange)
	}
	d.Delivery = orDefault(d.Delivery, DeliveryMemory)
	if d.Delivery != DeliveryMemory && d.Delivery != DeliveryDurable {
		return fmt.Errorf("delivery is %q, want %s or %s: %w", d.Delivery, DeliveryMemory, DeliveryDurable, core.ErrOutOfRange)
	}
	return nil
}

func (d *Deployment) checkSubscriptions() error {
	known := make(map[core.TopicPattern]bool)
	for _, s := range d.Subscribe {
		switch {
		case s.Topic.IsZero():
			return fmt.Errorf("subscribe: %w: it is empty", core.ErrInvalidTopic)
		case known[s.Topic]:
			return fmt.Errorf("subscribe: %s is there twice, and the first one counts: leave the other one out", s.Topic)
		}
		if s.Queue != "" {
			if err := core.CheckQueue(s.Queue); err != nil {
				return fmt.Errorf("subscribe: %s: %w", s.Topic, err)
			}
		}
		known[s.Topic] = true
	}
	return nil
}

func (d *Deployment) checkID() error {
	switch {
	case d.ID.IsZero():
		return fmt.Errorf("%w: the id is empty", core.ErrInvalidID)
	case d.ID.Namespace() == core.HostNamespace:
		return fmt.Errorf("%w: the namespace %s is the host's own", core.ErrInvalidID, core.HostNamespace)
	}
	return nil
}

// checkLimits checks limits against each other, with the defaults set.
func (d *Deployment) checkLimits() error {
	if d.Limits.HandlerWallTime < d.Limits.HandlerTime {
		return fmt.Errorf("limits.handler_wall_time is %v, want at least limits.handler_time, %v", d.Limits.HandlerWallTime, d.Limits.HandlerTime)
	}
	if size := int64(d.Limits.MessageSize); size > d.Limits.MailboxBytes-core.MessageOverhead {
		return fmt.Errorf("limits.mailbox_bytes is %d, want room for a message of quota.message_size: at least %d and %d",
			d.Limits.MailboxBytes, size, core.MessageOverhead)
	}
	return nil
}

// enforced checks that the engine keeps the limits that were asked for, and gives its guest the
// directories that were granted.
func (d *Deployment) enforced(traits core.Traits) error {
	if traits.OwnFiles && len(d.Capabilities.Files) > 0 {
		return fmt.Errorf("%w of %q: capabilities.files: a component of the engine %s has the files of its user: leave them out, or choose another engine", ErrInvalidDeployment, d.ID, d.Engine)
	}
	if lacks := d.given &^ traits.Enforces; lacks != 0 {
		return fmt.Errorf("%w: the engine %s cannot keep %s: leave that out, or choose an engine that can", ErrLimitNotEnforced, d.Engine, lacks)
	}
	return nil
}

func (q *Quota) check() error {
	return cmp.Or(
		core.CheckCount("quota.messages_per_second", int64(q.MessagesPerSecond), 1, 1e9),
		core.CheckCount("quota.burst", int64(q.Burst), 1, 1e9),
		core.CheckCount("quota.pending_requests", int64(q.PendingRequests), 1, 1e6),
		q.Bucket.check("quota.keyvalue_"),
		q.Files.check(),
		core.CheckCount("quota.http_requests", int64(q.HTTPRequests), 1, 10_000),
	)
}

func (a *Accept) check() error {
	if a.Burst != 0 && a.MessagesPerSecond == 0 {
		return errors.New("accept.burst needs accept.messages_per_second")
	}
	return cmp.Or(
		core.CheckCount("accept.messages_per_second", int64(a.MessagesPerSecond), 1, 1e9),
		core.CheckCount("accept.burst", int64(a.Burst), 1, 1e9),
	)
}

func (q *Quota) setDefaults() {
	q.MessagesPerSecond = orDefault(q.MessagesPerSecond, 10_000)
	q.Burst = orDefault(q.Burst, 1000)
	q.PendingRequests = orDefault(q.PendingRequests, 1000)
	q.Bucket.setDefaults()
	q.Files.setDefaults()
	q.HTTPRequests = orDefault(q.HTTPRequests, 16)
}

func orDefault[T comparable](value, fallback T) T {
	var zero T
	if value == zero {
		return fallback
	}
	return value
}
