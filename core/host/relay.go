package host

import (
	"slices"
	"time"

	"github.com/airhost/airhost/core"
)

const (
	// maxRelay is how many calls may follow the first one in a relay.
	maxRelay = 32
	// maxRelayRequests is for how many requests of one side ids are reserved.
	maxRelayRequests = maxRelay / 2
	// relayHandlerTime is the least handler time of components that take turns:
	// what one of them takes is told from what the other does by the watchdog's
	// ticks alone.
	relayHandlerTime = 10 * time.Millisecond
)

// relay is how a worker has two components take turns by [core.Relayer]. It owns
// both meanwhile.
type relay struct {
	core.Relay
	sides   [2]*component
	entry   entry         // what the first call is for
	last    *core.Message // what the last call is for, if that is not the first
	settled bool
}

// asRelayer returns instance as one, or nil if it does not take turns. Fuel is for
// one call.
func (c *component) asRelayer(instance core.Instance) core.Relayer {
	relayer, _ := instance.(core.Relayer)
	if c.limits.HandlerTime < relayHandlerTime || c.limits.Fuel > 0 {
		return nil
	}
	return relayer
}

// partner returns whom c may take turns with from the handling of e on, or nil. It
// is the one that c sent to last, if c has sent something in its last call, and
// both have nothing else to do. The partner is held.
func (c *component) partner(e entry) *component {
	spoke, w, r := c.out.spoke, c.worker, c.out.last
	c.out.spoke = false
	if !spoke || c.relayer == nil || w == nil || r == nil || c.backlog || !e.outcome && e.message.IsRequest() || w.turns >= turns-1 ||
		w.slot.next() != nil || !r.answers() || !c.out.quota.has(maxRelay+1) {
		return nil
	}
	p := r.local
	if p == nil || p == c || p.plan.Engine != c.plan.Engine || !p.hold(w) {
		return nil
	}
	c.mu.Lock()
	waits := c.mailbox.length > 0 // it may hold what p has sent before
	c.mu.Unlock()
	if waits || !p.out.quota.has(maxRelay+1) {
		p.mu.Lock()
		p.yield()
		return nil
	}
	return p
}

// answers reports whether a relay on a route promises to last. One of a single call
// costs more than it saves; where there are many in a row, one message in 64 tries
// whether that has changed.
func (r *route) answers() bool {
	if r.short < 4 {
		return true
	}
	r.short++
	if r.short < 4+64 {
		return false
	}
	r.short = 3
	return true
}

// lasted notes how many calls came after the first of a relay on a route.
func (r *route) lasted(calls uint32) {
	if calls > 1 {
		r.short = 0
	} else {
		r.short++
	}
}

// hold makes an idle component w's, if it can take turns.
func (c *component) hold(w *worker) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.status != idle || c.relayer == nil {
		return false
	}
	c.status, c.worker = running, w
	return true
}

// take has c handle e and take turns with p, which is held. It returns which of
// both is still owned, with its last call's error; the other has been given up.
func (r *relay) take(c *component, e entry, p *component) (*component, error) {
	r.sides, r.entry, r.last, r.settled = [2]*component{c, p}, e, nil, false
	r.Instances, r.Most = [2]core.Relayer{c.relayer, p.relayer}, min(maxRelay, turns-1-c.worker.turns)
	r.Ended, r.Side, r.Last = [2]core.RelayCalls{}, 0, core.RelayFirst
	for side, s := range r.sides {
		s.reserve(maxRelayRequests)
		r.Requests[side] = s.out.reserved
	}
	r.Progress.Store(0)
	c.relaying.Store(r)
	err := c.relayer.Relay(core.Delivery{Message: e.message, Outcome: e.outcome}, &r.Relay)
	if !r.settled {
		r.settle() // it ended before it came to that
	}
	owned, m := r.sides[r.Side], r.last
	r.sides, r.entry, r.last = [2]*component{}, entry{}, nil
	r.Instances, r.Requests, r.Payload = [2]core.Relayer{}, [2][]core.RequestID{}, nil
	switch r.Last {
	case core.RelayFirst:
		return owned, owned.finish(e, err)
	case core.RelayRequest:
		m.Payload, owned.response = owned.response, nil
		return owned, owned.answered(m, err)
	case core.RelayCallback:
		return owned, owned.calledBack(m, err)
	}
	return owned, owned.received(m, err)
}

