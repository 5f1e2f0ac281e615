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
	// protocolVersion is the version of the protocol with the process.
	protocolVersion = 1
	// frameChanges is the largest number of changes in one frame.
	frameChanges = 16 << 10
	// A request that is pending for overdue after its timeout shows that the process
	// does not work. The tracker looks for such requests every overdueCheck.
	overdue      = 5 * time.Second
	overdueCheck = time.Second
)

// Reasons for which the tracker ends the conversation with its process.
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
			cancel(err) // receive returns the reason
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

// connect opens the stream, and returns when the process is ready.
func connect(ctx context.Context, conn *grpc.ClientConn) (stream, error) {
	to, err := pluginv1.NewTrackerClient(conn).Watch(ctx,
		grpc.MaxCallRecvMsgSize(extension.MaxFrame), grpc.MaxCallSendMsgSize(extension.MaxFrame))
	if err != nil {
		return nil, err
	}
	// An error of Send says only that the stream has ended; Recv returns the reason.
	_ = to.Send(&pluginv1.TrackerChanges{Version: protocolVersion})
	if _, err := to.Recv(); err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	return to, nil
}

// begun makes the session for a new run of the process.
func (t *Tracker) begun() *session {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.session = &session{some: sync.NewCond(&t.mu)}
	return t.session
}

// guard closes the session when stop is closed. It calls late if a request is overdue.
// It returns when received is closed.
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

// isOverdue reports whether a request is overdue. It looks at all requests only if
// the earliest known deadline is.
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

// send sends changes until the session is closing, and then ends its side of the
// stream.
func (s *session) send(to stream) error {
	var taken changes
	for {
		taken = s.take(taken)
		if len(taken.ids) == 0 {
			return to.CloseSend()
		}
		for ids, kinds := taken.ids, taken.kind; len(ids) > 0; {
			n := min(len(ids), frameChanges)
			if err := to.Send(&pluginv1.TrackerChanges{Ids: ids[:n], Changes: kinds[:n]}); err != nil {
				return err
			}
			ids, kinds = ids[n:], kinds[n:]
		}
	}
}

// receive expires the requests that the process names, until the stream ends.
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

// expire ends a request by timeout, unless it has already ended.
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

// abandon ends the session. All pending requests end with unavailable.
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
