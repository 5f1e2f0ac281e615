package host

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/airhost/airhost/core"
)

// Budget bounds all components of a namespace together, beside the bounds that each of them
// has of its own. A zero field sets no bound.
type Budget struct {
	// Memory is the most that the instances may have, in bytes: the sum of their
	// limits.memory. A version that starts beside another one in a replacement counts too. A
	// deployment, replacement or update that needs more fails with [ErrBudgetExceeded];
	// on an engine without limits.memory with [ErrLimitNotEnforced].
	Memory int64
	// MessagesPerSecond is the rate at which the components may send messages and requests
	// in the long run. More are refused with quota-exceeded.
	MessagesPerSecond int
	// Burst is how many they may send at once after a pause; by default as many as in one
	// second. It needs a MessagesPerSecond.
	Burst int
	// RunningTime is for how long they may run in each second, on all processors together:
	// 1500 ms are one processor and a half. The time of a call counts when it has ended, from
	// its beginning, less that of functions that it called. When the time is used up, the
	// calls in progress go on, and each idle component may get one message that was just
	// sent. Others wait until there is time again, but for starts and ends that the program
	// asks for. After a call that took much longer than there was time that takes as long as
	// the time lasts. Time that was not used in one second may be used in the next.
	RunningTime time.Duration
}

// ErrBudgetExceeded is wrapped by the error for instances that a namespace's [Budget] has no
// memory for.
var ErrBudgetExceeded = errors.New("budget exceeded")

// maxRunningTime is the largest RunningTime: that of as many processors.
const maxRunningTime = 10_000 * time.Second

func (b *Budget) check(namespace string) error {
	key := "budgets." + namespace
	if _, err := core.ParseComponentID(namespace + "/x"); err != nil || namespace == core.HostNamespace {
		return fmt.Errorf("budgets: %q is no namespace of components: %w", namespace, core.ErrInvalidID)
	}
	if b.Burst != 0 && b.MessagesPerSecond == 0 {
		return fmt.Errorf("%s.burst needs messages_per_second", key)
	}
	return cmp.Or(
		core.CheckCount(key+".memory", b.Memory, 1, math.MaxInt64),
		core.CheckCount(key+".messages_per_second", int64(b.MessagesPerSecond), 1, 1e9),
		core.CheckCount(key+".burst", int64(b.Burst), 1, 1e9),
		core.CheckTime(key+".running_time", b.RunningTime, time.Millisecond, maxRunningTime),
	)
}

// BudgetStatus is the use of a namespace's budget at one moment.
type BudgetStatus struct {
	Namespace string
	Budget
	MemoryTaken int64         // of Memory, by components that are deployed
	Refused     uint64        // messages that were refused because of MessagesPerSecond
	Ran         time.Duration // how long calls took that have ended, if there is a RunningTime
	Paused      bool          // the components wait for RunningTime
	Pauses      uint64        // how often they have waited for it
}

// Budgets returns the use of all budgets of [Config.Budgets], sorted by namespace.
func (h *Host) Budgets() []BudgetStatus {
	var all []BudgetStatus
	for _, b := range h.budgets {
		all = append(all, b.status())
	}
	slices.SortFunc(all, func(a, b BudgetStatus) int { return cmp.Compare(a.Namespace, b.Namespace) })
	return all
}

// budget is the rest of a Budget that the components of its namespace have left.
type budget struct {
	Budget
	host      *Host
	namespace string
	rate      *core.MessagingError // the refusal of a message that it has no place for
	paused    atomic.Bool          // the running time is used up
	pausing   sync.WaitGroup

	mu       mutex[ofLeaf] // guards the following
	taken    int64         // of Memory
	messages bucket
	senders  int // components that take messages of it
	refused  uint64
	time     bucket // in seconds; below 0 after a call that took longer than there was
	ran      time.Duration
	pauses   uint64
	over     chan struct{} // closed when nothing pauses any more
}

// newBudgets returns the budgets of a host's configuration, by namespace.
func newBudgets(h *Host) map[string]*budget {
	all := make(map[string]*budget)
	for namespace, b := range h.config.Budgets {
		all[namespace] = newBudget(h, namespace, b)
	}
	return all
}

