package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/airhost/airhost/internal/service"
)

// stopSignal is the error of a command that a signal has ended before its work was done.
type stopSignal struct{ os.Signal }

func (s stopSignal) Error() string {
	if s.Signal == os.Interrupt {
		return "stopped by SIGINT"
	}
	return "stopped by SIGTERM"
}

// stopOnSignal returns a context that ends with the first SIGINT or SIGTERM, which is
// its cause. A second one ends the process by the system's default. restore undoes it.
func stopOnSignal() (ctx context.Context, restore func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals, ended := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		defer close(ended)
		select {
		case s := <-signals:
			signal.Stop(signals)
			cancel(stopSignal{s})
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		cancel(nil)
		<-ended
	}
}

// stopped returns the cause of ctx's end together with the work that it has cut off, or
// nil if ctx has not ended.
func stopped(ctx context.Context, while string) error {
	if ctx.Err() == nil {
		return nil
	}
	return fmt.Errorf("%w while %s", context.Cause(ctx), while)
}

// isStop reports whether err is nothing but a signal's request to stop.
func isStop(err error) bool {
	all := service.Joined(err)
	return len(all) == 1 && errors.As(all[0], new(stopSignal))
}

// keepGoing keeps the program alive after the end of the process that reads its output:
// a write to a pipe without a reader becomes an ordinary error. restore undoes it.
func keepGoing() (restore func()) {
	pipes := make(chan os.Signal, 1)
	signal.Notify(pipes, syscall.SIGPIPE)
	return func() { signal.Stop(pipes) }
}

// takeHangups keeps the program alive after the end of its terminal. A SIGHUP makes run apply
// its file; other commands have no use for it. restore undoes it.
func (p *program) takeHangups() (restore func()) {
	hangups, ended := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(hangups, syscall.SIGHUP)
	go func() {
		defer close(ended)
		for range hangups {
			if p.reloads == nil {
				p.log.Debug("SIGHUP is ignored: only airhost run has a file to apply again")
				continue
			}
			p.reload()
		}
	}()
	return func() {
		signal.Stop(hangups)
		close(hangups)
		<-ended
	}
}
