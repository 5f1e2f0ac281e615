package nats

import (
	"slices"

	"github.com/airhost/airhost/core"
)

// A host may not know yet that a component has a durable mailbox, and sends its messages directly. The
// component's host does not take them: it answers that they are to be stored, and the sender's host
// stores them. Until all of them have ended, later messages to that component wait, so
// that none overtakes another.

// errStore refuses a message that came directly and is to be stored.
var errStore = &core.MessagingError{Case: core.CaseUnavailable, Text: "the message is for a durable mailbox, and came directly"}

// overtake notes if the target has a durable mailbox. From then on the route takes requests only.
func (r *remote) overtake(mail bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if mail == r.mail {
		return
	}
	if r.mail = mail; !mail {
		return
	}
	r.before = 0
	note := func(f *frame) {
		if f.before = !f.word; f.before {
			r.before++
		}
	}
	for _, f := range r.frames {
		note(f)
	}
	for _, f := range slices.Concat(r.waiting, r.ending) {
		note(f)
	}
}

// hasBefore reports whether messages that went this way are to be awaited.
func (r *remote) hasBefore() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.before > 0
}

// ended forgets a frame with whose messages the route has done.
func (r *remote) ended(f *frame) {
	r.mu.Lock()
	at := slices.Index(r.ending, f)
	r.ending = slices.Delete(r.ending, at, at+1)
	last := false
	if f.before {
		r.before--
		last = r.before == 0
	}
	r.mu.Unlock()
	f.release()
	if last {
		r.broker.beginMailTo(r.target)
	}
}

// storeInstead stores a message that the target's host has not taken since it is to be stored.
func (r *remote) storeInstead(m *core.Message) {
	b := r.broker
	b.know(r.target)
	mail, err := b.mailRouteTo(r.target)
	if err == nil {
		err = mail.postBefore(m)
	}
	if err != nil {
		b.home.Undelivered(m, err)
	}
}

// followLocked makes a route to a durable mailbox wait for the messages that went directly. The
// caller holds Broker.mu.
func (b *Broker) followLocked(r *mailRoute) {
	direct := b.remotes[r.target]
	waits := direct != nil && direct.hasBefore() // for true, beginMailTo follows
	r.mu.Lock()
	defer r.mu.Unlock()
	r.before = append(r.before, r.after...)
	r.after = nil
	r.waits = waits || len(r.before) > 0
}

// beginMailTo makes a route wait no longer.
func (b *Broker) beginMailTo(target core.ComponentID) {
	b.mu.RLock()
	r := b.mail.routes[target]
	b.mu.RUnlock()
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waits = false
	for _, l := range slices.Concat(r.before, r.after) {
		r.queueLocked(l)
	}
	r.before, r.after = nil, nil
}

// postBefore takes a message that went directly.
func (r *mailRoute) postBefore(m *core.Message) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.closedLocked(); err != nil {
		return err
	}
	l := r.takeLocked(m)
	if r.waits {
		r.before = append(r.before, l)
	} else {
		r.queueLocked(l)
	}
	return nil
}
