package host

import "github.com/airhost/airhost/core"

// duty is what a component's worker does besides the messages.
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
	c.chain.Store(nil) // what comes next waits for the worker
	c.wakeAndUnlock()
}

// turnIfDueLocked gives the guest a turn, if it wants one. The worker gives it one before the
// messages of each batch, so that neither keeps the other away, and both come before the next
// call of a function. The owner calls it. It releases c.mu meanwhile.
func (c *component) turnIfDueLocked() {
	if c.life.due&dueTurn == 0 || c.life.instance == nil || c.life.leftBehind || c.pauses() || c.sched.wish.claimed() {
		return
	}
	c.life.due &^= dueTurn
	c.sched.mailTurn = false
	turner, ok := c.life.instance.(core.Turner)
	if !ok {
		return // the next version, whose engine is another one
	}
	c.beginCallAndUnlock()
	c.lockAndEndCall(endingOf(turner.Turn()))
}
