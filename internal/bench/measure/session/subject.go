package session

import (
	"context"
	"time"

	"github.com/airhost/airhost/internal/bench/data/cells"
	"github.com/airhost/airhost/internal/bench/measure/remote"
	"github.com/airhost/airhost/internal/bench/measure/sampling"
)

// subject stands for a cell, or its floor, in the process that the build has at the
// time.
type subject struct {
	program *program
	key     cells.Key
	floor   bool
	now     remote.Subject
	ops     int // of the last Run
}

var (
	_ sampling.OutOfProcess = (*subject)(nil)
	_ sampling.Valued       = valued{}
	_ sampling.Paced        = paced{}
	_ sampling.Process      = (*program)(nil)
)

func (s *subject) open(ctx context.Context) (err error) {
	s.now, err = s.program.running.Open(ctx, s.key, s.floor)
	return err
}

// as returns s as a subject of the same kind as the one that it stands for.
func (s *subject) as() remote.Subject {
	switch s.now.(type) {
	case sampling.Valued:
		return valued{s}
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

// Close does nothing: the end of the process closes all its subjects.
func (s *subject) Close() error { return nil }

type valued struct{ *subject }

// Value implements [sampling.Valued].
func (g valued) Value() float64 { return g.now.(sampling.Valued).Value() }

type paced struct{ *subject }

// Tails implements [sampling.Paced].
func (p paced) Tails() sampling.Tails { return p.now.(sampling.Paced).Tails() }
