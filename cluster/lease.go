package cluster

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"slices"
	"sync/atomic"
	"time"
)

// held is a lease of this host.
type held struct {
	session string
	until   time.Time // less the margin
	wall    time.Time // the same by the wall clock, which goes on while a machine sleeps
}

// lease is this host's lease.
type lease struct {
	atomic.Pointer[held]           // nil without one
	revision             uint64    // of the last renewal
	unseen               uint64    // of the first renewal that the directory has not told of; 0 if there is none
	since                time.Time // of that
	next                 string    // the session that the host tries to get
	draining             bool
	written              canValue // the last word of the host about the components that it can run
}

// holds reports whether a session of this host has its lease.
func (c *Controller) holds(session string) bool {
	h := c.lease.Load()
	if h == nil || h.session != session {
		return false
	}
	now := time.Now()
	return now.Before(h.until) && now.Round(0).Before(h.wall)
}

// session returns the session in which this host has a lease, or "".
func (c *Controller) session() string {
	if h := c.lease.Load(); h != nil && c.holds(h.session) {
		return h.session
	}
	return ""
}

// keepLease gets a lease and renews it until ctx ends. It also says which components the host can run.
func (c *Controller) keepLease(ctx context.Context) {
	for ctx.Err() == nil {
		pause := renewEvery(c.config.Lease)
		if !c.renew(ctx) {
			pause = lookEvery(c.config.Lease)
		}
		c.sayCan(ctx)
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-c.kick:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// renew gets a lease, or renews it. It reports whether it did.
func (c *Controller) renew(ctx context.Context) bool {
	c.writing.Lock()
	defer c.writing.Unlock()
	c.mu.Lock()
	session, last, may := c.nextLeaseLocked(time.Now())
	value := hostValue{Session: session, Lease: c.config.Lease.Milliseconds(), Draining: c.lease.draining}
	c.mu.Unlock()
	if !may {
		return false
	}
	sent := time.Now()
	revision, won, err := c.write(ctx, hostPrefix+part(c.config.Host), value, last)
	if err != nil || !won {
		c.log.Debug("the lease was not renewed", "won", won, "reason", text(err))
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if h := c.lease.Load(); h != nil && h.session != session || h == nil && c.lease.next != session {
		return false // it was lost meanwhile
	}
	c.lease.next = ""
	c.lease.revision = max(c.lease.revision, revision)
	term := c.config.Lease - margin(c.config.Lease)
	if c.lease.Load() == nil {
		c.log.Info("this host has a lease", "host", c.config.Host, "lease", c.config.Lease)
	}
	c.lease.Store(&held{session, sent.Add(term), sent.Round(0).Add(term)})
	c.noteUnseenLocked(revision)
	c.wakeUp()
	return true
}

// noteUnseenLocked notes a renewal of which the directory has to tell.
func (c *Controller) noteUnseenLocked(revision uint64) {
	if h := c.view.hosts[c.config.Host]; c.lease.unseen == 0 && (h == nil || h.revision < revision) {
		c.lease.unseen, c.lease.since = revision, time.Now()
	}
}

// isBlindLocked reports whether the directory does not tell of this host's own renewals, as
// when the server that told of changes is dead: then it tells of no others either.
func (c *Controller) isBlindLocked(now time.Time) bool {
	return c.lease.unseen > 0 && now.Sub(c.lease.since) > blindAfter(c.config.Lease)
}

// nextLeaseLocked returns the session of the next renewal, and the revision that it follows. A host
// without a lease waits until the one that another process of its name had before is over.
func (c *Controller) nextLeaseLocked(now time.Time) (session string, last uint64, may bool) {
	h := c.view.hosts[c.config.Host]
	if h == nil {
		h = &hostView{}
	}
	if held := c.lease.Load(); held != nil {
		return held.session, c.lease.revision, c.holds(held.session)
	}
	if !c.view.complete {
		return "", 0, false
	}
	if c.lease.next == "" {
		c.lease.next = rand.Text()
	}
	mine := h.Session == c.lease.next || c.sessions[h.Session]
	may = h.revision == 0 || h.Gone || mine || h.over(now)
	return c.lease.next, h.revision, may
}

// noteOwnLocked looks at a lease of this host's name in the directory.
func (c *Controller) noteOwnLocked() {
	h, held := c.view.hosts[c.config.Host], c.lease.Load()
	if h != nil && h.revision >= c.lease.unseen {
		c.lease.unseen = 0
		c.noteUnseenLocked(c.lease.revision)
	}
	switch {
	case h == nil || held == nil:
	case h.Session == held.session && !h.Gone:
		c.lease.revision = max(c.lease.revision, h.revision)
	case h.revision > c.lease.revision:
		c.loseLocked("another host has ended it: this one was not heard for its lease, or another one has its name (host.nats.name)")
	}
}

// loseLocked ends the lease. The components that are claimed under it are stopped.
func (c *Controller) loseLocked(reason string) {
	h := c.lease.Load()
	if h == nil {
		return
	}
	c.sessions[h.session] = true
	c.lease.Store(nil)
	c.lease.next, c.lease.revision, c.lease.unseen, c.lease.written = "", 0, 0, canValue{}
	n := 0
	for _, p := range c.placed {
		if p.wrote = 0; p.running {
			n++
		}
		if p.abandon != nil { // else the component would go on until the other host has answered
			p.abandon()
		}
	}
	c.log.Warn("this host has lost its lease: it stops the components with place: any, and goes on with all others", "components", n, "reason", reason)
	c.rewatch() // all that it knows may be old
	c.wakeUp()
}

// sayCan writes which components this host can run, if that has changed.
func (c *Controller) sayCan(ctx context.Context) {
	session := c.session()
	if session == "" {
		return
	}
	now := time.Now()
	c.mu.Lock()
	can := canValue{Session: session}
	for _, p := range c.placed {
		if !p.removed && !now.Before(p.blocked) {
			can.Components = append(can.Components, p.id.String())
		}
	}
	slices.Sort(can.Components)
	all := len(can.Components)
	can.Components = fitting(can.Components, c.config.Hosts.MaxAsk())
	same := can.Session == c.lease.written.Session && slices.Equal(can.Components, c.lease.written.Components)
	last := uint64(0)
	if h := c.view.hosts[c.config.Host]; h != nil {
		last = h.canRevision
	}
	c.mu.Unlock()
	if same {
		return
	}
	if left := all - len(can.Components); left > 0 {
		c.log.Error("this host has more components with place: any than one message to the directory can name: it does not take the rest; raise max_payload of the NATS servers", "rest", left)
	}
	_, won, err := c.write(ctx, canPrefix+part(c.config.Host), can, last)
	if err != nil || !won {
		c.log.Debug("what this host can run was not written", "won", won, "reason", text(err))
		time.AfterFunc(lookEvery(c.config.Lease), c.kickLease)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lease.written = can
}

// fitting are the first components that fit into so many bytes with the rest of a canValue.
func fitting(all []string, most int) []string {
	size := askSlack
	for i, id := range all {
		if size += len(id) + len(`"",`); size > most {
			return all[:i]
		}
	}
	return all
}

// write sets a value of the directory.
func (c *Controller) write(ctx context.Context, key string, value any, last uint64) (uint64, bool, error) {
	data, err := json.Marshal(value)
	if err != nil {
		return 0, false, err // it does not fail
	}
	ctx, cancel := context.WithTimeout(ctx, renewEvery(c.config.Lease))
	defer cancel()
	return c.config.Directory.Update(ctx, key, data, last)
}

// leave ends the lease when nothing of this host runs any more, so that others need not wait for its
// end.
func (c *Controller) leave(ctx context.Context) {
	c.writing.Lock() // no renewal is under way
	defer c.writing.Unlock()
	c.mu.Lock()
	h, last := c.lease.Load(), c.lease.revision
	c.lease.Store(nil)
	c.mu.Unlock()
	c.end() // the directory closes
	if h == nil {
		return
	}
	value := hostValue{Session: h.session, Lease: c.config.Lease.Milliseconds(), Gone: true, Clean: true}
	if _, won, err := c.write(ctx, hostPrefix+part(c.config.Host), value, last); err != nil || !won {
		c.log.Warn("this host's lease was not ended: its components start on others when it is over", "reason", text(err))
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
