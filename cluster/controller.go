package cluster

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/airhost/airhost/core"
)

// Config configures a [Controller]. All fields but Logger are needed.
type Config struct {
	Host      string        // this host's name, which is its own in the cluster
	Lease     time.Duration // how long others wait for a renewal of this host's lease
	Directory Directory
	Hosts     Hosts
	Fences    Fences
	Runner    Runner
	Logger    *slog.Logger // slog.Default() by default
}

// Controller runs the components with "place: any" of one host. Its methods may be called from any
// goroutine.
type Controller struct {
	config Config
	log    *slog.Logger
	wake   chan struct{} // something has changed
	kick   chan struct{} // the lease is to be written at once
	slots  chan struct{} // as many actions as there may be at the same time
	moves  chan struct{} // likewise of components that move away
	work   sync.WaitGroup
	end    context.CancelFunc

	lease   lease      // all but the pointer is guarded by mu
	writing sync.Mutex // held while the lease is written; locked before mu

	mu       sync.Mutex // guards the following
	view     *view
	placed   map[core.ComponentID]*placed
	sessions map[string]bool // that this host has had, and are over
	highest  map[core.ComponentID]uint64
	staged   map[string]*staged
	again    context.CancelFunc // makes the watch begin anew
	changed  chan struct{}      // closed and made anew after each change
	stopping bool
}

// placed is a component that this host may run.
type placed struct {
	id        core.ComponentID
	busy      bool // an action of it is in progress
	running   bool
	removed   bool      // it is to be given up, and forgotten
	claim     claimView // under which it runs
	wrote     uint64    // the revision of the last claim that this host has written
	notBefore time.Time // of the next action
	balanced  time.Time // it does not move to a better host before
	blocked   time.Time // until when this host does not try to start it
	failures  int
	reason    error              // why the last start, stop or move failed
	abandon   context.CancelFunc // ends a move; nil if there is none that can end
}

const (
	maxActions = 32
	maxMoves   = 4
	// A component that does not start is tried again here after firstBlock, then twice of that, up to
	// lastBlock.
	firstBlock = 10 * time.Second
	lastBlock  = 10 * time.Minute
	// retry is the pause after something that another host may have been faster with.
	retry = 20 * time.Millisecond
)

// New returns a controller that does nothing yet.
func New(c Config) (*Controller, error) {
	if c.Host == "" || c.Lease <= 0 || c.Directory == nil || c.Hosts == nil || c.Fences == nil || c.Runner == nil {
		return nil, errors.New("cluster: want the host's name, a lease, a directory, other hosts, fences and a runner")
	}
	return &Controller{
		config: c, log: cmp.Or(c.Logger, slog.Default()), wake: make(chan struct{}, 1), kick: make(chan struct{}, 1),
		slots: make(chan struct{}, maxActions), moves: make(chan struct{}, maxMoves), view: newView(),
		placed: map[core.ComponentID]*placed{}, sessions: map[string]bool{}, highest: map[core.ComponentID]uint64{},
		staged: map[string]*staged{}, changed: make(chan struct{}), again: func() {}, end: func() {},
	}, nil
}

// Start begins to work. It waits until the directory has answered, or ctx ends.
func (c *Controller) Start(ctx context.Context) error {
	over, end := context.WithCancel(context.Background())
	c.end = end
	c.config.Directory.AtClose(c.leave)
	failed := make(chan error, 1)
	c.work.Go(func() { c.watch(over, failed) })
	for {
		c.mu.Lock()
		complete, changed := c.view.complete, c.changed
		c.mu.Unlock()
		if complete {
			break
		}
		select {
		case err := <-failed:
			c.end()
			return err
		case <-changed:
		case <-ctx.Done():
			c.end()
			return context.Cause(ctx)
		}
	}
	if err := c.config.Hosts.Answer(c.answer); err != nil { // later: one that did not start answers nobody
		c.end()
		return err
	}
	c.work.Go(func() { c.keepLease(over) })
	c.work.Go(func() { c.run(over) })
	return nil
}

// Stop ends claims and moves, but not the lease: the host stops the components, and others take them
// after that.
func (c *Controller) Stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopping = true
}

// Close ends all work. The directory may be closed already.
func (c *Controller) Close() {
	c.end()
	c.work.Wait()
}

