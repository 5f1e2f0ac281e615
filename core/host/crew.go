package host

import (
	"cmp"
	"context"
	"hash/maphash"
	"maps"
	"slices"

	"github.com/airhost/airhost/core"
)

// crew are the instances of a component that has several. Each one belongs to a member: a
// component beside the deployed one, with its own supervisor and its own requests. The
// deployed component is the front. It has no instance, and its status is spread: the
// members take messages out of its mailbox. Their own mailboxes get only the outcomes of
// their requests.
//
// The front's lock guards the crew and each member's post. A goroutine that holds the lock
// of a member may take the front's, and never the other way around.
type crew struct {
	members []*component
	spread  Spread
	seed    maphash.Seed
	shared  queue[placed]                   // messages that any member may take
	idle    []*component                    // all members that are idle, and some that have begun to work since
	pinned  map[core.ComponentID]*component // in place of the homes of these senders; see changeHomesLocked
	last    uint64                          // number of the last message
	pending int                             // requests that members may have pending, by what they have been lent
}

// post is what the front knows of a member. The field front belongs to the member's owner.
type post struct {
	front   *component
	lane    queue[placed]      // messages for this member alone
	senders []core.ComponentID // of the messages of its lane that it handles now
	listed  bool               // in crew.idle
	failed  bool
	lent    float64 // messages of the front's quota that it has been lent
}

// placed is a message in a lane, with a number that says when it came.
type placed struct {
	message *core.Message
	number  uint64
}

// home returns the member that handles the messages of a sender, or nil if any does.
func (w *crew) home(sender core.ComponentID) *component {
	if w.spread == SpreadAny || sender.Namespace() == core.HostNamespace {
		return nil
	}
	if m := w.pinned[sender]; m != nil {
		return m
	}
	hash := maphash.String(w.seed, sender.String())
	n := uint64(len(w.members))
	m := w.members[hash%n]
	for i := hash / n; m.post.failed; i++ { // one has not failed, or the front takes nothing
		m = w.members[i%n]
	}
	return m
}

// waiting calls yield for each message that waits in a lane.
func (w *crew) waiting(yield func(*core.Message) bool) {
	lanes := []*queue[placed]{&w.shared}
	for _, m := range w.members {
		lanes = append(lanes, &m.post.lane)
	}
	for _, lane := range lanes {
		for i := range lane.length {
			if !yield(lane.at(i).message) {
				return
			}
		}
	}
}

// placeLocked moves all entries of the front's queue to lanes. They still count as messages of
// the front's mailbox. It returns the home of the last one, or nil.
func (c *component) placeLocked() (home *component) {
	w := c.crew
	for c.sched.mailbox.length > 0 {
		m := c.sched.mailbox.queue.pop().message
		w.last++
		lane := &w.shared
		if home = w.home(m.Sender); home != nil {
			lane = &home.post.lane
		}
		lane.push(placed{m, w.last})
	}
	return home
}

// gatherLocked undoes placeLocked. The messages come in the order in which they came.
func (c *component) gatherLocked() {
	w := c.crew
	var all []placed
	for _, m := range w.members {
		all = drain(all, &m.post.lane)
	}
	all = drain(all, &w.shared)
	slices.SortFunc(all, func(a, b placed) int { return cmp.Compare(a.number, b.number) })
	later := c.sched.mailbox.queue
	c.sched.mailbox.queue = queue[entry]{}
	for _, p := range all {
		c.sched.mailbox.queue.push(entry{message: p.message})
	}
	for later.length > 0 {
		c.sched.mailbox.queue.push(later.pop())
	}
}

func drain(all []placed, lane *queue[placed]) []placed {
	for lane.length > 0 {
		all = append(all, lane.pop())
	}
	return all
}

// changeHomesLocked keeps the order of senders while change gives some other homes: the member
// that handles a message of a sender now gets the following ones too, until its lane is empty.
func (c *component) changeHomesLocked(change func()) {
	c.gatherLocked()
	change()
	w := c.crew
	clear(w.pinned)
	for _, m := range w.members {
		for _, sender := range m.post.senders {
			if w.pinned == nil {
				w.pinned = make(map[core.ComponentID]*component)
			}
			w.pinned[sender] = m
		}
	}
	if c.sched.status == spread {
		c.placeLocked()
	}
}

// refillLocked moves messages of the front into c's mailbox, if that is empty or c begins to
// work: before all that waits there, one, or as many as c's instance takes at once. c's
// worker handles them before it releases c's lock for anything else. The call for earlier
// ones has ended.
func (c *component) refillLocked(begins bool) {
	c.countDroppedLocked()
	if !begins && c.sched.mailbox.length > 0 {
		return
	}
	f := c.post.front
	f.mu.lockPartner()
	defer f.mu.Unlock()
	f.endedLocked(c)
	f.unlistLocked(c)
	f.lendLocked(c, 0)
	most := 1
	if c.sched.mailbox.length == 0 && c.guest.batch != nil && c.call.fast {
		most = maxBatch
	}
	for n, size := 0, 0; n < most; n++ {
		lane := f.crew.next(c)
		if lane == nil {
			break
		}
		m := lane.peek().message
		if size += len(m.Payload); size > maxBatchBytes && n > 0 {
			break
		}
		lane.pop()
		f.sched.mailbox.left(m)
		if n == 0 {
			c.sched.mailbox.pushFirst(m)
		} else {
			c.sched.mailbox.push(entry{message: m})
		}
		if lane != &f.crew.shared {
			c.post.senders = append(c.post.senders, m.Sender)
		}
	}
}

