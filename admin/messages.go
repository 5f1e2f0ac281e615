package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/airhost/airhost/core"
)

const (
	// maxMessage is the largest message of a client, in bytes.
	maxMessage = 64 << 20
	// maxMessages and maxMessageBytes bound the messages of all clients that are in progress.
	maxMessages     = 64
	maxMessageBytes = 4 * maxMessage
)

// bounds count the messages of clients that are in progress.
type bounds struct {
	mu    sync.Mutex // guards the following
	count int
	bytes int64
}

// enter takes the room for a message of so many bytes, or returns an error.
func (b *bounds) enter(size int64) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.count >= maxMessages || b.bytes+size > maxMessageBytes {
		return &Error{Status: http.StatusTooManyRequests, Code: CodeTooMany, Message: fmt.Sprintf("there are %d messages of clients in progress: try again", b.count)}
	}
	b.count++
	b.bytes += size
	return nil
}

func (b *bounds) leave(size int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.count--
	b.bytes -= size
}

// message reads the target and the body of a request. The caller must call leave, unless there is
// an error.
func (s *Server) message(w http.ResponseWriter, r *http.Request) (target core.ComponentID, payload []byte, leave func(), err error) {
	text := r.URL.Query().Get("target")
	if text == "" {
		return target, nil, nil, invalid("the target is missing: ?target=namespace/name")
	}
	if target, err = core.ParseComponentID(text); err != nil {
		return target, nil, nil, invalid("target: %v", err)
	}
	size := r.ContentLength
	if size < 0 {
		size = maxMessage // it may come to that
	}
	if size > maxMessage {
		return target, nil, nil, &http.MaxBytesError{Limit: maxMessage}
	}
	if err := s.bounds.enter(size); err != nil {
		return target, nil, nil, err
	}
	if payload, err = readBody(w, r, maxMessage); err != nil {
		s.bounds.leave(size)
		return target, nil, nil, err
	}
	return target, payload, func() { s.bounds.leave(size) }, nil
}

func (s *Server) postMessage(w http.ResponseWriter, r *http.Request) (any, error) {
	target, payload, leave, err := s.message(w, r)
	if err != nil {
		return nil, err
	}
	defer leave()
	if err := s.caller.Send(target, payload); err != nil {
		return nil, s.unlessStarting(target, err)
	}
	w.WriteHeader(http.StatusAccepted)
	return answered{}, nil
}

func (s *Server) postRequest(w http.ResponseWriter, r *http.Request) (any, error) {
	ctx := r.Context()
	if text := r.URL.Query().Get("timeout"); text != "" {
		timeout, err := time.ParseDuration(text)
		if err != nil || timeout <= 0 || timeout > core.MaxTimeout {
			return nil, invalid("timeout is %q, want a time such as 2s, up to %v", text, core.MaxTimeout)
		}
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	target, payload, leave, err := s.message(w, r)
	if err != nil {
		return nil, err
	}
	defer leave()
	response, err := s.caller.Request(ctx, target, payload)
	if err != nil {
		return nil, s.unlessStarting(target, requestError(r, target, err))
	}
	write(w, http.StatusOK, "application/octet-stream", response)
	return answered{}, nil
}

// requestError is the answer for a request that has failed.
func requestError(r *http.Request, target core.ComponentID, err error) error {
	if r.Context().Err() != nil {
		panic(http.ErrAbortHandler) // the client is gone
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return &Error{Status: http.StatusGatewayTimeout, Code: "timeout", Message: fmt.Sprintf("request to %s: timeout: no response in time", target)}
	}
	return err
}

// unlessStarting returns err, or that the target is not deployed yet.
func (s *Server) unlessStarting(target core.ComponentID, err error) error {
	for _, c := range s.notDeployed() {
		if c.ID == target.String() && c.State == "starting" && errors.Is(err, &core.MessagingError{Case: core.CaseTargetNotFound}) {
			return &Error{Status: http.StatusServiceUnavailable, Code: "component-unavailable", Message: fmt.Sprintf("message to %s: it is starting, try again", target)}
		}
	}
	return err
}
