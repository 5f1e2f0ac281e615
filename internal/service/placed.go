package service

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"time"

	"github.com/airhost/airhost/admin"
	"github.com/airhost/airhost/brokers/nats"
	"github.com/airhost/airhost/cluster"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/internal/config"
	"github.com/airhost/airhost/internal/parts"
)

// placement runs the components with "place: any", of which each host of a cluster runs a part.
type placement struct {
	broker core.Broker // set while the host is made

	mu         sync.Mutex          // guards the following
	controller *cluster.Controller // nil before there is such a component
}

// keep returns a constructor of a broker that keeps the broker which it makes.
func (p *placement) keep(made func(c parts.Settings) (core.Broker, error)) func(parts.Settings) (core.Broker, error) {
	return func(c parts.Settings) (core.Broker, error) {
		broker, err := made(c)
		p.broker = broker
		return broker, err
	}
}

// running returns the controller, or nil.
func (p *placement) running() *cluster.Controller {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.controller
}

// errNotJoined is why a host cannot have a component with place: any.
var errNotJoined = errors.New("place: any needs the broker nats and host.nats.name, with which the host must be started: set them in its file, and start it again")

// startPlacing starts the controller, unless it runs. It waits for the directory of the cluster.
func (s *Service) startPlacing(ctx context.Context) (*cluster.Controller, error) {
	p := &s.placement
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.controller != nil {
		return p.controller, nil
	}
	broker, joined := p.broker.(*nats.Broker)
	n := s.base.Host.NATS
	if !joined || n.Name == "" {
		return nil, errNotJoined
	}
	lease := time.Duration(n.Lease)
	if lease == 0 {
		lease = nats.DefaultLease
	}
	directory := broker.Directory()
	c, err := cluster.New(cluster.Config{
		Host: string(n.Name), Lease: lease, Directory: directory, Hosts: directory, Fences: directory, Runner: runner{s}, Logger: s.log,
	})
	if err == nil {
		err = c.Start(ctx)
	}
	if err != nil {
		if c != nil {
			c.Close()
		}
		return nil, err
	}
	p.controller = c
	return c, nil
}

// isAny reports whether a component is one that runs on one of several hosts.
func (u *unit) isAny() bool { return u != nil && u.component().IsPlacedAny() }

// fits reports whether this host has the labels that a component with place: any wants.
func (s *Service) fits(u *unit) bool {
	labels, wanted := map[string]string{}, map[string]string{}
	for key, value := range s.base.Host.NATS.Labels {
		labels[key] = string(value)
	}
	for key, value := range u.component().PlaceLabels {
		wanted[key] = string(value)
	}
	return cluster.Fits(labels, wanted)
}

// placeAll hands components to the controller, and waits until each runs on one of the hosts, or for
// placeTime. The error is that of the directory, or the cause of ctx's end.
func (s *Service) placeAll(ctx context.Context, all []*unit) error {
	var ids []core.ComponentID
	s.mu.Lock()
	for _, u := range all {
		if u.failure == nil {
			s.units[u.deployment.ID] = u
			u.standby, u.prepared = u.prepared, nil
			if s.fits(u) {
				ids = append(ids, u.deployment.ID)
			}
		}
	}
	s.mu.Unlock()
	c, err := s.startPlacing(ctx)
	if err != nil {
		return err
	}
	c.Add(ids...)
	within, cancel := context.WithTimeout(ctx, placeTime)
	defer cancel()
	if err := c.Await(within); err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	here, elsewhere, nowhere := 0, 0, 0
	for _, place := range c.Places() {
		switch {
		case place.Here:
			here++
		case place.Host != "":
			elsewhere++
		default:
			nowhere++
		}
	}
	s.log.Info("components with place: any", "here", here, "on other hosts", elsewhere, "on none yet", nowhere)
	return nil
}

