// Package session measures two builds of the runner in turns, so that they can be
// compared round by round.
package session

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"time"

	"github.com/airhost/airhost/internal/bench/data/cells"
	"github.com/airhost/airhost/internal/bench/data/compare"
	"github.com/airhost/airhost/internal/bench/data/result"
	"github.com/airhost/airhost/internal/bench/measure"
	"github.com/airhost/airhost/internal/bench/measure/remote"
)

// Build is a build of the runner.
type Build struct {
	// Name is the build's name in errors.
	Name string
	// Command returns a new command that serves its cells.
	Command func() *exec.Cmd
}

// Session measures the same cells of two builds in turns. Each round takes a sample
// of each cell of both builds, in a fresh order.
type Session struct {
	Base, Head Build
	// Cells says which cells can be measured, and which targets they have.
	Cells measure.Source
	Keys  []cells.Key
	// Spec says how to measure; its Sides are ignored. Samples are divided among the
	// starts, rounded up to a multiple of them; no more are taken. Warmup is that of
	// each start.
	Spec measure.Spec
}

// Run measures the cells and returns those of both builds. Where ctx ends before the
// session does, it returns the samples so far with the context's error. A build that
// does not serve cells is an error that matches [remote.ErrProtocol].
func (s Session) Run(ctx context.Context) (base, head []result.Cell, err error) {
	perStart := (s.Spec.Sampling.Samples + compare.Starts - 1) / compare.Starts
	programs := []*program{
		{build: s.Base, Source: s.Cells, warmup: s.Spec.Sampling.Warmup},
		{build: s.Head, Source: s.Cells, warmup: s.Spec.Sampling.Warmup},
	}
	spec, report := s.Spec, s.Spec.Progress
	spec.Sampling.Samples, spec.Sampling.Interval = perStart*compare.Starts, 0
	spec.Progress = func(p result.Progress) {
		for _, program := range programs {
			program.wanted = max(0, p.Round-1) / perStart
		}
		if report != nil {
			report(p)
		}
	}
	spec.Sides = nil
	for _, program := range programs {
		spec.Sides = append(spec.Sides, measure.Side{Source: program, Keys: s.Keys})
	}
	all, err := measure.Run(ctx, spec)
	err = errors.Join(err, programs[0].end(), programs[1].end())
	if all == nil {
		return nil, nil, err
	}
	return all[0], all[1], err
}

// program is the source of a build's subjects, which outlive its processes.
type program struct {
	measure.Source // of Reason and Target
	build          Build
	warmup         time.Duration
	running        *remote.Program
	start          int // the number of the running process, from 0
	wanted         int // the number of the process that should run
	subjects       []*subject
}

var _ measure.Source = (*program)(nil)

// Open implements [measure.Source].
func (p *program) Open(ctx context.Context, key cells.Key, floor bool) (remote.Subject, error) {
	if p.running == nil {
		if err := p.begin(ctx); err != nil {
			return nil, err
		}
	}
	s := &subject{program: p, key: key, floor: floor}
	if err := s.open(ctx); err != nil {
		return nil, err
	}
	p.subjects = append(p.subjects, s)
	return s.as(), nil
}

func (p *program) begin(ctx context.Context) (err error) {
	p.running, err = remote.Start(ctx, p.build.Name, p.build.Command())
	return err
}

// end ends the running process, if there is one.
func (p *program) end() error {
	if p.running == nil {
		return nil
	}
	err := p.running.Close()
	p.running = nil
	return err
}

// ready starts the build anew if it is time for the next start.
func (p *program) ready(ctx context.Context) error {
	if p.start == p.wanted {
		return nil
	}
	p.start = p.wanted
	if err := errors.Join(p.end(), p.begin(ctx)); err != nil {
		return err
	}
	for _, s := range p.subjects {
		if err := s.open(ctx); err != nil {
			return fmt.Errorf("%s: setting up %s again: %w", p.build.Name, s.key, err)
		}
	}
	for _, s := range p.subjects {
		if err := s.warm(ctx, p.warmup); err != nil {
			return fmt.Errorf("%s: warming up %s again: %w", p.build.Name, s.key, err)
		}
	}
	return nil
}

// Collect implements [sampling.Process].
func (p *program) Collect(ctx context.Context) error { return p.running.Collect(ctx) }

// Allocated implements [sampling.Process].
func (p *program) Allocated(ctx context.Context) (objects, bytes uint64, err error) {
	return p.running.Allocated(ctx)
}

// Waited implements [sampling.Process].
func (p *program) Waited(ctx context.Context) (time.Duration, error) { return p.running.Waited(ctx) }
