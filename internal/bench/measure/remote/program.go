package remote

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"sync"
	"time"

	"github.com/airhost/airhost/internal/bench/data/cells"
	"github.com/airhost/airhost/internal/bench/measure/sampling"
)

// patience is the time that a program has to end a canceled request, and to end
// itself, before it is killed.
const patience = 30 * time.Second

// Program is a program that serves subjects, for its user. One goroutine at a time
// uses it.
type Program struct {
	name    string
	command *exec.Cmd
	out     *json.Decoder
	last    uint64 // the id of the last request

	mu sync.Mutex // guards in
	in io.WriteCloser
}

// Error is a program's message about a request that failed.
type Error struct {
	Program string
	Text    string
}

// Error gives the program and its text.
func (e *Error) Error() string { return e.Program + ": " + e.Text }

// ErrProtocol is the error of a program that does not speak this protocol, or
// has ended.
var ErrProtocol = errors.New("it does not answer as a program that serves cells does")

// Start starts command, whose standard input and output must not have been set, and
// waits until the program is ready, or ctx ends. name is the program's name in
// errors. The caller closes the program, after all subjects.
func Start(ctx context.Context, name string, command *exec.Cmd) (*Program, error) {
	in, err := command.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	out, err := command.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	if err := command.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	p := &Program{name: name, command: command, in: in, out: json.NewDecoder(out)}
	if err := p.greet(ctx); err != nil {
		p.kill()
		_ = p.Close() // an error says that it was killed
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	return p, nil
}

// greet waits for the first line.
func (p *Program) greet(ctx context.Context) error {
	stop := context.AfterFunc(ctx, p.kill)
	defer stop()
	var first hello
	if err := p.out.Decode(&first); err != nil {
		return errors.Join(ctx.Err(), fmt.Errorf("%w: %w", ErrProtocol, err))
	}
	if first.Protocol != Protocol {
		return fmt.Errorf("%w: it speaks version %d, want %d", ErrProtocol, first.Protocol, Protocol)
	}
	return nil
}

func (p *Program) kill() { _ = p.command.Process.Kill() } // an error says that it has ended

// Close ends the program and waits for it.
func (p *Program) Close() error {
	p.mu.Lock()
	closing := p.in.Close()
	p.mu.Unlock()
	timer := time.AfterFunc(patience, p.kill)
	defer timer.Stop()
	if err := errors.Join(closing, p.command.Wait()); err != nil {
		return fmt.Errorf("ending %s: %w", p.name, err)
	}
	return nil
}

// Offers asks which cells the program knows.
func (p *Program) Offers(ctx context.Context) ([]Offer, error) {
	a, err := p.call(ctx, request{Do: doOffers})
	return a.Offers, err
}

// Open sets up a cell, or its floor, in the program. A cell that it cannot measure is
// a [cells.LeftOutError].
func (p *Program) Open(ctx context.Context, key cells.Key, floor bool) (Subject, error) {
	return p.open(ctx, key, floor, false)
}

func (p *Program) open(ctx context.Context, key cells.Key, floor, alone bool) (Subject, error) {
	a, err := p.call(ctx, request{Do: doOpen, Key: &key, Floor: floor})
	if err != nil {
		return nil, err
	}
	s := subject{program: p, number: a.Subject, name: a.Name, alone: alone}
	switch a.Kind {
	case kindValued:
		return &valued{s}, nil
	case kindPaced:
		return &paced{s}, nil
	}
	return &s, nil
}

// call makes one request. When ctx ends, call tells the program, and kills it if it
// does not answer then.
func (p *Program) call(ctx context.Context, r request) (answer, error) {
	if err := ctx.Err(); err != nil {
		return answer{}, err
	}
	p.last++
	r.ID = p.last
	if err := p.send(r); err != nil {
		return answer{}, fmt.Errorf("%s: %w: %w", p.name, ErrProtocol, err)
	}
	release := p.watch(ctx, r.ID)
	var a answer
	err := p.out.Decode(&a)
	release()
	switch {
	case err == nil && a.ID == r.ID && a.Error == "" && a.LeftOut == "":
		return a, nil
	case ctx.Err() != nil:
		return answer{}, ctx.Err()
	case err != nil:
		return answer{}, fmt.Errorf("%s: %w: %w", p.name, ErrProtocol, err)
	case a.LeftOut != "":
		return answer{}, &cells.LeftOutError{Reason: a.LeftOut}
	case a.Error != "":
		return answer{}, &Error{p.name, a.Error}
	}
	return answer{}, fmt.Errorf("%s: %w: answer %d to request %d", p.name, ErrProtocol, a.ID, r.ID)
}

// watch cancels the request with this id when ctx ends, until release is called.
func (p *Program) watch(ctx context.Context, id uint64) (release func()) {
	var timer *time.Timer
	told := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(told)
		timer = time.AfterFunc(patience, p.kill)
		_ = p.send(request{ID: id, Do: doCancel}) // where it fails the program has ended
	})
	return func() {
		if !stop() {
			<-told
			timer.Stop()
		}
	}
}

func (p *Program) send(r request) error {
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	_, err = p.in.Write(append(line, '\n'))
	return err
}

var _ sampling.Process = (*Program)(nil)

// Collect implements [sampling.Process].
func (p *Program) Collect(ctx context.Context) error {
	_, err := p.call(ctx, request{Do: doCollect})
	return err
}

// Allocated implements [sampling.Process].
func (p *Program) Allocated(ctx context.Context) (objects, bytes uint64, err error) {
	a, err := p.call(ctx, request{Do: doAllocated})
	return a.Objects, a.Bytes, err
}

// Waited implements [sampling.Process].
func (p *Program) Waited(ctx context.Context) (time.Duration, error) {
	a, err := p.call(ctx, request{Do: doWaited})
	return time.Duration(a.ElapsedNS), err
}
