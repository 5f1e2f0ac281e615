package extension

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/spawn"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake is an extension with simulated processes.
type fake struct {
	Extension
	log    bytes.Buffer
	starts atomic.Int32
	closed atomic.Int32
	die    chan error // each error ends a conversation
}

type fakeProcess struct{ *fake }

func (fakeProcess) Conn() *grpc.ClientConn { return nil }

func (p fakeProcess) Close(context.Context) error {
	p.closed.Add(1)
	return nil
}

func (fakeProcess) Exit() *spawn.ExitError { return &spawn.ExitError{Status: "exit status 0"} }

func newFake(t *testing.T, restart core.Restart) *fake {
	t.Helper()
	restart, err := restart.WithDefaults()
	if err != nil {
		t.Fatal(err)
	}
	f := &fake{die: make(chan error)}
	f.Extension = Extension{
		Name: "broker test", Restart: restart, Logger: slog.New(slog.NewTextHandler(&f.log, nil)),
		Start: func(context.Context) (Process, error) {
			f.starts.Add(1)
			return fakeProcess{f}, nil
		},
		Talk: func(ctx context.Context, _ *grpc.ClientConn, stop <-chan struct{}, up func()) error {
			up()
			select {
			case err := <-f.die:
				return err
			case <-stop:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		},
	}
	return f
}

func (f *fake) open(t *testing.T) {
	t.Helper()
	if err := f.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// close closes the extension and checks that each process was closed.
func (f *fake) close(t *testing.T) {
	t.Helper()
	if err := f.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if starts, closed := f.starts.Load(), f.closed.Load(); starts != closed {
		t.Errorf("%d processes started, %d closed", starts, closed)
	}
}

var errCrash = errors.New("crash")

func TestRestartsWithinThePolicy(t *testing.T) {
	for name, c := range map[string]struct {
		restart core.Restart
		end     error
		deaths  int // deaths that the extension survives
	}{
		"default":                {core.Restart{}, errCrash, 5},
		"limited":                {core.Restart{MaxRestarts: 2}, errCrash, 2},
		"permanent after an end": {core.Restart{Policy: core.RestartPermanent, MaxRestarts: 3}, ErrEnded, 3},
		"transient after an end": {core.Restart{}, ErrEnded, 0},
		"temporary":              {core.Restart{Policy: core.RestartTemporary}, errCrash, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c.restart.Within = time.Hour
				f := newFake(t, c.restart)
				f.open(t)
				for range c.deaths + 1 {
					f.die <- c.end
				}
				<-time.After(time.Minute) // in fake time: a restart would come, and must not
				if got := int(f.starts.Load()); got != c.deaths+1 {
					t.Errorf("got %d starts, want %d", got, c.deaths+1)
				}
				f.close(t)
				if log := f.log.String(); !strings.Contains(log, "extension failed") || !strings.Contains(log, c.end.Error()) {
					t.Errorf("the log does not say that it failed, and why:\n%s", log)
				}
			})
		})
	}
}

func TestFirstStartFails(t *testing.T) {
	f := newFake(t, core.Restart{})
	f.Start = func(context.Context) (Process, error) { return nil, errCrash }
	if err := f.Open(t.Context()); !errors.Is(err, errCrash) || !strings.Contains(err.Error(), f.Name) {
		t.Errorf("got %v, want the reason and the extension's name", err)
	}
}

func TestStartTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, core.Restart{})
		f.StartTimeout = time.Second
		f.Talk = func(ctx context.Context, _ *grpc.ClientConn, _ <-chan struct{}, _ func()) error {
			<-ctx.Done()
			return ctx.Err()
		}
		begin := time.Now()
		if err := f.Open(t.Context()); !errors.Is(err, errLate) {
			t.Errorf("got %v, want %v", err, errLate)
		}
		if took := time.Since(begin); took != time.Second {
			t.Errorf("it took %v, want the start timeout", took)
		}
	})
}

func TestCanceledStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, core.Restart{})
		f.Start = func(ctx context.Context) (Process, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := f.Open(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the context's error", err)
		}
	})
}

// TestCloseWhileItIsDown: Close does not wait for a pause before a restart, nor for
// a restart that hangs.
func TestCloseWhileItIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, core.Restart{Backoff: time.Hour, MaxBackoff: time.Hour})
		f.open(t)
		f.die <- errCrash
		f.die <- errCrash
		synctest.Wait()
		begin := time.Now()
		f.close(t)
		if took := time.Since(begin); took != 0 {
			t.Errorf("during the pause: Close took %v", took)
		}

		f = newFake(t, core.Restart{})
		f.open(t)
		f.Start = func(ctx context.Context) (Process, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		f.die <- errCrash
		synctest.Wait()
		begin = time.Now()
		f.close(t)
		if took := time.Since(begin); took != 0 {
			t.Errorf("during a restart: Close took %v", took)
		}
	})
}

// TestCloseBreaksOff: Close breaks off a conversation that does not end.
func TestCloseBreaksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, core.Restart{})
		f.Talk = func(ctx context.Context, _ *grpc.ClientConn, _ <-chan struct{}, up func()) error {
			up()
			<-ctx.Done()
			return ctx.Err()
		}
		f.open(t)
		begin := time.Now()
		f.close(t)
		if took := time.Since(begin); took != endTimeout {
			t.Errorf("Close took %v, want %v", took, endTimeout)
		}
	})
}

func TestBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := Batch[int]{Most: 2}
		for i := range 3 {
			b.Put(i, 1)
		}
		put := make(chan bool)
		go func() { put <- b.Put(3, 1) }()
		synctest.Wait()
		if got, ok := b.Take(nil); !ok || len(got) != 3 {
			t.Errorf("got %v, %t, want the three items that had room", got, ok)
		}
		if !<-put {
			t.Error("what had waited for room was not taken")
		}
		b.Close()
		if got, ok := b.Take(nil); !ok || len(got) != 1 || got[0] != 3 {
			t.Errorf("got %v, %t, want the item that was there at the end", got, ok)
		}
		if _, ok := b.Take(nil); ok || b.Put(4, 1) {
			t.Error("there is something after the end")
		}
	})
}
