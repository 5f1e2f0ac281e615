package admin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/airhost/airhost/core"
)

// targetOf returns the component of a query.
func targetOf(r *http.Request) (core.ComponentID, error) {
	text := r.URL.Query().Get("target")
	if text == "" {
		return core.ComponentID{}, invalid("the target is missing: ?target=namespace/name")
	}
	id, err := core.ParseComponentID(text)
	if err != nil {
		return id, invalid("target: %v", err)
	}
	return id, nil
}

// firstRoom is the first room for a message, in bytes; it grows with the part that has come.
const firstRoom = 4 << 10

// payload reads a message. The caller must call leave when it does not use it any more.
func (s *Server) payload(w http.ResponseWriter, r *http.Request) (data []byte, leave func(), err error) {
	taken, most := 0, s.config.MaxMessage
	leave = func() { s.bytes.give(taken) }
	if r.ContentLength > int64(most) {
		return nil, leave, bodyError(&http.MaxBytesError{Limit: int64(most)})
	}
	if r.ContentLength >= 0 {
		most = int(r.ContentLength)
	}
	body := http.MaxBytesReader(w, r.Body, int64(s.config.MaxMessage))
	for {
		if len(data) == cap(data) {
			size := min(max(firstRoom, 2*cap(data)), most+1) // and one more, for the end to be found
			if !s.bytes.take(size - taken) {
				return nil, leave, tooMany("the messages in progress have %d bytes at most: try again", s.config.MaxMessageBytes)
			}
			taken = size
			data = append(make([]byte, 0, size), data...)
		}
		n, err := body.Read(data[len(data):cap(data)])
		switch data = data[:len(data)+n]; {
		case errors.Is(err, io.EOF):
			return data, leave, nil
		case err != nil:
			return nil, leave, bodyError(err)
		}
	}
}

func (s *Server) postMessage(w http.ResponseWriter, r *http.Request) (any, error) {
	target, err := targetOf(r)
	if err != nil {
		return nil, err
	}
	payload, leave, err := s.payload(w, r)
	defer leave()
	if err != nil {
		return nil, err
	}
	if err := s.caller.Send(target, payload); err != nil {
		return nil, s.unlessStarting(target, err)
	}
	w.WriteHeader(http.StatusAccepted)
	return answered{}, nil
}

func (s *Server) postRequest(w http.ResponseWriter, r *http.Request) (any, error) {
	target, err := targetOf(r)
	if err != nil {
		return nil, err
	}
	ctx, cancel, err := withTimeout(r)
	if err != nil {
		return nil, err
	}
	defer cancel()
	payload, leave, err := s.payload(w, r)
	defer leave()
	if err != nil {
		return nil, err
	}
	response, err := s.caller.Request(ctx, target, payload)
	switch {
	case err == nil:
		s.write(w, http.StatusOK, "application/octet-stream", response)
		return answered{}, nil
	case errors.Is(err, context.DeadlineExceeded):
		return nil, &Error{Status: http.StatusGatewayTimeout, Code: "timeout", Message: fmt.Sprintf("request to %s: timeout: no response in time", target)}
	}
	return nil, s.unlessStarting(target, err)
}

// withTimeout returns the context of a request with the timeout that its query has.
func withTimeout(r *http.Request) (context.Context, context.CancelFunc, error) {
	text := r.URL.Query().Get("timeout")
	if text == "" {
		return r.Context(), func() {}, nil
	}
	timeout, err := time.ParseDuration(text)
	if err != nil || timeout <= 0 || timeout > core.MaxTimeout {
		return nil, nil, invalid("timeout is %q, want a time such as 2s, up to %v", text, core.MaxTimeout)
	}
	ctx, cancel := context.WithTimeout(r.Context(), timeout)
	return ctx, cancel, nil
}

// unlessStarting returns err, or that the target is not deployed yet.
func (s *Server) unlessStarting(target core.ComponentID, err error) error {
	for _, c := range s.notDeployed() {
		if c.ID == target.String() && c.State == "starting" && errors.Is(err, &core.MessagingError{Case: core.CaseTargetNotFound}) {
			return &Error{Status: http.StatusServiceUnavailable, Code: core.CaseUnavailable.String(), Message: fmt.Sprintf("message to %s: it is starting, try again", target)}
		}
	}
	return err
}
