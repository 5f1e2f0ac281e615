package remote

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"github.com/airhost/airhost/internal/bench/data/cells"
	"github.com/airhost/airhost/internal/bench/measure/machine"
	"github.com/airhost/airhost/internal/bench/measure/sampling"
)

// Subject is a subject that is closed after its last Run.
type Subject interface {
	sampling.Subject
	io.Closer
}

// Server is the protocol's side in the program.
type Server struct {
	// Offers are the cells that the program names when it is asked.
	Offers []Offer
	// Open sets up a cell, or its floor. A cell that cannot be measured is a
	// [cells.LeftOutError]. The server closes the subject.
	Open func(ctx context.Context, key cells.Key, floor bool) (Subject, error)
}

// Main serves on standard input and output until the input ends. It ignores an
// interrupt: from a terminal the runner gets the interrupt as well, and ends the
// input when it is done. Nothing else may print to standard output.
func (s Server) Main(ctx context.Context) error {
	signal.Ignore(os.Interrupt)
	return s.Serve(ctx, os.Stdin, os.Stdout)
}

// Serve answers requests until in ends, and closes the subjects that are still
// open. When ctx ends, so does every request in progress and to come.
func (s Server) Serve(ctx context.Context, in io.Reader, out io.Writer) error {
	e := &service{
		Server: s, subjects: make(map[int]Subject),
		here: &sampling.Here{Waiting: func() time.Duration { return machine.Waited(os.DirFS("/")) }},
	}
	encoder := json.NewEncoder(out)
	failure := encoder.Encode(hello{Protocol})
	jobs := make(chan job)
	var malformed error
	go func() {
		defer close(jobs)
		malformed = receive(ctx, in, jobs)
	}()
	for j := range jobs {
		given := e.answer(j.ctx, j.request)
		j.cancel()
		// A runner that has ended has ended the input too.
		failure = errors.Join(failure, encoder.Encode(given))
	}
	return errors.Join(failure, malformed, e.close())
}

// job is a request, with the context that ends it.
type job struct {
	request
	ctx    context.Context
	cancel context.CancelFunc
}

// receive passes requests on. It ends the one in progress when it is told to, or when
// the input ends.
func receive(ctx context.Context, in io.Reader, jobs chan<- job) error {
	decoder := json.NewDecoder(in)
	current := job{cancel: func() {}}
	for {
		var r request
		if err := decoder.Decode(&r); err != nil {
			current.cancel()
			if errors.Is(err, io.EOF) {
				return nil
			}
			return fmt.Errorf("reading requests: %w", err)
		}
		if r.Do == doCancel {
			if r.ID == current.ID {
				current.cancel()
			}
			continue
		}
		current = job{request: r}
		current.ctx, current.cancel = context.WithCancel(ctx)
		jobs <- current
	}
}

// service is a server at work.
type service struct {
	Server
	here     *sampling.Here
	subjects map[int]Subject
	opened   int
}

func (s *service) close() error {
	var errs []error
	for _, subject := range s.subjects {
		errs = append(errs, subject.Close())
	}
	return errors.Join(errs...)
}

func (s *service) answer(ctx context.Context, r request) answer {
	a, err := s.do(ctx, r)
	a.ID = r.ID
	var leftOut *cells.LeftOutError
	switch {
	case errors.As(err, &leftOut):
		a.LeftOut = leftOut.Reason
	case err != nil:
		a.Error = err.Error()
	}
	return a
}

func (s *service) do(ctx context.Context, r request) (a answer, err error) {
	switch r.Do {
	case doOffers:
		return answer{Offers: s.Offers}, nil
	case doOpen:
		return s.open(ctx, r)
	case doCollect:
		return answer{}, s.here.Collect(ctx)
	case doAllocated:
		a.Objects, a.Bytes, err = s.here.Allocated(ctx)
		return a, err
	case doWaited:
		waited, err := s.here.Waited(ctx)
		return answer{ElapsedNS: int64(waited)}, err
	}
	subject, ok := s.subjects[r.Subject]
	if !ok {
		return answer{}, fmt.Errorf("subject %d is not open", r.Subject)
	}
	switch r.Do {
	case doRun:
		return run(ctx, subject, r.N)
	case doVerify:
		return answer{}, subject.Verify(ctx, r.N)
	case doClose:
		delete(s.subjects, r.Subject)
		return answer{}, subject.Close()
	}
	return answer{}, fmt.Errorf("unknown request %q", r.Do)
}

func (s *service) open(ctx context.Context, r request) (answer, error) {
	if r.Key == nil {
		return answer{}, errors.New("open: the key is missing")
	}
	subject, err := s.Open(ctx, *r.Key, r.Floor)
	if err != nil {
		return answer{}, err
	}
	s.opened++
	s.subjects[s.opened] = subject
	return answer{Subject: s.opened, Name: subject.Name(), Kind: kindOf(subject)}, nil
}

func kindOf(subject sampling.Subject) kind {
	switch subject.(type) {
	case sampling.Valued:
		return kindValued
	case sampling.Paced:
		return kindPaced
	}
	return kindTime
}

func run(ctx context.Context, subject sampling.Subject, n int) (answer, error) {
	elapsed, err := subject.Run(ctx, n)
	if err != nil {
		return answer{}, err
	}
	a := answer{ElapsedNS: int64(elapsed)}
	switch subject := subject.(type) {
	case sampling.Valued:
		a.Value = subject.Value()
	case sampling.Paced:
		a.Tails, err = encodeTails(subject.Tails())
	}
	return a, err
}
