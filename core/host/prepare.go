package host

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/airhost/airhost/core"
)

// Prepared is a guest that has been compiled for a deployment and has not run. Its methods
// may be called from any goroutine. Deploy, Replace and [Host.DeployAll] use it up, whether
// they succeed or not.
type Prepared struct {
	host       *Host
	deployment Deployment
	compiled   core.Component
	used       atomic.Bool
}

// ErrUsed is returned for a Prepared that was used before, or closed.
var ErrUsed = errors.New("the prepared deployment was used before")

// Prepare compiles the guest of a deployment and checks it, and runs none of its code. It
// blocks for as long as compilation takes, until ctx ends, or until Stop is in a hurry or has ended. The
// errors are those of [Host.Deploy] that need no running guest. The host does not change,
// so the id may be deployed or not.
//
// The caller closes what is not used: until then its code takes memory. The engine's Close
// does not wait for it, and its use returns core.ErrClosed after that.
func (h *Host) Prepare(ctx context.Context, d Deployment) (*Prepared, error) {
	if err := h.normalize(&d); err != nil {
		return nil, err
	}
	ctx, cancel := h.untilHurry(ctx)
	defer cancel()
	compiled, err := h.compile(ctx, d)
	if err != nil {
		return nil, fmt.Errorf("preparation of %s: %w", d.ID, h.unlessHurried(err))
	}
	return &Prepared{host: h, deployment: d, compiled: compiled}, nil
}

// SetMoving sets [Deployment.Moving], before Deploy.
func (p *Prepared) SetMoving(m *core.Moving) error {
	d := p.deployment
	d.Moving = m
	if err := d.checkMoving(); err != nil {
		return fmt.Errorf("preparation of %s: %w", d.ID, err)
	}
	p.deployment = d
	return nil
}

// Deploy is [Host.Deploy] without the compilation.
func (p *Prepared) Deploy(ctx context.Context) error {
	return p.host.DeployAll(ctx, p)
}

// Close releases the code of a guest that has not been used. It blocks until ctx ends at
// most. The error is the engine's. A second Close, or one after a use, returns nil.
func (p *Prepared) Close(ctx context.Context) error {
	if err := p.use(); err != nil {
		return nil
	}
	return boundError(p.compiled.Close(ctx))
}

// use makes the caller the owner of p's code.
func (p *Prepared) use() error {
	if p.used.Swap(true) {
		return fmt.Errorf("%s: %w", p.deployment.ID, ErrUsed)
	}
	return nil
}

// DeployAll deploys guests together. All of them get their mailboxes before the first one
// is initialized: they may message each other from the beginning, and what is sent waits
// until its target has been initialized. Guests are initialized at the same time, as many
// as [Config.Workers]. DeployAll blocks until all have been, as [Host.Deploy] does for one.
//
// An error joins those of Deploy for each guest that could not be deployed. The others are
// deployed. If an id is taken already, or given twice, none is.
func (h *Host) DeployAll(ctx context.Context, all ...*Prepared) error {
	ctx, cancel := h.untilHurry(ctx)
	defer cancel()
	starts, err := h.admitAll(ctx, all)
	if err != nil {
		return err
	}
	errs := make([]error, len(starts))
	for i, c := range starts {
		if c.moving == nil {
			errs[i] = h.attach(c)
		}
	}
	h.atOnce(len(starts), func(i int) {
		defer h.begun(starts[i])
		if errs[i] == nil {
			errs[i] = h.bringUp(ctx, starts[i])
		}
		if errs[i] != nil {
			errs[i] = h.notDeployed(ctx, starts[i], errs[i])
		}
	})
	return errors.Join(errs...)
}

// admitAll admits the components of all guests, or none and closes the guests.
func (h *Host) admitAll(ctx context.Context, all []*Prepared) ([]*component, error) {
	var admitted []*component
	var errs []error
	for _, p := range all {
		if err := p.use(); err != nil {
			errs = append(errs, err)
			continue
		}
		c := newComponent(h, p.deployment)
		if err := h.admit(c); err != nil {
			errs = append(errs, &DeploymentError{c.id, errors.Join(err, boundError(p.compiled.Close(ctx)))})
			continue
		}
		c.setCompiled(p.compiled)
		admitted = append(admitted, c)
	}
	if errs == nil {
		return admitted, nil
	}
	for _, c := range admitted {
		errs = append(errs, h.removeCrew(ctx, c, c.refusals.notFound))
		c.changes.unlock()
		h.changes.Done()
	}
	return nil, errors.Join(errs...)
}

// atOnce calls do with each of the first n indices, in order, as many at a time as there
// are workers.
func (h *Host) atOnce(n int, do func(i int)) {
	var next atomic.Int64
	var all sync.WaitGroup
	for range min(n, h.config.Workers) {
		all.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				do(i)
			}
		})
	}
	all.Wait()
}

// untilHurry returns a context that ends with ctx, or when Stop is in a hurry.
func (h *Host) untilHurry(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(h.hurried, cancel)
	return ctx, func() { stop(); cancel() }
}

// unlessHurried returns err, joined with ErrNotRunning if Stop has cut off what the error is
// of.
func (h *Host) unlessHurried(err error) error {
	if h.hurried.Err() != nil {
		return errors.Join(ErrNotRunning, err)
	}
	return err
}

// compile compiles the guest of a deployment and checks it.
func (h *Host) compile(ctx context.Context, d Deployment) (core.Component, error) {
	engine := h.engines[d.Engine]
	if engine == nil {
		return nil, fmt.Errorf("%w %q, this host has: %s", ErrUnknownEngine, d.Engine, strings.Join(h.Engines(), ", "))
	}
	compiled, err := engine.Compile(ctx, d.Source, d.Limits)
	if err != nil {
		return nil, boundError(err)
	}
	if err := h.enforced(&d, compiled.Traits()); err != nil {
		return nil, errors.Join(err, boundError(compiled.Close(ctx)))
	}
	return compiled, nil
}
