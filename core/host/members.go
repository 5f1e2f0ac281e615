package host

import (
	"cmp"
	"context"
	"errors"
	"hash/maphash"
	"math"
	"slices"

	"github.com/airhost/airhost/core"
)

// newMember makes a member of the crew of c, which c's owner adds. The caller owns it.
func (h *Host) newMember(c *component) *component {
	m := newComponent(h, c.deployment)
	m.post = &post{front: c}
	m.sender.quota = bucket{burst: math.Inf(1), clock: h.clock}
	m.sender.mostPending, m.sched.accept = 0, nil
	m.sender.log = c.sender.log
	h.putBeside(m)
	return m
}

// newMembers makes n members that run the same code.
func (h *Host) newMembers(c *component, n int, shared *code) []*component {
	members := make([]*component, n)
	for i := range members {
		members[i] = h.newMember(c)
		members[i].setCode(shared.share())
	}
	return members
}

// startAll starts components beside each other. The error is that of the first one that
// fails.
func (h *Host) startAll(ctx context.Context, all []*component) error {
	errs := make([]error, len(all))
	h.atOnce(len(all), func(i int) { errs[i] = h.startUp(ctx, all[i]) })
	return cmp.Or(errs...)
}

// guests returns the components that run c's instances: its members, or c itself. The caller
// owns c, or holds c.changes.
func (c *component) guests() []*component {
	if c.crew == nil {
		return []*component{c}
	}
	return slices.Clone(c.crew.members)
}

// acquireCrew makes the caller the owner of c and of all its members, once their calls in
// progress have ended.
func (c *component) acquireCrew(ctx context.Context) error {
	if err := c.acquire(ctx); err != nil || c.crew == nil {
		return err
	}
	w := &c.host.waits
	defer w.release(c.crew.members)
	for i, m := range c.crew.members {
		w.hold(c.crew.members[:i], m)
		if err := m.acquire(ctx); err != nil {
			giveFree(c.crew.members[:i])
			c.giveFree()
			return err
		}
	}
	return nil
}

// giveCrewFree undoes acquireCrew.
func (c *component) giveCrewFree() {
	members := c.guests()
	c.giveFree()
	if members[0] != c {
		giveFree(members)
	}
}

func giveFree(all []*component) {
	for _, c := range all {
		c.giveFree()
	}
}

// claimLocked makes the caller the owner of c, which nobody runs.
func (c *component) claimLocked() {
	if c.sched.status == spread {
		c.gatherLocked()
	}
	c.sched.become(claimed)
}

// removeCrew removes a component with its members. The caller owns all.
func (h *Host) removeCrew(ctx context.Context, c *component, refusal *core.MessagingError) error {
	if c.crew == nil {
		return h.remove(ctx, c, refusal)
	}
	c.close(refusal)
	return errors.Join(h.removeAll(ctx, c.crew.members), h.remove(ctx, c, refusal))
}

func (h *Host) removeAll(ctx context.Context, all []*component) (err error) {
	for _, c := range all {
		err = errors.Join(err, h.remove(ctx, c, c.refusals.notFound))
	}
	return err
}

