package plugin

import (
	"errors"
	"io"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/extension"
	pluginv1 "github.com/airhost/airhost/proto/airhost/plugin/v1"
)

type trackerServer struct {
	pluginv1.UnimplementedTrackerServer
	tracker core.Tracker
	only    conversation
}

type trackerStream = grpc.BidiStreamingServer[pluginv1.TrackerChanges, pluginv1.Expirations]

// Watch implements the service. The call lasts as long as the host's connection.
func (s *trackerServer) Watch(stream trackerStream) error {
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	if err := s.only.begin(first.Version); err != nil {
		return err
	}
	defer s.only.end()
	w := &watch{tracker: s.tracker, stream: stream, requests: make(map[uint64]*request)}
	return w.serve(first)
}

// watch is a connection to a host.
type watch struct {
	tracker core.Tracker
	stream  trackerStream
	expired extension.Batch[uint64]

	mu       sync.Mutex // guards requests
	requests map[uint64]*request
}

// request is a pending request of the host. It is the waiter of the tracker's request.
type request struct {
	watch *watch
	id    uint64         // the host's id
	own   core.RequestID // the tracker's id, written before the next change is handled
}

// Expired implements [core.Waiter].
func (r *request) Expired(core.RequestID, *core.RequestError) {
	r.watch.remove(r.id)
	r.watch.expired.Put(r.id, 1)
}

func (w *watch) remove(id uint64) *request {
	w.mu.Lock()
	defer w.mu.Unlock()
	r := w.requests[id]
	delete(w.requests, id)
	return r
}

func (w *watch) serve(first *pluginv1.TrackerChanges) error {
	if err := w.stream.Send(&pluginv1.Expirations{}); err != nil {
		return errors.Join(err, w.tracker.Close())
	}
	var sending sync.WaitGroup
	sending.Go(w.send)
	err := w.follow(first)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	err = errors.Join(err, w.tracker.Close())
	w.expired.Close()
	sending.Wait()
	return err
}

// send sends expirations until expired is closed.
func (w *watch) send() {
	var ids []uint64
	for {
		var ok bool
		if ids, ok = w.expired.Take(ids); !ok {
			return
		}
		if err := w.stream.Send(&pluginv1.Expirations{Ids: ids}); err != nil {
			w.expired.Close()
			return
		}
	}
}

// follow handles changes until the host ends the stream.
func (w *watch) follow(changes *pluginv1.TrackerChanges) error {
	for {
		if len(changes.Ids) != len(changes.Changes) {
			return status.Errorf(codes.InvalidArgument, "%d ids with %d changes", len(changes.Ids), len(changes.Changes))
		}
		for i, id := range changes.Ids {
			if err := w.change(id, changes.Changes[i]); err != nil {
				return err
			}
		}
		var err error
		if changes, err = w.stream.Recv(); err != nil {
			return err
		}
	}
}

func (w *watch) change(id uint64, kind int64) error {
	if kind > 0 {
		return w.begin(id, time.Duration(kind))
	}
	r := w.remove(id)
	switch {
	case r == nil: // the request has expired
	case kind == 0:
		w.tracker.Resolve(r.own)
	default:
		w.tracker.Cancel(r.own, r)
	}
	return nil
}

func (w *watch) begin(id uint64, timeout time.Duration) error {
	r := &request{watch: w, id: id}
	w.mu.Lock()
	w.requests[id] = r
	w.mu.Unlock()
	own, err := w.tracker.Register(r, timeout)
	if err != nil {
		return status.Errorf(codes.Unavailable, "the tracker takes no request: %v", err)
	}
	r.own = own
	return nil
}
