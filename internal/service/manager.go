package service

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/airhost/airhost/admin"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/config"
)

// Restart implements [admin.Manager]: it makes fresh instances of a component, or deploys one that
// could not be deployed.
func (s *Service) Restart(ctx context.Context, id core.ComponentID) error {
	ctx, done, err := s.begin(ctx)
	if err != nil {
		return err
	}
	defer done()
	s.mu.Lock()
	failed := s.units[id]
	s.mu.Unlock()
	if placing := s.placement.running(); placing != nil && failed.isAny() && failed.failure == nil {
		return s.restartPlaced(ctx, id, placing)
	}
	if failed == nil || failed.failure == nil {
		return s.Host.Restart(ctx, id)
	}
	again := new(digests).unit(failed.file, failed.index)
	c := &change{action: add, id: id, next: again}
	p := &plan{file: failed.file, changes: []*change{c}}
	s.prepareAll(ctx, []*unit{again}, func(admin.Progress) {})
	if s.addAll(ctx, p, func(admin.Progress) {}); again.isAny() && again.failure == nil {
		return refusal(s.changePlaced(ctx, c))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.units[id] = again
	return refusal(again.failure)
}

// Undeploy implements [admin.Manager]. A change to the file brings the component back, if that
// still has it.
func (s *Service) Undeploy(ctx context.Context, id core.ComponentID) error {
	ctx, done, err := s.begin(ctx)
	if err != nil {
		return err
	}
	defer done()
	s.mu.Lock()
	u := s.units[id]
	s.mu.Unlock()
	switch placing := s.placement.running(); {
	case u.isAny() && placing != nil:
		err = placing.Remove(ctx, id)
		s.closeStandby(ctx, u)
	case u == nil || u.failure == nil:
		err = s.Host.Undeploy(ctx, id)
	}
	if err == nil || !s.deployed(id) {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.units, id)
	}
	return err
}

// deployed reports whether the host has a component.
func (s *Service) deployed(id core.ComponentID) bool {
	for _, c := range s.Components() {
		if c.ID == id {
			return true
		}
	}
	return false
}

// Failed implements [admin.Manager].
func (s *Service) Failed() (all []admin.Component) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase == starting && len(s.units) == 0 {
		for _, c := range s.config.File.Components {
			all = append(all, admin.Component{ID: c.ID.String(), Engine: c.Engine, State: "starting", Required: c.Required})
		}
	}
	for id, u := range s.units {
		if u.failure == nil {
			continue
		}
		all = append(all, admin.Component{
			ID: id.String(), Engine: u.deployment.Engine, State: "failed", Required: u.deployment.Required, LastError: u.failure.Error(),
		})
	}
	return append(all, s.elsewhereLocked()...)
}

// Ready implements [admin.Manager]: it returns why the host is not ready. That is while it starts and
// while it stops, and while a required component is down.
func (s *Service) Ready() error {
	s.mu.Lock()
	phase := s.phase
	var down []error
	for id, u := range s.units {
		if u.failure != nil && u.deployment.Required {
			down = append(down, fmt.Errorf("%s, which is required, could not be deployed", id))
		}
	}
	s.mu.Unlock()
	if phase != "" {
		return errors.New(phase)
	}
	for _, c := range s.Components() {
		if c.Required && c.State != "running" {
			down = append(down, fmt.Errorf("%s, which is required, is %s", c.ID, c.State))
		}
	}
	return errors.Join(down...)
}

var _ admin.Manager = (*Service)(nil)

// Put implements [admin.Manager].
func (s *Service) Put(ctx context.Context, id core.ComponentID, configuration []byte, progress func(admin.Progress)) (*admin.Applied, error) {
	ctx, done, err := s.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	folder, err := filepath.Abs(filepath.Dir(s.config.File.Name()))
	if err != nil {
		return nil, err
	}
	file, err := config.LoadComponent(id, folder, configuration, Built())
	if err != nil {
		return nil, refusal(err)
	}
	p, progress := &plan{file: file, units: units(file)}, oneAtATime(progress)
	s.mu.Lock()
	if c := differ(s.units[id], p.units[0]); c != nil {
		p.changes = []*change{c}
	}
	s.mu.Unlock()
	defer p.close(ctx)
	if err := s.compile(ctx, p, progress); err != nil {
		return nil, refusal(err)
	}
	over, cancel := s.untilOver(ctx)
	defer cancel()
	s.make(over, p, progress)
	a := p.report(false)
	a.File = ""
	return a, nil
}
