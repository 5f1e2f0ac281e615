package microbench

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/bench/data/cells"
	"github.com/airhost/airhost/internal/bench/measure/guests"
)

// compile measures the way from code to component, anew each time.
func (p *part) compile(ctx context.Context, key cells.Key, parts Parts) error {
	engine, err := p.openEngine(ctx, parts.Engine, parts.EngineName)
	if err != nil {
		return err
	}
	return p.compiling(engine, key, parts)
}

// loadCached measures the way from code to component, with the compiled code on disk.
func (p *part) loadCached(ctx context.Context, key cells.Key, parts Parts) error {
	if parts.Cached == nil {
		return &cells.LeftOutError{Reason: key.Engine + " keeps no compiled code"}
	}
	dir, err := os.MkdirTemp("", "benchrunner-")
	if err != nil {
		return err
	}
	p.onClose(func() error { return os.RemoveAll(dir) })
	engine, err := p.openEngine(ctx, parts.Cached(dir), parts.EngineName)
	if err != nil {
		return err
	}
	if err := p.compiling(engine, key, parts); err != nil {
		return err
	}
	if _, err := p.do(ctx, 1); err != nil { // fills the directory
		return err
	}
	if kept, err := os.ReadDir(dir); err != nil || len(kept) == 0 {
		return fmt.Errorf("the engine kept nothing in its directory: %w", err)
	}
	return p.verify(1)
}

func (p *part) compiling(engine core.Engine, key cells.Key, parts Parts) error {
	source, bounds := parts.Guest(key.Pattern), limits(key.PayloadBytes)
	compiled := 0
	p.chunk = 1
	p.do = func(ctx context.Context, _ int) (time.Duration, error) {
		start := time.Now()
		component, err := engine.Compile(ctx, source, bounds)
		elapsed := time.Since(start)
		if err != nil {
			return 0, err
		}
		if component.Traits().Management {
			compiled++
		}
		return elapsed, component.Close(ctx)
	}
	return p.verifyBy(1, func() (int, error) { return compiled, nil })
}

// instantiate measures the way from component to live guest, initialized.
func (p *part) instantiate(ctx context.Context, key cells.Key, parts Parts) error {
	return p.starting(ctx, key, parts, false)
}

// firstMessage measures the first answer of a fresh guest.
func (p *part) firstMessage(ctx context.Context, key cells.Key, parts Parts) error {
	return p.starting(ctx, key, parts, true)
}

// starting makes guests that each answer one message, and times either the making or
// the answer.
func (p *part) starting(ctx context.Context, key cells.Key, parts Parts, timeMessage bool) error {
	component, err := p.openComponent(ctx, key, parts)
	if err != nil {
		return err
	}
	host, answered := new(taker), 0
	message := guests.NewMessage(guests.OpEcho, 0, key.PayloadBytes)
	p.chunk = 1
	p.do = func(ctx context.Context, _ int) (time.Duration, error) {
		start := time.Now()
		instance, err := newInstance(ctx, component, key, askerID, answererID, host)
		made := time.Since(start)
		if err != nil {
			return 0, err
		}
		start = time.Now()
		var response []byte
		err = instance.HandleMessage(answererID, message, &response)
		handled := time.Since(start)
		if string(response) == string(message) {
			answered++
		}
		if !timeMessage {
			handled = made
		}
		return handled, closing(err, instance)
	}
	return p.verifyBy(1, func() (int, error) { return answered, nil })
}
