package plugin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/extension"
	pluginv1 "github.com/airhost/airhost/proto/airhost/plugin/v1"
)

const (
	// protocolVersion is that of the conversation.
	protocolVersion = 1
	// frameChanges is where a frame ends.
	frameChanges = 16 << 10
	// A request that is pending for so much longer than its timeout shows that
	// the process does not work; it is looked for so often.
	overdue      = 5 * time.Second
	overdueCheck = time.Second
)

// Why a conversation ends, beside the process's death.
var (
	errEarly = errors.New("it ended a request before its timeout")
	errLate  = errors.New("it has not ended a request whose timeout was over long ago")
)

type stream = grpc.BidiStreamingClient[pluginv1.TrackerChanges, pluginv1.Expirations]

// talk is an [extension.Talk].
func (t *Tracker) talk(ctx context.Context, conn *grpc.ClientConn, stop <-chan struct{}, up func()) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	to, err := connect(ctx, conn)
	if err != nil {
		return err
	}
	s := t.begun()
	up()
	var working sync.WaitGroup
	received := make(chan struct{})
	working.Go(func() {
		if err := s.send(to); err != nil {
			cancel(err) // the receiver finds out why
		}
	})
	working.Go(func() {
		t.guard(s, stop, received, func() { cancel(errLate) })
	})
	err = t.receive(to)
	close(received)
	if context.Cause(ctx) == errLate {
		err = errLate
	}
	cancel(nil)
	s.close()
	working.Wait()
	t.abandon()
	if errors.Is(err, io.EOF) {
		err = extension.ErrEnded
		if t.isClosed() {
			err = nil
		}
	}
	return err
}

// connect returns when the process is ready.
func connect(ctx context.Context, conn *grpc.ClientConn) (stream, error) {
	to, err := pluginv1.NewTrackerClient(conn).Watch(ctx,
		grpc.MaxCallRecvMsgSize(extension.MaxFrame), grpc.MaxCallSendMsgSize(extension.MaxFrame))
	if err != nil {
		return nil, err
	}
	// An error says only that the stream has ended; Recv says why.
	_ = to.Send(&pluginv1.TrackerChanges{Version: protocolVersion})
	if _, err := to.Recv(); err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	return to, nil
}

// begun makes the session with a new life of the process.
func (t *Tracker) begun() *session {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.session = &session{some: sync.NewCond(&t.mu)}
	return t.session
}

// guard ends the session when the tracker is to stop, and looks for requests
// that are overdue, until received is closed.
func (t *Tracker) guard(s *session, stop, received <-chan struct{}, late func()) {
	ticker := time.NewTicker(overdueCheck)
	defer ticker.Stop()
	for {
		select {
		case <-received:
			return
		case <-stop:
			s.close()
			stop = nil
		case <-ticker.C:
			if t.isOverdue(t.now()) {
				late()
				return
			}
		}
	}
}

// isOverdue reports whether a request should have ended long ago. It looks at the
// requests only when one of them might.
func (t *Tracker) isOverdue(now time.Duration) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.requests) == 0 || t.earliest+overdue > now {
		return false
	}
	t.earliest = now + core.MaxTimeout
	for _, r := range t.requests {
		t.earliest = min(t.earliest, r.deadline)
	}
	return t.earliest+overdue <= now
}

// send sends changes until the session is closing, and then that there are none
// any more.
func (s *session) send(to stream) error {
	var taken changes
	for {
		taken = s.take(taken)
		if len(taken.ids) == 0 {
			return to.CloseSend()
		}
		for ids, what := taken.ids, taken.what; len(ids) > 0; {
			n := min(len(ids), frameChanges)
			if err := to.Send(&pluginv1.TrackerChanges{Ids: ids[:n], Changes: what[:n]}); err != nil {
				return err
			}
			ids, what = ids[n:], what[n:]
		}
	}
}

// receive tells waiters until the stream ends.
func (t *Tracker) receive(from stream) error {
	for {
		expirations, err := from.Recv()
		if err != nil {
			return err
		}
		for _, id := range expirations.Ids {
			if err := t.expire(core.RequestID(id)); err != nil {
				return err
			}
		}
	}
}

// expire ends a request that has not ended otherwise.
func (t *Tracker) expire(id core.RequestID) error {
	t.mu.Lock()
	r, pending := t.requests[id]
	if pending && r.deadline > t.now() {
		t.mu.Unlock()
		return errEarly
	}
	delete(t.requests, id)
	t.mu.Unlock()
	if pending {
		r.waiter.Expired(id, core.ErrTimeout)
	}
	return nil
}

// abandon ends the session, and all requests that were pending in it.
func (t *Tracker) abandon() {
	t.mu.Lock()
	t.session = nil
	requests := t.requests
	t.requests = make(map[core.RequestID]request)
	t.mu.Unlock()
	for id, r := range requests {
		r.waiter.Expired(id, errDied)
	}
}

func (t *Tracker) isClosed() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.state == closed
}