// placeTime is how long a start waits until each component with place: any runs somewhere. Those of a
// host that has died are free after its lease.
const placeTime = 15 * time.Second

// placedUnit returns a component that is in the configuration, and that runs on one of several hosts.
func (s *Service) placedUnit(id core.ComponentID) *unit {
	s.mu.Lock()
	defer s.mu.Unlock()
	if u := s.units[id]; u.isAny() {
		return u
	}
	return nil
}

// runner runs components for the controller.
type runner struct{ s *Service }

var _ cluster.Runner = runner{}

// Start implements [cluster.Runner].
func (r runner) Start(ctx context.Context, id core.ComponentID, moving *core.Moving) error {
	u := r.s.placedUnit(id)
	if u == nil {
		return errors.New("it is not in this host's configuration any more")
	}
	r.s.mu.Lock()
	prepared, d := u.standby, u.deployment
	u.standby = nil
	r.s.mu.Unlock()
	if prepared != nil {
		if err := prepared.SetMoving(moving); err != nil {
			return errors.Join(err, prepared.Close(ctx))
		}
		return prepared.Deploy(ctx)
	}
	d.Moving = moving
	return r.s.Host.Deploy(ctx, d)
}

// Stop implements [cluster.Runner].
func (r runner) Stop(ctx context.Context, id core.ComponentID) error {
	err := r.s.Host.Undeploy(ctx, id)
	if err != nil && !r.s.deployed(id) {
		return nil // it was removed nevertheless, or was not there
	}
	return err
}

// MoveAway implements [cluster.Runner].
func (r runner) MoveAway(ctx context.Context, id core.ComponentID, hand func(context.Context, *core.Moving) error) error {
	return r.s.Host.MoveAway(ctx, id, hand)
}

// isPlaced reports whether a change is one of a component that runs, or ran, on one of several hosts.
func (c *change) isPlaced() bool { return c.old.isAny() || c.next.isAny() }

// samePlace reports whether two versions of a component have the same place.
func samePlace(old, next *unit) bool {
	return old.isAny() == next.isAny() && reflect.DeepEqual(old.component().PlaceLabels, next.component().PlaceLabels)
}

// changePlaced makes a change of a component that runs, or ran, on one of several hosts.
func (s *Service) changePlaced(ctx context.Context, c *change) error {
	controller, err := s.startPlacing(ctx)
	if err != nil {
		return err
	}
	stays := c.old.isAny() && c.next.isAny() && s.fits(c.next)
	if c.old.isAny() && !stays {
		if err := controller.Remove(ctx, c.id); err != nil {
			return err
		}
		s.closeStandby(ctx, c.old)
	}
	switch {
	case c.next == nil:
		return nil
	case !c.next.isAny():
		return s.Deploy(ctx, c.next.deployment)
	}
	if err := s.changeHere(ctx, c, stays); err != nil && s.deployed(c.id) {
		return err
	} // else it has moved away meanwhile
	s.mu.Lock()
	c.next.standby, c.next.prepared = c.next.prepared, nil
	s.units[c.id] = c.next
	s.mu.Unlock()
	if stays {
		s.closeStandby(ctx, c.old)
	}
	if s.fits(c.next) {
		controller.Add(c.id)
	}
	return nil
}

// changeHere changes a component that has place: any now, if this host runs it. stays says that it had
// it before.
func (s *Service) changeHere(ctx context.Context, c *change, stays bool) error {
	switch {
	case stays && s.deployed(c.id) && c.old.changeTo(c.next) != host.NoChange:
		return s.change(ctx, c)
	case c.old != nil && !c.old.isAny() && c.old.failure == nil:
		return s.Host.Undeploy(ctx, c.id)
	}
	return nil
}

// closeStandby releases the code that was compiled in case that the component comes to this host.
func (s *Service) closeStandby(ctx context.Context, u *unit) {
	s.mu.Lock()
	standby := u.standby
	u.standby = nil
	s.mu.Unlock()
	if standby != nil {
		_ = standby.Close(context.WithoutCancel(ctx)) // nothing runs by it
	}
}