func newBudget(h *Host, namespace string, given Budget) *budget {
	given.Burst = orDefault(given.Burst, given.MessagesPerSecond)
	refusal := &core.MessagingError{Case: core.CaseQuotaExceeded, Text: "budgets." + namespace + ".messages_per_second"}
	seconds := given.RunningTime.Seconds()
	return &budget{
		Budget: given, host: h, namespace: namespace, rate: refusal, over: make(chan struct{}),
		messages: newBucket(float64(given.MessagesPerSecond), float64(given.Burst), h.clock),
		time:     newBucket(seconds, seconds, h.clock),
	}
}

func (b *budget) status() BudgetStatus {
	b.mu.Lock()
	defer b.mu.Unlock()
	return BudgetStatus{
		Namespace: b.namespace, Budget: b.Budget, MemoryTaken: b.taken, Refused: b.refused,
		Ran: b.ran, Paused: b.paused.Load(), Pauses: b.pauses,
	}
}

// memory is how much of a budget the instances of d take.
func (d *Deployment) memory() int64 { return d.Limits.Memory * int64(d.Instances) }

// reserve takes memory. b is nil for a namespace without a budget.
func (b *budget) reserve(bytes int64) error {
	if b == nil || b.Memory == 0 {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if bytes > b.Memory-b.taken {
		return fmt.Errorf("%w: budgets.%s.memory is %d bytes, %d of them are taken, and limits.memory of its instances is %d together: lower that, or raise the budget",
			ErrBudgetExceeded, b.namespace, b.Memory, b.taken, bytes)
	}
	b.taken += bytes
	return nil
}

// release gives back memory that was taken.
func (b *budget) release(bytes int64) {
	if b == nil || b.Memory == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.taken -= bytes
}

// enforced checks that the engine keeps the limits that a deployment, or the budget of its
// namespace, asks for.
func (h *Host) enforced(d *Deployment, traits core.Traits) error {
	b := h.budgets[d.ID.Namespace()]
	if b != nil && b.Memory > 0 && traits.Enforces&core.LimitMemory == 0 {
		return fmt.Errorf("%w: budgets.%s.memory needs limits.memory, which the engine %s cannot keep: choose an engine that can, or another namespace",
			ErrLimitNotEnforced, b.namespace, d.Engine)
	}
	return d.enforced(traits)
}

// joinBudget takes the memory of c's instances from the budget, and from now on its messages.
// The caller owns c.
func (c *component) joinBudget() error {
	bytes := c.deployment.memory()
	if err := c.budget.reserve(bytes); err != nil {
		return err
	}
	c.reserved = bytes
	c.budget.join(&c.sender.quota)
	return nil
}

// leaveBudget gives back all that c has of the budget. The caller owns c.
func (c *component) leaveBudget() {
	c.budget.release(c.reserved)
	c.reserved = 0
	c.budget.leave(&c.sender.quota)
}

// join makes the bucket of a component take its messages of the budget.
func (b *budget) join(q *bucket) {
	if b == nil || b.MessagesPerSecond == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.senders++
	q.budget = b
}

// leave gives back the messages that were granted to the bucket of a component.
func (b *budget) leave(q *bucket) {
	if b == nil || q.budget == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.messages.fill(b.host.clock.Exact())
	b.messages.tokens += q.granted
	b.messages.lent -= q.borrowed
	b.senders--
	q.budget, q.granted, q.borrowed = nil, 0, 0
}

// grant grants the bucket of a component messages of the budget in advance, so that it seldom
// needs the budget's lock. They count as part of the burst until the next grant: all components
// together never send more than one with this quota could. At most a quarter of the burst is
// granted in advance; where that is too little, one message at a time. It reports whether the
// bucket has n messages now.
func (b *budget) grant(q *bucket, n float64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	m := &b.messages
	m.fill(b.host.clock.Exact()) // while the last grant still counts
	m.tokens += q.granted
	m.lent += q.lent - q.borrowed
	q.granted, q.borrowed = 0, q.lent

	most := math.Floor(min(mostLent, m.burst/float64(4*b.senders)))
	if n > max(1, most) || m.tokens < n {
		return false
	}
	q.granted = math.Floor(min(max(1, most), m.tokens))
	m.tokens -= q.granted
	if most > 1 {
		m.lent += q.granted
		q.borrowed += q.granted
	}
	return true
}

// refusal returns why a component may not send a message: the budget, or its own quota, which
// may be known to be used up. b is nil for a namespace without a budget.
func (b *budget) refusal(usedUp bool) *core.MessagingError {
	if usedUp || b == nil || b.MessagesPerSecond == 0 {
		return errMessageRate
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.messages.tokens >= 1 {
		return errMessageRate
	}
	b.refused++
	return b.rate
}
