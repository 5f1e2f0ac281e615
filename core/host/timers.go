package host

import (
	"cmp"
	"container/heap"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/airhost/airhost/core"
)

// timers are the running timers of all components of a host. One timer of the Go runtime
// wakes the host for all of them, at most once in [core.ClockResolution], and only when
// one is due.
type timers struct {
	clock  *core.Clock
	firing sync.Mutex // held while timers fire; taken before all other locks

	mu      mutex[ofLeaf] // guards the following
	queue   timerQueue
	started uint64
	alarm   *time.Timer // nil before the first timer
	closed  bool
}

// timer is a running timer.
type timer struct {
	id      core.TimerID
	owner   *component
	payload []byte
	due     time.Duration // on the host's clock
	number  uint64        // in the order in which timers were started
	place   int           // in the queue; outside, if it is not there any more
}

// outside is the place of a timer that is not in the queue.
const outside = -1

// size is how many bytes a timer counts for, while it runs and while its message waits.
func (t *timer) size() int64 { return timerSize(t.payload) }

func timerSize(payload []byte) int64 { return core.MessageOverhead + int64(len(payload)) }

// start starts a timer. It returns false if the host is stopping.
func (s *timers) start(t *timer) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.started++
	t.number = s.started
	heap.Push(&s.queue, t)
	if t.place == 0 {
		s.setAlarmLocked()
	}
	return true
}

// setAlarmLocked sets the alarm for the first timer, rounded up to whole ticks.
func (s *timers) setAlarmLocked() {
	const tick = core.ClockResolution
	wait := (s.queue[0].due+tick-1)/tick*tick - s.clock.Exact()
	if s.alarm == nil {
		s.alarm = time.AfterFunc(wait, s.fire)
		return
	}
	s.alarm.Reset(wait)
}

// fire fires all timers that are due, in the order of their times.
func (s *timers) fire() {
	s.firing.Lock()
	defer s.firing.Unlock()
	now := s.clock.Exact() // timers that are started meanwhile wait for the next alarm
	for t := s.take(now); t != nil; t = s.take(now) {
		t.owner.fired(t)
	}
}

// take removes the first timer if it is due, and returns it. Otherwise it sets the alarm
// for the first timer, if there is one, and returns nil.
func (s *timers) take(now time.Duration) *timer {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) == 0 {
		return nil
	}
	if s.queue[0].due > now {
		s.setAlarmLocked()
		return nil
	}
	return heap.Pop(&s.queue).(*timer)
}

// remove removes a timer. It returns false if the timer has fired, or is about to.
func (s *timers) remove(t *timer) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t.place == outside {
		return false
	}
	heap.Remove(&s.queue, t.place)
	return true
}

// close removes all timers. No timer fires any more when it returns.
func (s *timers) close() {
	s.mu.Lock()
	s.closed = true
	for len(s.queue) > 0 {
		s.queue.Pop()
	}
	if s.alarm != nil {
		s.alarm.Stop()
	}
	s.mu.Unlock()
	s.firing.Lock()
	defer s.firing.Unlock()
}

// timerQueue is a heap: the timer that fires next is the first.
type timerQueue []*timer

// Len implements [heap.Interface].
func (q timerQueue) Len() int { return len(q) }

// Less implements [heap.Interface].
func (q timerQueue) Less(i, j int) bool { return q[i].compare(q[j]) < 0 }

// compare tells which of two timers fires first.
func (t *timer) compare(other *timer) int {
	return cmp.Or(cmp.Compare(t.due, other.due), cmp.Compare(t.number, other.number))
}

// Swap implements [heap.Interface].
func (q timerQueue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].place, q[j].place = i, j
}

// Push implements [heap.Interface].
func (q *timerQueue) Push(t any) {
	t.(*timer).place = len(*q)
	*q = append(*q, t.(*timer))
}

// Pop implements [heap.Interface].
func (q *timerQueue) Pop() any {
	last := len(*q) - 1
	t := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	t.place = outside
	return t
}

// ownTimers are the running timers of one component. Its lock guards them.
type ownTimers struct {
	running map[core.TimerID]*timer
	bytes   int64 // their sizes
	last    core.TimerID
}

// maxTimer is the longest time of a timer, in milliseconds.
const maxTimer = uint64(core.MaxTimeout / time.Millisecond)

// The refusals of timers that are the same for all.
var (
	errTimerRange = &core.MessagingError{Case: core.CaseInvalidArgument, Text: fmt.Sprintf("milliseconds: at most %d (%v)", maxTimer, core.MaxTimeout)}
	errTimers     = &core.MessagingError{Case: core.CaseQuotaExceeded, Text: "limits.timers"}
	errTimerBytes = &core.MessagingError{Case: core.CaseQuotaExceeded, Text: "limits.mailbox_bytes"}
)

// After implements [core.Timers]. It refuses times above [core.MaxTimeout] with
// invalid-argument, and a payload that is too large, or a timer that is one too many, with
// quota-exceeded. It needs no capability, and uses up no quota.
func (c *component) After(milliseconds uint64, payload []byte) (core.TimerID, error) {
	id, err := c.startTimer(milliseconds, payload)
	if err != nil {
		c.counts.Sent++
		return 0, c.refused([]byte(c.id.String()), "timer", err)
	}
	return id, nil
}