// next returns the lane that holds the oldest message for m, or nil.
func (w *crew) next(m *component) *queue[placed] {
	own, shared := &m.post.lane, &w.shared
	switch {
	case own.length == 0 && shared.length == 0:
		return nil
	case own.length == 0 || shared.length > 0 && shared.peek().number < own.peek().number:
		return shared
	}
	return own
}

// endedLocked notes that a member handles no message any more.
func (c *component) endedLocked(m *component) {
	m.post.senders = m.post.senders[:0]
	if len(c.crew.pinned) > 0 && m.post.lane.length == 0 {
		maps.DeleteFunc(c.crew.pinned, func(_ core.ComponentID, at *component) bool { return at == m })
	}
}

// restsLocked reports whether the front has no message for c. Then c becomes idle, and is on
// the front's list from now on: whoever delivers a message finds c there, or c finds the
// message here.
func (c *component) restsLocked() bool {
	f := c.post.front
	f.mu.lockPartner()
	defer f.mu.Unlock()
	f.endedLocked(c)
	f.settleLocked(c)
	if f.crew.next(c) != nil {
		return false
	}
	if !c.post.listed {
		c.post.listed = true
		f.crew.idle = append(f.crew.idle, c)
	}
	return true
}

func (c *component) unlistLocked(m *component) {
	if m.post.listed {
		m.post.listed = false
		c.crew.idle = slices.DeleteFunc(c.crew.idle, func(other *component) bool { return other == m })
	}
}

// popIdle takes the member that was listed last off the list. The caller begins to use it, or
// wakes it, or calls putBack: it may be idle, and then nobody else finds it.
func (w *crew) popIdle() *component {
	last := len(w.idle) - 1
	m := w.idle[last]
	w.idle[last] = nil
	w.idle = w.idle[:last]
	m.post.listed = false
	return m
}

// wakeMemberAndUnlock places the message that has come last, and wakes a member for it, if
// one that may take it is idle. c is the front.
func (c *component) wakeMemberAndUnlock() {
	if home := c.placeLocked(); home != nil {
		wakes := home.post.listed
		c.mu.Unlock()
		if wakes {
			home.wake()
		}
		return
	}
	c.wakeIdleAndUnlock()
}

// wakeIdleAndUnlock wakes a member of the front c that is idle, if there is one and messages
// wait that any member may take.
func (c *component) wakeIdleAndUnlock() {
	for c.sched.status == spread && c.crew.shared.length > 0 && len(c.crew.idle) > 0 {
		m := c.crew.popIdle()
		c.mu.Unlock()
		if m.wake() {
			return
		}
		c.mu.Lock() // it works, and looks for messages when it has ended
	}
	c.mu.Unlock()
}

// pauseAndUnlock releases c.mu. If c is a member, it takes no messages for a while: others get
// its lease, and one is woken in its place, since c may have been woken for a message that it
// has not taken.
func (c *component) pauseAndUnlock() {
	if c.post == nil {
		c.mu.Unlock()
		return
	}
	c.countDroppedLocked()
	f := c.post.front
	f.mu.lockPartner()
	f.settleLocked(c)
	f.mu.Unlock()
	c.mu.Unlock()
	f.mu.Lock()
	f.wakeIdleAndUnlock()
}

// wake queues c if it is idle, and reports whether it was.
func (c *component) wake() bool {
	c.mu.Lock()
	wakes := c.sched.status == idle
	c.wakeAndUnlock()
	return wakes
}

// spreadAndUnlock gives up a front: its members take the messages that wait.
func (c *component) spreadAndUnlock() {
	c.sched.become(spread)
	c.placeLocked()
	members := slices.Clone(c.crew.members)
	c.mu.Unlock()
	wakeAll(members)
}

func wakeAll(members []*component) {
	for _, m := range members {
		m.wake()
	}
}

// beginDirectOnMemberAndUnlock is beginDirect on a member of the front c that is idle, unless
// messages wait that it may take.
func (c *component) beginDirectOnMemberAndUnlock(ctx context.Context, endless bool, size int) (on *component, fast bool) {
	for c.sched.status == spread && c.crew.shared.length == 0 && len(c.crew.idle) > 0 && c.acceptsLocked(1) {
		m := c.crew.popIdle()
		c.mu.Unlock()
		if on, fast = m.beginDirect(ctx, endless, size); on != nil {
			return on, fast
		}
		idles := m.putBack()
		c.mu.Lock()
		c.refundLocked(1)
		if idles {
			break // the call cannot be made directly
		}
	}
	c.mu.Unlock()
	return nil, false
}

// putBack lists a member again that was taken off the list and is still idle. It reports
// whether it is.
func (c *component) putBack() (idles bool) {
	c.mu.Lock()
	if c.sched.status != idle {
		c.mu.Unlock()
		return false
	}
	if c.restsLocked() {
		c.mu.Unlock()
	} else {
		c.wakeAndUnlock()
	}
	return true
}
