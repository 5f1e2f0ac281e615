// Package extension keeps a part of the host running that is a process of its
// own, a broker or a tracker: it starts the process, has it talked to, and starts
// it again after its death, as the restart policy says.
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

// MaxFrame is the largest message of gRPC, in bytes, that a host and an extension
// exchange; MaxBody is the largest body that is sure to fit into one.
const (
	MaxFrame = 64<<20 + 1<<20
	MaxBody  = 64 << 20
)

// endTimeout is how long a process may take to end the conversation when it is
// asked to, and then itself; what takes longer is killed.
const endTimeout = 5 * time.Second

// ErrEnded is what a [Talk] returns when the process has ended the conversation
// in order, though nobody had asked it to.
var ErrEnded = errors.New("it ended the connection by itself")

// Process is a process that has been started.
type Process interface {
	Conn() *grpc.ClientConn
	// Close ends it, by force when ctx ends, and returns when nothing of it is
	// left.
	Close(ctx context.Context) error
	// Exit says how it ended, once it has.
	Exit() *spawn.ExitError
}

// Talk is the conversation with one life of the process. It calls up once the
// process has proved to be fit. When stop is closed it ends the conversation and
// returns nil; when ctx ends it breaks it off. Otherwise it returns why the
// process cannot be talked to any more.
type Talk func(ctx context.Context, conn *grpc.ClientConn, stop <-chan struct{}, up func()) error

// Extension is a process that is kept running.
type Extension struct {
	// Name is what the log and errors call it, such as "broker ./my-broker".
	Name  string
	Start func(context.Context) (Process, error)
	Talk  Talk
	// StartTimeout bounds the time from the process's start until it is up; 10 s
	// by default.
	StartTimeout time.Duration
	Restart      core.Restart // with its defaults
	Logger       *slog.Logger

	lives    sync.WaitGroup
	stop     chan struct{} // closed when the conversation is to end
	ctx      context.Context
	breakOff context.CancelFunc
}

// Open starts the process and returns when it is up; an error says why it is
// not, and that nothing was left. It is called once.
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

// Close ends the conversation and the process. It waits for both until ctx ends,
// and then breaks off what is left, without waiting any longer. It is called at
// most once, after Open.
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

// run lives one life after the other. It reports the first one's start.
func (e *Extension) run(first chan<- error) {
	var restarts core.Restarts
	begin, wasUp := time.Now(), false
	for {
		err := e.live(func() {
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
		pause, again := restarts.Next(e.Restart, time.Since(begin))
		if !again || errors.Is(err, ErrEnded) && e.Restart.Policy == core.RestartTransient {
			e.Logger.Error("extension failed", "extension", e.Name, "reason", err.Error(), "details", spawn.Details(err),
				"hint", "its restart policy does not allow another start; restart the host to try again")
			return
		}
		e.Logger.Error("extension ended", "extension", e.Name, "reason", err.Error(), "details", spawn.Details(err), "restart_in", pause)
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

// live starts the process, has it talked to, and ends it.
func (e *Extension) live(up func()) error {
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
	if _ = process.Close(limited); err != nil { // Exit says as much
		err = fmt.Errorf("%w; the process: %w", err, process.Exit())
	}
	return err
}

// short returns err, or one in its place whose text is not too long: the process
// has chosen it.
func short(err error) error {
	if err == nil || len(err.Error()) <= core.MaxErrorText {
		return err
	}
	return errors.New(core.CutText(err.Error(), core.MaxErrorText))
}

var errLate = errors.New("it was not ready in time: its start_timeout is over")

// limitEnd calls breakOff when the extension is to stop: at once while its process
// is not up, and else when it has had the time to end. It does so until the
// returned function is called.
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