// elsewhereLocked are the components with place: any that this host does not run.
func (s *Service) elsewhereLocked() (all []admin.Component) {
	controller := s.placement.running()
	if controller == nil {
		return nil
	}
	places := map[core.ComponentID]cluster.Place{}
	for _, place := range controller.Places() {
		places[place.ID] = place
	}
	for id, u := range s.units {
		if !u.isAny() || u.failure != nil {
			continue
		}
		place, candidate := places[id]
		one := admin.Component{ID: id.String(), Engine: u.deployment.Engine, State: "elsewhere", Host: place.Host, Required: u.deployment.Required, Health: core.HealthHealthy.String()}
		switch {
		case place.Here:
			continue
		case !candidate:
			one.LastError = "this host does not have its place_labels"
		case place.Err != nil:
			one.State, one.LastError, one.Health = "failed", place.Err.Error(), ""
		case place.Host == "":
			one.State, one.LastError, one.Health = "unplaced", "no host runs it at the moment", ""
		}
		if place.Host != "" {
			one.State = "elsewhere"
		}
		all = append(all, one)
	}
	return all
}

// restartPlaced restarts a component with place: any. If this host does not run it, because it did
// not start here, that is tried again, unless another host runs it.
func (s *Service) restartPlaced(ctx context.Context, id core.ComponentID, controller *cluster.Controller) error {
	if s.deployed(id) {
		return s.Host.Restart(ctx, id)
	}
	for _, place := range controller.Places() {
		switch {
		case place.ID != id:
		case place.Host != "":
			return &admin.Error{Code: admin.CodeConflict, Message: fmt.Sprintf("%s has place: any, and host %s runs it: ask that one", id, place.Host)}
		default:
			controller.Add(id)
			return nil
		}
	}
	return &admin.Error{Code: admin.CodeConflict, Message: fmt.Sprintf("%s has place: any, and this host does not have its place_labels", id)}
}

// Drain implements [admin.Manager].
func (s *Service) Drain(ctx context.Context, request admin.DrainRequest, progress func(admin.Progress)) (*admin.Drained, error) {
	result := &admin.Drained{Undone: request.Undo, Moved: []admin.MovedComponent{}}
	controller := s.placement.running()
	if controller == nil {
		return nil, &admin.Error{Code: admin.CodeNotSupported, Message: "this host has no components with place: any, and none could move: it can be stopped as it is"}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.over, cancel)()
	var err error
	if request.Undo {
		err = controller.Undrain(ctx)
	} else {
		err = controller.Drain(ctx, func(m cluster.Moved) {
			result.Moved = append(result.Moved, admin.MovedComponent{ID: m.ID.String(), Host: m.Host, Error: errorText(m.Err)})
			step := admin.Progress{ID: m.ID.String(), Step: "moved", Host: m.Host, Error: errorText(m.Err)}
			if m.Err != nil {
				step.Step = "failed"
			}
			progress(step)
		})
	}
	if err != nil {
		return nil, err
	}
	for _, c := range s.Components() {
		if s.placedUnit(c.ID) == nil {
			result.Here++
		}
	}
	return result, nil
}

// Draining is what [admin.Config] Draining is to return.
func (s *Service) Draining() string {
	controller := s.placement.running()
	if controller == nil {
		return ""
	}
	switch draining, left := controller.Draining(); {
	case !draining:
		return ""
	case left:
		return admin.HostDraining
	}
	return admin.HostDrained
}

// placedMistake is the mistake in a file of a component that could not be handed to the cluster.
func placedMistake(u *unit, err error) error {
	if errors.Is(err, errNotJoined) {
		return config.Mistakes{u.file.Mistake(fmt.Sprintf("components[%d].place", u.index), err.Error())}
	}
	return err
}
