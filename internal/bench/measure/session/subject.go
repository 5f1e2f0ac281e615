package session

import (
	"context"
	"time"

	"github.com/airhost/airhost/internal/bench/data/cells"
	"github.com/airhost/airhost/internal/bench/measure/remote"
	"github.com/airhost/airhost/internal/bench/measure/sampling"
)

// subject stands for a cell, or its floor, in whichever process the build has at
// the time.
type subject struct {
	program *program
	key     cells.Key
	floor   bool
	now     remote.Subject
	ops     int // of the last Run
}

var (
	_ sampling.OutOfProcess = (*subject)(nil)
	_ sampling.Gauge        = gauge{}
	_ sampling.Paced        = paced{}
	_ sampling.Process      = (*program)(nil)
)

func (s *subject) open(ctx context.Context) (err error) {
	s.now, err = s.program.running.Open(ctx, s.key, s.floor)
	return err
}

// as returns s as what its samples are.
func (s *subject) as() remote.Subject {
	switch s.now.(type) {
	case sampling.Gauge:
		return gauge{s}
	case sampling.Paced:
		return paced{s}
	}
	return s
}

// warm runs the subject for at least this long.
func (s *subject) warm(ctx context.Context, long time.Duration) error {
	for began := time.Now(); time.Since(began) < long; {
		if _, err := s.now.Run(ctx, s.ops); err != nil {
			return err
		}
		if err := s.now.Verify(ctx, s.ops); err != nil {
			return err
		}
	}
	return nil
}

// Name implements [sampling.Subject].
func (s *subject) Name() string { return s.program.build.Name + ": " + s.now.Name() }

// Process implements [sampling.OutOfProcess].
func (s *subject) Process() sampling.Process { return s.program }

// Run implements [sampling.Subject].
func (s *subject) Run(ctx context.Context, n int) (time.Duration, error) {
	if err := s.program.ready(ctx); err != nil {
		return 0, err
	}
	s.ops = n
	return s.now.Run(ctx, n)
}

// Verify implements [sampling.Subject].
func (s *subject) Verify(ctx context.Context, n int) error { return s.now.Verify(ctx, n) }

// Close ends nothing: the process does, with all its subjects.
func (s *subject) Close() error { return nil }

type gauge struct{ *subject }

// Value implements [sampling.Gauge].
func (g gauge) Value() float64 { return g.now.(sampling.Gauge).Value() }

type paced struct{ *subject }

// Tails implements [sampling.Paced].
func (p paced) Tails() sampling.Tails { return p.now.(sampling.Paced).Tails() }