// settle does for the calls that have ended what the host does for each, and has
// the last one be a call like any other: its component is the worker's, and the
// other one is given up.
func (r *relay) settle() (response *[]byte) {
	r.settled = true
	c, calls := r.sides[0], r.Progress.Load()>>1
	x, y := r.sides[r.Side], r.sides[1-r.Side]
	c.worker.turns += int(calls)
	c.out.last.lasted(calls)
	defer r.giveUp(x, y, calls) // whatever panics before it

	switch r.Last {
	case core.RelayMessage:
		r.last = y.granted(x.id, r.Payload)
	case core.RelayRequest:
		r.last = y.granted(x.id, r.Payload)
		r.last.Correlation, r.last.Origin = y.out.reserved[r.Ended[r.Side].Requests], c.host
		x.response = r.last.Payload[:0]
		response = &x.response
	case core.RelayCallback:
		r.last = x.newMessage(x.id, nil)
	}
	if calls > 0 {
		_ = c.finish(r.entry, nil)
	}
	r.count(0)
	r.count(1)
	if r.Last == core.RelayRequest {
		if err := y.registerGranted(r.last, r.TimeoutMillis); err != nil { // nobody will answer to it
			failed := core.NewMessage(nil)
			failed.Correlation = r.last.Correlation
			failed.Fail(errHostStopping)
			y.outcome(failed, nil)
		}
	}
	return response
}

// giveUp gives up y, and has x be in a call, if it is not already.
func (r *relay) giveUp(x, y *component, calls uint32) {
	c, w := r.sides[0], x.worker
	c.mu.Lock() // from here on the watchdog goes by what is in the components
	c.relaying.Store(nil)
	c.calls += uint64(calls)
	c.publish()
	c.mu.Unlock()
	if x != c {
		x.mu.Lock()
		x.publish()
		if x.abandoned {
			x.interrupt()
		}
		x.begin()
		w.current = x
		w.slot.set(x)
	}
	y.end(nil)
	y.yield()
}

// count counts the calls of one side that have ended, and what was sent for them.
func (r *relay) count(side int) {
	x, y, ended := r.sides[side], r.sides[1-side], r.Ended[side]
	sent := ended.Messages + ended.Requests
	x.counts.Handled += uint64(sent)
	x.counts.Callbacks += uint64(ended.Callbacks)
	if sent > 0 {
		y.counts.Sent += uint64(sent)
		y.counts.Requests += uint64(ended.Requests)
		y.out.quota.take(float64(sent))
		y.out.spoke = true
		y.renew(ended.Requests)
	}
}

// reserve has ids reserved for as many requests, if they are to be had.
func (c *component) reserve(n int) {
	for reserver := c.host.reserver; reserver != nil && c.traits.Callback && len(c.out.reserved) < n; {
		id, err := reserver.Reserve(c)
		if err != nil {
			return
		}
		c.out.reserved = append(c.out.reserved, id)
	}
}

// renew replaces the first n reserved ids, which have been used. They become the
// last: an engine goes on with the one that follows them.
func (c *component) renew(n int) {
	if n == 0 {
		return
	}
	ids := c.out.reserved
	if err := c.host.reserver.Renew(c, ids[:n]); err != nil { // it is closed
		c.out.reserved = ids[n:]
		return
	}
	slices.Reverse(ids[:n])
	slices.Reverse(ids[n:])
	slices.Reverse(ids)
}
