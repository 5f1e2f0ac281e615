package remote

import (
	"context"
	"errors"
	"os/exec"
	"time"

	"github.com/airhost/airhost/internal/bench/data/cells"
	"github.com/airhost/airhost/internal/bench/measure/sampling"
)

// subject stands for a subject in a program.
type subject struct {
	program *Program
	number  int
	name    string
	value   float64
	tails   sampling.Tails
	// alone says that the program serves this subject only.
	alone bool
}

var _ sampling.OutOfProcess = (*subject)(nil)

// Name implements [sampling.Subject].
func (s *subject) Name() string { return s.name }

// Process implements [sampling.OutOfProcess].
func (s *subject) Process() sampling.Process { return s.program }

// Run implements [sampling.Subject]. The time is the program's.
func (s *subject) Run(ctx context.Context, n int) (time.Duration, error) {
	a, err := s.program.call(ctx, request{Do: doRun, Subject: s.number, N: n})
	if err != nil {
		return 0, err
	}
	s.value = a.Value
	if a.Tails != nil {
		if s.tails, err = a.Tails.decode(); err != nil {
			return 0, errors.Join(ErrProtocol, err)
		}
	}
	return time.Duration(a.ElapsedNS), nil
}

// Verify implements [sampling.Subject].
func (s *subject) Verify(ctx context.Context, n int) error {
	_, err := s.program.call(ctx, request{Do: doVerify, Subject: s.number, N: n})
	return err
}

// Close closes the subject in its program. It also ends a program that serves this
// subject only.
func (s *subject) Close() error {
	_, err := s.program.call(context.Background(), request{Do: doClose, Subject: s.number})
	if s.alone {
		err = errors.Join(err, s.program.Close())
	}
	return err
}

type valued struct{ subject }

var _ sampling.Valued = (*valued)(nil)

// Value implements [sampling.Valued].
func (g *valued) Value() float64 { return g.value }

type paced struct{ subject }

var _ sampling.Paced = (*paced)(nil)

// Tails implements [sampling.Paced].
func (p *paced) Tails() sampling.Tails { return p.tails }

// Dedicated starts command for one subject; closing the subject ends it. See
// [Start] and [Program.Open].
func Dedicated(ctx context.Context, name string, command *exec.Cmd, key cells.Key, floor bool) (Subject, error) {
	p, err := Start(ctx, name, command)
	if err != nil {
		return nil, err
	}
	opened, err := p.open(ctx, key, floor, true)
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return opened, nil
}
