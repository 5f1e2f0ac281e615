// Package extension runs a part of the host in a separate process: a broker or a
// tracker. It starts the process, runs the conversation with it, and restarts it
// after its death as the restart policy says.
package extension

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/spawn"
)

// MaxFrame is the largest gRPC message that a host and an extension exchange, in
// bytes. MaxBody is the largest body that fits into such a message in any case.
const (
	MaxFrame = 64<<20 + 1<<20
	MaxBody  = 64 << 20
)

// endTimeout is the time that a process has to end the conversation after the host
// asked it to, and then the time that it has to exit. After that it is killed.
const endTimeout = 5 * time.Second

// ErrEnded is the error of a [Talk] when the process has ended the conversation
// properly although the host had not asked it to.
var ErrEnded = errors.New("it ended the connection by itself")

// Process is a started process.
type Process interface {
	Conn() *grpc.ClientConn
	// Close ends the process, by force when ctx ends, and returns when nothing of it
	// is left.
	Close(ctx context.Context) error
	// Exit tells how the process ended. Call it after Close.
	Exit() *spawn.ExitError
}

// Talk runs the conversation with one run of the process. It calls up when the
// process has proved to work. When stop is closed, it ends the conversation and
// returns nil. When ctx ends, it breaks the conversation off. Otherwise it returns
// the reason why the conversation ended.
type Talk func(ctx context.Context, conn *grpc.ClientConn, stop <-chan struct{}, up func()) error

// Extension keeps a process running.
type Extension struct {
	// Name is used in the log and in errors, such as "broker ./my-broker".
	Name  string
	Start func(context.Context) (Process, error)
	Talk  Talk
	// StartTimeout bounds the time from the process's start to the call of up. The
	// default is 10 s.
	StartTimeout time.Duration
	Restart      core.Restart // with its defaults
	Logger       *slog.Logger

	lives    sync.WaitGroup
	stop     chan struct{} // closed to end the conversation
	ctx      context.Context
	breakOff context.CancelFunc
}

// Open starts the process and returns when it is up. After an error nothing is left
// of the process. Call Open once.
func (e *Extension) Open(ctx context.Context) error {
	e.stop = make(chan struct{})
	e.ctx, e.breakOff = context.WithCancel(context.Background())
	first := make(chan error, 1)
	e.lives.Go(func() { e.run(first) })
	select {
	case err := <-first:
		if err != nil {
			e.breakOff()
			e.lives.Wait()
			return fmt.Errorf("start %s: %w", e.Name, err)
		}
		return nil
	case <-ctx.Done():
		e.breakOff()
		e.lives.Wait()
		return fmt.Errorf("start %s: %w", e.Name, ctx.Err())
	}
}

// Close ends the conversation and the process. It waits for both until ctx ends;
// then it breaks off the rest and returns without waiting for it. Call it at most
// once, after Open.
func (e *Extension) Close(ctx context.Context) error {
	close(e.stop)
	ended := make(chan struct{})
	go func() {
		e.lives.Wait()
		close(ended)
	}()
	defer e.breakOff()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("close %s: it has not ended: %w", e.Name, ctx.Err())
	}
}

// run starts the process again and again, as the restart policy says. It sends the
// result of the first start to first.
func (e *Extension) run(first chan<- error) {
	var restarts core.Restarts
	begin, wasUp := time.Now(), false
	for {
		err := e.runOnce(func() {
			if !wasUp {
				wasUp = true
				first <- nil
				return
			}
			e.Logger.Info("extension restarted", "extension", e.Name)
		})
		if !wasUp {
			if details := spawn.Details(err); details != "" {
				e.Logger.Error("extension failed at its start", "extension", e.Name, "reason", err.Error(), "details", details)
			}
			first <- err
			return
		}
		if err == nil || e.stopping() {
			return
		}
		pause, failed := restarts.Next(e.Restart, time.Since(begin))
		if pause == core.NoRestart || errors.Is(err, ErrEnded) && e.Restart.Policy == core.RestartTransient {
			e.Logger.Error("extension failed", "extension", e.Name, "reason", err.Error(), "details", spawn.Details(err),
				"hint", "its restart policy does not allow another start; restart the host to try again")
			return
		}
		message := "extension ended"
		if failed {
			message = "extension failed"
		}
		e.Logger.Error(message, "extension", e.Name, "reason", err.Error(), "details", spawn.Details(err), "restart_in", pause)
		select {
		case <-time.After(pause):
		case <-e.stop:
			return
		case <-e.ctx.Done():
			return
		}
	}
}

func (e *Extension) stopping() bool {
	select {
	case <-e.stop:
		return true
	default:
		return e.ctx.Err() != nil
	}
}

// runOnce starts the process, runs the conversation, and ends the process.
func (e *Extension) runOnce(up func()) error {
	ctx, cancel := context.WithCancelCause(e.ctx)
	defer cancel(nil)
	late := time.AfterFunc(cmp.Or(e.StartTimeout, 10*time.Second), func() { cancel(errLate) })
	defer late.Stop()
	var isUp atomic.Bool
	defer e.limitEnd(&isUp, func() { cancel(context.Canceled) })()
	process, err := e.Start(ctx)
	if err != nil {
		return err
	}
	err = short(e.Talk(ctx, process.Conn(), e.stop, func() {
		isUp.Store(late.Stop())
		up()
	}))
	if cause := context.Cause(ctx); errors.Is(cause, errLate) {
		err = cause
	}
	limited, done := context.WithTimeout(context.Background(), endTimeout)
	defer done()
	if _ = process.Close(limited); err != nil { // Exit below returns the same error
		err = fmt.Errorf("%w; the process: %w", err, process.Exit())
	}
	return err
}

// short shortens the text of err if it is too long, since the process chose it.
func short(err error) error {
	if err == nil || len(err.Error()) <= core.MaxErrorText {
		return err
	}
	return errors.New(core.CutText(err.Error(), core.MaxErrorText))
}

var errLate = errors.New("it was not ready in time: its start_timeout is over")

// limitEnd calls breakOff after the extension was asked to stop: at once if the
// process is not up, and otherwise after endTimeout. The caller calls ended when the
// process has ended, and limitEnd then does nothing more.
func (e *Extension) limitEnd(isUp *atomic.Bool, breakOff func()) (ended func()) {
	end := make(chan struct{})
	e.lives.Go(func() {
		select {
		case <-end:
			return
		case <-e.stop:
		}
		if isUp.Load() {
			limit := time.NewTimer(endTimeout)
			defer limit.Stop()
			select {
			case <-end:
				return
			case <-limit.C:
			}
		}
		breakOff()
	})
	return func() { close(end) }
}