func (c *component) startTimer(milliseconds uint64, payload []byte) (core.TimerID, error) {
	if milliseconds > maxTimer {
		return 0, errTimerRange
	}
	if len(payload) > c.limits.MessageSize {
		return 0, errMessageSize
	}
	c.mu.Lock()
	refusal := c.timerRefusalLocked(timerSize(payload))
	c.mu.Unlock()
	if refusal != nil {
		return 0, refusal
	}
	// Only the owner, which is here, adds timers: there is still a place.
	t := &timer{owner: c, payload: slices.Clip(slices.Clone(payload))}
	t.due = c.host.clock.Exact() + time.Duration(milliseconds)*time.Millisecond
	c.mu.Lock()
	defer c.mu.Unlock()
	err := c.addTimerLocked(t)
	return t.id, err
}

// addTimerLocked starts a timer, under a new id if it has none. The owner calls it.
func (c *component) addTimerLocked(t *timer) error {
	if t.id == 0 {
		c.timers.last++
		t.id = c.timers.last
	}
	if !c.host.timers.start(t) {
		return errStopping
	}
	if c.timers.running == nil {
		c.timers.running = make(map[core.TimerID]*timer)
	}
	c.timers.running[t.id] = t
	c.timers.bytes += t.size()
	return nil
}

// timerRefusalLocked returns why c may start no timer of so many bytes, or nil.
func (c *component) timerRefusalLocked(size int64) error {
	b := &c.sched.mailbox
	switch {
	case c.sched.closed != nil:
		return c.sched.closed
	case len(c.timers.running)+b.timers >= c.limits.Timers:
		return errTimers
	case c.timers.bytes+b.timerBytes+size > c.limits.MailboxBytes:
		return errTimerBytes
	}
	return nil
}

// CancelTimer implements [core.Timers].
func (c *component) CancelTimer(id core.TimerID) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.timers.running[id]
	if t == nil || !c.host.timers.remove(t) {
		return false
	}
	c.forgetTimerLocked(t)
	return true
}

func (c *component) forgetTimerLocked(t *timer) {
	delete(c.timers.running, t.id)
	c.timers.bytes -= t.size()
}

// fired puts the message of a timer that is due into the mailbox, where it always has its
// place. It does nothing if the timer was canceled with its instance meanwhile.
func (c *component) fired(t *timer) {
	c.mu.Lock()
	if c.timers.running[t.id] != t {
		c.mu.Unlock()
		return
	}
	c.forgetTimerLocked(t)
	c.published.fired++
	m := core.NewMessage(nil)
	m.Sender, m.Target, m.Payload = c.id, c.id, t.payload
	c.acceptAndUnlock(entry{message: m, timer: true}, nil)
}

// takeTimers makes the timers of next c's: next's guest has started them when it was
// initialized, and is c's now. Their ids are none of c's: see firstTimer. The caller owns
// both.
func (c *component) takeTimers(next *component) {
	c.takeRunningTimers(next)
	c.host.mu.Lock() // for sums
	defer c.host.mu.Unlock()
	next.mu.Lock()
	fired := next.published.fired // none of next's fires any more
	next.published.fired = 0
	next.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.published.fired += fired
}

func (c *component) takeRunningTimers(next *component) {
	firing := &c.host.timers.firing
	firing.Lock() // so that none looks for its owner meanwhile
	defer firing.Unlock()
	next.mu.Lock()
	comes := next.timers
	next.timers = ownTimers{}
	next.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(comes.running) > 0 && c.timers.running == nil {
		c.timers.running = make(map[core.TimerID]*timer)
	}
	for id, t := range comes.running {
		t.owner = c
		c.timers.running[id] = t
	}
	c.timers.bytes += comes.bytes
	c.timers.last = max(c.timers.last, comes.last)
}

// firstTimers makes the ids of the timers that others start differ from those of each other,
// and from all that c's guests start until the others take their place.
func (c *component) firstTimers(others []*component) {
	const apart = 1 << 32
	last := core.TimerID(0)
	for _, guest := range append(c.guests(), c) {
		guest.mu.Lock()
		last = max(last, guest.timers.last)
		guest.mu.Unlock()
	}
	for _, other := range others {
		last += apart
		other.timers.last = last
	}
}

func (c *component) cancelTimers() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cancelTimersLocked()
}

// cancelTimersLocked cancels c's timers, because its instance has ended and the next one
// knows nothing of them. The messages of those that have fired are dropped from the
// mailbox, and count as expired. The owner calls it. A new version that takes over in a
// replacement keeps the timers.
func (c *component) cancelTimersLocked() {
	for _, t := range c.timers.running {
		c.host.timers.remove(t)
		c.forgetTimerLocked(t)
	}
	c.counts.Expired += c.sched.mailbox.dropTimers()
}

// dropTimers drops the messages of timers, and returns their number. All others keep
// their order.
func (b *mailbox) dropTimers() (dropped uint64) {
	if b.timers == 0 {
		return 0
	}
	for range b.length {
		if e := b.queue.pop(); !e.timer {
			b.queue.push(e)
		} else {
			e.message.Release()
			dropped++
		}
	}
	b.timers, b.timerBytes = 0, 0
	return dropped
}