// setGuests makes the instances of some components c's: of c itself, of members, and of those
// that were started beside it. They get the outcomes of the requests that c's other instances
// have sent, and their timers. setGuests returns components with these other instances, which
// are to end; they had the deployment before. The caller owns all of them. Those of next and
// the members that are not c's any more are removed.
func (c *component) setGuests(next []*component, before Deployment) (old []*component) {
	last := c.guests()
	runs, leaves := []*component{c}, version{} // c's instances, and that of c itself
	if len(next) == 1 {
		leaves = c.standAlone(next[0])
	} else {
		runs, leaves = c.formCrew(next)
	}
	old = c.host.aside(old, leaves, before)
	done := slices.Clone(runs)
	for i, from := range slices.Concat(last, next) {
		if slices.Contains(done, from) {
			continue
		}
		done = append(done, from)
		runs[i%len(runs)].inherit(from)
		if from != c {
			old = c.host.aside(old, from.takeVersion(), before)
			c.host.forgetBeside(from, c)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.crew == nil {
		c.sender.mostPending = c.deployment.Quota.PendingRequests
		return old
	}
	for _, m := range runs {
		m.sender.mostPending = m.sender.pending
		c.crew.pending += m.sender.pending
	}
	return old
}

// aside adds a component with a guest that is to end, if there is one.
func (h *Host) aside(old []*component, v version, d Deployment) []*component {
	if v.compiled == nil {
		return old
	}
	c := newComponent(h, d)
	h.putBeside(c)
	c.budget.join(&c.sender.quota)
	c.setVersion(v)
	return append(old, c)
}

func (c *component) takeVersion() version {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.takeVersionLocked()
}

func (c *component) setVersion(v version) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.setVersionLocked(v)
}

// standAlone makes c run the guest of another component, or its own, alone. It returns the
// guest that c had in place of another one's.
func (c *component) standAlone(from *component) (leaves version) {
	c.reclaimRequests()
	var comes version
	if from != c {
		comes = from.takeVersion()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if from != c {
		leaves = c.takeVersionLocked()
		c.setVersionLocked(comes)
		c.life.supervisor.due = c.life.instance == nil
	}
	c.crew, c.sched.mailbox.elsewhere = nil, nil
	c.hasRoom.Store(c.roomLocked())
	return leaves
}

// reclaimRequests makes the requests c's own again that were sent under its name before it had
// a crew. The caller owns all of them.
func (c *component) reclaimRequests() {
	for _, m := range c.guests() {
		i := slices.Index(m.life.former, c)
		if i < 0 {
			continue
		}
		m.life.former = slices.Delete(m.life.former, i, i+1)
		c.mu.Lock()
		m.sender.pending -= c.sender.pending
		c.mu.Unlock()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.life.successor = nil
}

// formCrew makes the guests of some components those of c's crew, and returns the members. A
// guest of c's own gets a member, or is returned.
func (c *component) formCrew(guests []*component) (members []*component, leaves version) {
	members = slices.Clone(guests)
	own := slices.Index(members, c)
	if own >= 0 {
		members[own] = c.host.newMember(c)
	}
	c.mu.Lock()
	leaves = c.takeVersionLocked()
	c.setCrewLocked(members)
	if own < 0 {
		c.traits = members[0].traits
	}
	c.mu.Unlock()
	if own < 0 {
		return members, leaves
	}
	m := members[own]
	m.mu.Lock()
	defer m.mu.Unlock()
	m.setVersionLocked(leaves)
	m.life.supervisor.due = leaves.instance == nil
	return members, version{}
}

func (c *component) setCrew(members []*component) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.setCrewLocked(members)
}

// setCrewLocked makes components with posts the crew of c. The caller owns all of them.
func (c *component) setCrewLocked(members []*component) {
	open := false
	for _, m := range members {
		*m.post = post{front: c, failed: m.post.failed}
		m.sender.quota.tokens = 0
		open = open || !m.post.failed
	}
	seed := maphash.MakeSeed()
	if c.crew != nil {
		seed = c.crew.seed
	}
	c.crew = &crew{members: members, spread: c.deployment.Spread, seed: seed}
	c.sched.mailbox.elsewhere = c.crew.waiting
	c.life.health = core.HealthHealthy
	stopTimer(c.life.supervisor.timer)
	stopTimer(c.life.healthTimer)
	c.life.supervisor, c.life.due = supervisor{}, 0
	c.giveUpSlotLocked()
	if open {
		c.admitLocked()
	}
}

// inherit makes c the heir of from, whose guest c has now, or whose guest is gone: c gets the
// outcomes of the requests that from's guest, and those before it, have sent, and from's
// timers. The caller owns both.
func (c *component) inherit(from *component) {
	c.takeTimers(from)
	formers := from.life.former
	from.life.former = nil
	sent := 0 // requests of formers
	for _, f := range formers {
		f.mu.Lock()
		sent += f.sender.pending
		f.life.successor = c
		f.mu.Unlock()
	}
	waiting, pending := from.leaveTo(c, sent)
	c.mu.Lock()
	c.sender.pending += pending
	for _, e := range waiting {
		c.sched.mailbox.push(e)
	}
	c.mu.Unlock()
	c.life.former = append(append(c.life.former, formers...), from)
	c.forgetFormer()
}

// leaveTo makes c the successor of from, of whose pending requests some have been sent by
// formers. It returns the outcomes that have come, with messages of timers that have fired,
// and the number of pending requests.
func (from *component) leaveTo(c *component, ofFormers int) (waiting []entry, pending int) {
	from.mu.Lock()
	defer from.mu.Unlock()
	from.life.successor = c
	from.countDroppedLocked()
	pending = from.sender.pending
	from.sender.pending -= ofFormers
	for range from.sched.mailbox.length {
		e := from.sched.mailbox.pop()
		if !e.outcome && !e.timer {
			from.sched.mailbox.push(e)
			continue
		}
		waiting = append(waiting, e)
		if e.outcome {
			from.sender.pending--
		}
	}
	from.sender.ids, from.sender.used = nil, 0
	from.giveUpSlotLocked()
	return waiting, pending
}

// leaveCrew notes that c has failed: its messages are the others'. It reports whether there is
// another member that has not failed. If there is none, the front refuses all messages.
func (c *component) leaveCrew() (others bool) {
	f := c.post.front
	f.mu.Lock()
	c.post.senders = c.post.senders[:0]
	if others = len(f.heirsLocked(c)) > 0; others {
		f.changeHomesLocked(func() { c.post.failed = true })
		members := slices.Clone(f.crew.members)
		f.mu.Unlock()
		wakeAll(members)
		return true
	}
	f.gatherLocked()
	c.post.failed = true
	refusal := cmp.Or(f.sched.closed, f.refusals.down)
	f.sched.closed = refusal
	messages := f.sched.mailbox.takeMessages()
	members := slices.Clone(f.crew.members)
	f.mu.Unlock()
	for _, m := range messages {
		f.host.undeliverable(m, core.Undelivered(refusal))
	}
	for _, m := range members {
		m.forgetIfFailed()
	}
	return false
}

// passOnAndUnlock gives the outcome of a request of c, which takes no outcomes any more, to
// another instance of the same component. If there is none, the outcome is an orphan.
func (c *component) passOnAndUnlock(m *core.Message) {
	c.life.dropped++
	var heirs []*component
	if c.post != nil {
		f := c.post.front
		f.mu.lockPartner()
		if c.sched.status == down { // has no owner
			c.countDroppedLocked()
			f.settleLocked(c)
		}
		heirs = f.heirsLocked(c)
		f.mu.Unlock()
	}
	c.mu.Unlock()
	adopts := func(heir *component) bool { return heir.adopt(m) }
	if !slices.ContainsFunc(heirs, adopts) {
		c.host.counts.orphans.Add(1)
		m.Release()
	}
}

// heirsLocked returns the members of the front c that have not failed, but for m.
func (c *component) heirsLocked(m *component) (heirs []*component) {
	if c.crew == nil {
		return nil
	}
	for _, other := range c.crew.members {
		if other != m && !other.post.failed {
			heirs = append(heirs, other)
		}
	}
	return heirs
}

// adopt makes c, or its successor, handle the outcome of a request that another instance has
// sent. It reports whether that takes outcomes.
func (c *component) adopt(m *core.Message) bool {
	c.mu.Lock()
	if next := c.life.successor; next != nil {
		c.mu.Unlock()
		return next.adopt(m)
	}
	if c.sched.closed != nil {
		c.mu.Unlock()
		return false
	}
	c.life.dropped--
	c.acceptAndUnlock(entry{message: m, outcome: true}, nil)
	return true
}

// returnToCrew notes that c takes messages again, if it had failed. Its owner calls it.
func (c *component) returnToCrew() {
	if c.post == nil {
		return
	}
	f := c.post.front
	f.mu.Lock()
	if !c.post.failed {
		f.mu.Unlock()
		return
	}
	f.admitLocked()
	f.changeHomesLocked(func() { c.post.failed = false })
	members := slices.Clone(f.crew.members)
	f.mu.Unlock()
	wakeAll(members)
}
