package host

import (
	"testing"

	"github.com/airhost/airhost/core"
)

// TestNoCreditInABacklog: a component in Go gets no credit while messages wait for it, since
// no chain can follow; a guest of another engine does, and saves a crossing.
func TestNoCreditInABacklog(t *testing.T) {
	for _, inGo := range []bool{false, true} {
		for _, backlog := range []bool{false, true} {
			target := new(component)
			target.hasRoom.Store(true)
			h := new(Host)
			h.clock = core.NewClock(h.tick)
			c := &component{host: h}
			c.sender.quota = newBucket(1, 1, h.clock)
			c.sender.last = &route{way: way{local: target}}
			c.guest.ledger = core.NewLedger(c.reconcile)
			c.guest.ledger.Sides[0].Credit = new(core.Credit) // of an earlier call
			c.traits.InGo, c.guest.backlog = inGo, backlog
			c.allowUnlessSlow()
			if got, want := c.guest.ledger.Sides[0].Credit == &c.sender.last.credit, !inGo || !backlog; got != want {
				t.Errorf("in Go %v, a backlog %v: a credit %v, want %v", inGo, backlog, got, want)
			}
			h.clock.Close()
		}
	}
}