// watch follows the directory until ctx ends. failed gets the first error.
func (c *Controller) watch(ctx context.Context, failed chan<- error) {
	for ctx.Err() == nil {
		within, again := context.WithCancel(ctx)
		c.mu.Lock()
		before := c.view
		c.view, c.again = newView(), again
		c.mu.Unlock()
		err := c.config.Directory.Watch(within, func(key string, value []byte, revision uint64) { c.note(within, key, value, revision) })
		again()
		if err == nil || ctx.Err() != nil {
			continue
		}
		if before.complete || len(before.hosts) > 0 {
			c.log.Warn("the leases of the cluster cannot be read, it is tried again", "reason", err.Error())
		}
		select {
		case failed <- err:
		default:
		}
		pause := time.NewTimer(lookEvery(c.config.Lease))
		select {
		case <-pause.C:
		case <-ctx.Done():
		}
		pause.Stop()
	}
}

// rewatch begins the watch anew, with nothing known.
func (c *Controller) rewatch() { c.again() }

// note takes a value of the directory, unless the watch is over.
func (c *Controller) note(watch context.Context, key string, value []byte, revision uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if watch.Err() != nil {
		return
	}
	c.view.note(key, value, revision, time.Now())
	if key == hostPrefix+part(c.config.Host) || key == "" {
		c.noteOwnLocked()
	}
	if id, ok := parseClaimKey(key); ok && strings.HasPrefix(key, claimPrefix) {
		claim := c.view.claims[id]
		c.highest[id] = max(c.highest[id], claim.Fence)
		c.config.Fences.Know(id, claim.Floor)
	}
	c.tellLocked()
}

// tellLocked tells all that wait of a change.
func (c *Controller) tellLocked() {
	close(c.changed)
	c.changed = make(chan struct{})
	c.wakeUp()
}

func (c *Controller) wakeUp() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// kickLease has the lease written at once.
func (c *Controller) kickLease() {
	select {
	case c.kick <- struct{}{}:
	default:
	}
}

// wait waits until done returns true. It asks under mu.
func (c *Controller) wait(ctx context.Context, done func() bool) error {
	for {
		c.mu.Lock()
		ok, changed := done(), c.changed
		c.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Add adds components that this host can run. Those that are there already may be tried again at once.
func (c *Controller) Add(ids ...core.ComponentID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, id := range ids {
		p := c.placed[id]
		if p == nil {
			p = &placed{id: id}
			c.placed[id] = p
		}
		p.removed, p.blocked, p.failures, p.reason = false, time.Time{}, 0, nil
	}
	c.tellLocked()
	c.kickLease()
}

// Remove gives up a component. It waits until that does not run on this host.
func (c *Controller) Remove(ctx context.Context, id core.ComponentID) error {
	c.mu.Lock()
	if p := c.placed[id]; p != nil {
		p.removed, p.notBefore = true, time.Time{}
	}
	c.tellLocked()
	c.mu.Unlock()
	c.kickLease()
	var reason error
	err := c.wait(ctx, func() bool {
		p := c.placed[id]
		if p != nil {
			reason = p.reason
		}
		return p == nil
	})
	if err == nil {
		c.config.Fences.Own(id, 0, 0, nil)
		return nil
	}
	return errors.Join(err, reason)
}

// Place is where a component is.
type Place struct {
	ID   core.ComponentID
	Host string // that runs it, or, if another one, is about to; "" if none does
	Here bool   // this host runs it
	Err  error  // why this host does not run it, if it has tried
}

// Places returns the components that were added, by id.
func (c *Controller) Places() []Place {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []Place
	for _, p := range c.placed {
		one := Place{ID: p.id, Here: p.running, Err: p.reason}
		if claim := c.view.claims[p.id]; p.running {
			one.Host = c.config.Host
		} else if c.view.owned(claim) && claim.Host != c.config.Host {
			one.Host = claim.Host
		}
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b Place) int { return strings.Compare(a.ID.String(), b.ID.String()) })
	return all
}

// Await waits until each component that was added runs, here or on another host, or has failed here.
func (c *Controller) Await(ctx context.Context) error {
	return c.wait(ctx, func() bool {
		for _, p := range c.placed {
			claim := c.view.claims[p.id]
			elsewhere := c.view.owned(claim) && claim.Host != c.config.Host
			if !p.running && !elsewhere && p.reason == nil {
				return false
			}
		}
		return true
	})
}
