package service

import (
	"context"
	"errors"
	"time"

	"github.com/airhost/airhost/admin"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/internal/config"
)

// DeployAll compiles the guests of all components of the file, as many at a time as there are
// processors, and then starts them together. A component that cannot be deployed has failed,
// which is logged, and the others run. The error joins the failures if one of the components is
// required, or if none of them runs. If ctx ends before, it is ctx's cause.
func (s *Service) DeployAll(ctx context.Context) error {
	all := units(s.base)
	s.prepareAll(ctx, all, func(admin.Progress) {})
	here, placed := all, []*unit(nil)
	if !s.config.Aside { // such a host has components of its own, and shares none
		here, placed = byPlace(all)
	}
	s.deployPrepared(ctx, here)
	if len(placed) > 0 && ctx.Err() == nil {
		if err := s.placeAll(ctx, placed); err != nil {
			return placedMistake(placed[0], err)
		}
	}
	var failed []*unit
	required := false
	s.mu.Lock()
	for _, u := range all {
		s.units[u.deployment.ID] = u
		if u.failure != nil {
			failed, required = append(failed, u), required || u.deployment.Required
		}
	}
	s.mu.Unlock()
	if ctx.Err() == nil && (required || len(failed) == len(all)) {
		s.logTraps(failed)
		return failures(failed)
	}
	for _, u := range failed {
		s.logFailure(ctx, u)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// byPlace divides components by where they run: on this host, or on one of several.
func byPlace(all []*unit) (here, placed []*unit) {
	for _, u := range all {
		if u.isAny() {
			placed = append(placed, u)
		} else {
			here = append(here, u)
		}
	}
	return here, placed
}

// failures joins the failures of units: one Mistakes, and all other errors.
func failures(of []*unit) error {
	var mistakes config.Mistakes
	var errs []error
	for _, u := range of {
		var more config.Mistakes
		if errors.As(u.failure, &more) {
			mistakes = append(mistakes, more...)
		} else {
			errs = append(errs, u.failure)
		}
	}
	if len(mistakes) > 0 {
		errs = append(errs, mistakes)
	}
	return errors.Join(errs...)
}

// prepareAll compiles the guests of units that have not failed, and notes the failures.
func (s *Service) prepareAll(ctx context.Context, all []*unit, progress func(admin.Progress)) {
	AtOnce(len(all), func(i int) {
		switch u := all[i]; {
		case ctx.Err() != nil:
			u.fail(ctx.Err())
		case u.failure == nil:
			s.prepare(ctx, u, progress)
		}
	})
}

// slowCompile is the time after which the log says that a guest is being compiled.
const slowCompile = time.Second

// prepare compiles the guest of a unit, or notes its failure.
func (s *Service) prepare(ctx context.Context, u *unit, progress func(admin.Progress)) {
	id, began := u.deployment.ID.String(), time.Now()
	progress(admin.Progress{ID: id, Step: "compiling"})
	still := func() { s.log.Info("still compiling", "component", id, "source", u.component().Source) }
	if s.config.Compiling != nil {
		still = func() {}
		defer s.config.Compiling(id)()
	}
	slow := time.AfterFunc(slowCompile, still)
	prepared, err := s.Prepare(ctx, u.deployment)
	took := time.Since(began)
	if err != nil {
		slow.Stop()
		u.fail(err)
		progress(admin.Progress{ID: id, Step: "failed", Seconds: took.Seconds(), Error: u.failure.Error()})
		return
	}
	u.prepared = prepared
	if !slow.Stop() {
		s.log.Info("compiled", "component", id, "took", took.Round(time.Millisecond))
	}
	progress(admin.Progress{ID: id, Step: "compiled", Seconds: took.Seconds()})
}

// deployPrepared starts the units that are prepared together, and notes the failures.
func (s *Service) deployPrepared(ctx context.Context, all []*unit) {
	var ready []*host.Prepared
	byID := make(map[core.ComponentID]*unit)
	for _, u := range all {
		if u.prepared != nil {
			ready, byID[u.deployment.ID] = append(ready, u.prepared), u
			u.prepared = nil
		}
	}
	err := ctx.Err()
	if err == nil {
		err = s.Host.DeployAll(ctx, ready...)
	}
	for _, p := range ready {
		_ = p.Close(ctx) // if it was not used
	}
	for _, e := range Joined(err) {
		var failed *host.DeploymentError
		if errors.As(e, &failed) {
			byID[failed.Component].fail(e)
			delete(byID, failed.Component)
		}
	}
	if err != nil && len(byID) == len(ready) { // of the host, not of single components
		for _, u := range byID {
			u.fail(err)
		}
	}
}

// logFailure logs why a component could not be deployed, unless ctx has cut it off.
func (s *Service) logFailure(ctx context.Context, u *unit) {
	if ctx.Err() != nil && (errors.Is(u.failure, context.Canceled) || errors.Is(u.failure, context.Cause(ctx))) {
		return
	}
	id := u.deployment.ID.String()
	var mistakes config.Mistakes
	if errors.As(u.failure, &mistakes) {
		for _, m := range mistakes {
			s.log.Error("component did not start", "component", id, "reason", m.Text, "file", m.File, "line", m.Line, "column", m.Column, "path", m.Path)
		}
		return
	}
	s.log.Error("component did not start", append([]any{"component", id, "reason", u.failure.Error()}, trapDetails(u.failure)...)...)
}

// logTraps logs the details of guests that trapped when they were started.
func (s *Service) logTraps(failed []*unit) {
	for _, u := range failed {
		if details := trapDetails(u.failure); details != nil {
			s.log.Error("component did not start", append([]any{"component", u.deployment.ID.String(), "reason", u.failure.Error()}, details...)...)
		}
	}
}

// trapDetails are the attributes with the last output and the stack of a guest that trapped.
func trapDetails(err error) []any {
	var trap *core.TrapError
	if !errors.As(err, &trap) || trap.Stderr+trap.Details == "" {
		return nil
	}
	return []any{"stderr", trap.Stderr, "details", trap.Details}
}

// Failure returns why a component could not be deployed, or nil.
func (s *Service) Failure(id core.ComponentID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if u := s.units[id]; u != nil {
		return u.failure
	}
	return nil
}

// Joined returns the errors that were joined to err. The mistakes of a file are one error.
func Joined(err error) []error {
	if err == nil {
		return nil
	}
	several, ok := err.(interface{ Unwrap() []error })
	if _, mistakes := err.(config.Mistakes); !ok || mistakes {
		return []error{err}
	}
	var all []error
	for _, part := range several.Unwrap() {
		all = append(all, Joined(part)...)
	}
	return all
}
