// Package guesttest is a double of the host for tests of components in Go. It records
// the calls of a component, and returns the errors that a test sets.
package guesttest

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/airhost/airhost/guest"
)

// Host is a [guest.Host] for one component and one goroutine. The zero value accepts
// every message and request.
type Host struct {
	// ID is the result of SelfID.
	ID string
	// Refusal, if not nil, is the error of Send, Request, Cancel and Publish.
	Refusal *guest.MessagingError
	// TimerRefusal, if not nil, is the error of After.
	TimerRefusal *guest.MessagingError
	// Functions are the host's functions by their names. Call returns [guest.ErrCallNotFound]
	// for all others. An error that is no [guest.CallError] is a failed one.
	Functions map[string]func(argument []byte) ([]byte, error)
	// Web, if not nil, answers the requests to the web, which come as calls of airhost/fetch; see
	// package web. Otherwise they are denied.
	Web http.Handler
	// Secrets are the secrets of the component by their keys, for [guest.Secret].
	Secrets map[string]string
	// Buckets are the buckets that the component may open, by name, with their values. OpenBucket
	// returns [guest.ErrAccessDenied] for all others.
	Buckets map[string]map[string][]byte
	// BucketRefusal, if not nil, is the error of all calls of buckets that are open.
	BucketRefusal *guest.KeyValueError
	// Directories are the directories that the component may open, by their paths for the guest, such
	// as {"/data": t.TempDir()}. OpenRoot returns an error that wraps fs.ErrNotExist for all others.
	Directories map[string]string
	// Time is the result of Now.
	Time time.Time

	// Sent are the accepted messages, Requests the accepted requests, Logs the log
	// entries, and Canceled the canceled requests, each in their order.
	Sent     []Message
	Requests []Request
	Logs     []string // "level: text"
	Canceled []guest.RequestID
	// Published are the accepted publications, in their order.
	Published []Publication
	// Timers are the timers that run, in the order in which they were started.
	Timers []Timer
	// Calls are the calls of functions, those included that the host does not have.
	Calls []Call

	timers   guest.TimerID     // the last id of a timer
	versions map[string]uint64 // of values, by bucket and key
}

// Message is one fire-and-forget message.
type Message struct {
	Target  string
	Payload string
}

// Request is one request, with its timeout in whole milliseconds.
type Request struct {
	Message
	ID      guest.RequestID
	Timeout time.Duration
}

// Publication is one message that was published.
type Publication struct {
	Topic   string
	Payload string
}

// Timer is one running timer, with its delay in whole milliseconds.
type Timer struct {
	ID      guest.TimerID
	Delay   time.Duration
	Payload string
}

// Call is one call of a function.
type Call struct {
	Function string
	Argument string
}

var (
	_ guest.TimerHost    = (*Host)(nil)
	_ guest.KeyValueHost = (*Host)(nil)
	_ guest.FileHost     = (*Host)(nil)
)

// Send records a message.
func (h *Host) Send(target string, message []byte) error {
	if h.Refusal != nil {
		return h.Refusal
	}
	h.Sent = append(h.Sent, Message{target, string(message)})
	return nil
}

// Request records a request; the first has the id 1.
func (h *Host) Request(target string, request []byte, timeout time.Duration) (guest.RequestID, error) {
	millis, err := guest.TimeoutMillis(timeout)
	if err != nil {
		return 0, err
	}
	if h.Refusal != nil {
		return 0, h.Refusal
	}
	id := guest.RequestID(len(h.Requests) + 1)
	timeout = time.Duration(millis) * time.Millisecond
	h.Requests = append(h.Requests, Request{Message{target, string(request)}, id, timeout})
	return id, nil
}

// Cancel records the id of a canceled request.
func (h *Host) Cancel(id guest.RequestID) error {
	if h.Refusal != nil {
		return h.Refusal
	}
	h.Canceled = append(h.Canceled, id)
	return nil
}

// Publish records a publication.
func (h *Host) Publish(topic string, message []byte) error {
	if h.Refusal != nil {
		return h.Refusal
	}
	h.Published = append(h.Published, Publication{topic, string(message)})
	return nil
}

// After records a timer; the first has the id 1. It does not fire: a test passes its
// payload to the component's HandleMessage.
func (h *Host) After(delay time.Duration, payload []byte) (guest.TimerID, error) {
	if h.TimerRefusal != nil {
		return 0, h.TimerRefusal
	}
	h.timers++
	delay = time.Duration(guest.DelayMillis(delay)) * time.Millisecond
	h.Timers = append(h.Timers, Timer{h.timers, delay, string(payload)})
	return h.timers, nil
}

// CancelTimer removes a timer from Timers, and reports whether it was there.
func (h *Host) CancelTimer(id guest.TimerID) bool {
	before := len(h.Timers)
	h.Timers = slices.DeleteFunc(h.Timers, func(t Timer) bool { return t.ID == id })
	return len(h.Timers) < before
}

// Call records a call, and calls the function of this name.
func (h *Host) Call(function string, argument []byte) ([]byte, error) {
	h.Calls = append(h.Calls, Call{function, string(argument)})
	do := h.Functions[function]
	if do == nil && function == fetch {
		do = h.fetch
	}
	if do == nil && function == secretFunction {
		do = h.secret
	}
	if do == nil {
		return nil, &guest.CallError{Case: guest.CallNotFound, Text: function}
	}
	result, err := do(argument)
	var failure *guest.CallError
	switch {
	case err == nil:
		return append([]byte(nil), result...), nil
	case errors.As(err, &failure):
		return nil, failure
	}
	return nil, &guest.CallError{Case: guest.CallFailed, Text: err.Error()}
}

// SelfID returns ID.
func (h *Host) SelfID() string { return h.ID }

// Now returns Time.
func (h *Host) Now() time.Time { return h.Time }

// Log records an entry.
func (h *Host) Log(level guest.LogLevel, message string) {
	message = strings.ToValidUTF8(message, "\uFFFD")
	h.Logs = append(h.Logs, fmt.Sprintf("%s: %s", min(level, guest.LogError), message))
}

// LogText returns the log entries, one a line.
func (h *Host) LogText() string { return strings.Join(h.Logs, "\n") }
