package host

import "github.com/airhost/airhost/core"

// duty is work that a component's worker does besides the messages.
type duty uint8

// The duties.
const (
	dueHealth duty = 1 << iota // to ask the guest for its health
	dueTurn                    // to give the guest a turn to send
	dueForget                  // to end the requests of a guest that has failed
)

// askFor makes a worker do its duty for c soon.
func (c *component) askFor(d duty) {
	c.mu.Lock()
	c.life.due |= d
	c.chain.Store(nil) // the next message waits for the worker
	c.wakeAndUnlock()
}

// doDutyLocked does one duty of the worker, if it can. begins reports that a batch of messages begins:
// then the guest gets a turn, if it wants one, and after it the first message comes, so that neither
// keeps the other away. Both come before the next call of a function. stays reports whether the
// message may come. The owner calls doDutyLocked. It releases c.mu meanwhile.
func (c *component) doDutyLocked(begins bool) (stays bool) {
	switch {
	case c.life.due&dueHealth != 0:
		c.checkHealthLocked()
		return false
	case c.life.due&dueTurn != 0 && begins && !c.sched.wish.claimed():
		c.turnLocked()
		return c.life.instance != nil && !c.life.leftBehind && !c.pauses() && !c.sched.wish.claimed()
	}
	return true
}

// beginDutyLocked notes that a duty is being done for c's instance. The owner calls it.
func (c *component) beginDutyLocked(d duty) {
	c.life.due &^= d
	c.guest.services.wished.And(^uint32(d))
}

// turnLocked gives the guest a turn.
func (c *component) turnLocked() {
	c.beginDutyLocked(dueTurn)
	c.sched.mailTurn = false
	turner, ok := c.life.instance.(core.Turner)
	if !ok {
		return // the next version, whose engine is another one
	}
	c.beginCallAndUnlock()
	c.lockAndEndCall(c.host.bounds.endingOf(turner.Turn()))
}
