package plugin

import (
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/airhost/airhost/guest"
	"github.com/airhost/airhost/internal/frame"
	pluginv1 "github.com/airhost/airhost/proto/airhost/plugin/v1"
)

const (
	// flushAt is how many bytes wait for the end of a batch at most.
	flushAt = 32 << 10
	// flushAfter is how long a result or a log line waits for others.
	flushAfter = 200 * time.Microsecond
	// maxText bounds a target, a text and a trap's details, in bytes.
	maxText = 8 << 10
)

// session is a component's connection to its host. The goroutine that runs it is
// the component's; only flush is called by another.
type session struct {
	component   guest.Component
	stream      grpc.ServerStream
	in          frame.Frame
	id          string // the component's
	messageSize int
	call        uint64 // the last that was begun
	running     bool   // a method of component runs
	more        bool   // calls wait behind it
	late        *time.Timer
	crashed     *atomic.Bool // of its server: a method of component has panicked

	mu  sync.Mutex // guards what follows, and sending
	out frame.Frame
	due bool // late has been set for out
}

func newSession(component guest.Component, stream grpc.ServerStream, crashed *atomic.Bool) *session {
	s := &session{component: component, stream: stream, crashed: crashed}
	s.late = time.AfterFunc(time.Hour, func() { _ = s.flush() })
	return s
}

// run handles calls until the host ends the stream.
func (s *session) run() error {
	defer s.late.Stop()
	for {
		if err := s.stream.RecvMsg(&s.in); err != nil {
			return err
		}
		if err := s.handle(s.in.Bytes); err != nil {
			return err
		}
		if err := s.flush(); err != nil {
			return err
		}
	}
}

// handle handles a batch of calls.
func (s *session) handle(data []byte) (err error) {
	var call frame.Call
	for len(data) > 0 {
		if data, err = frame.NextCall(data, &call); err != nil {
			return status.Error(codes.InvalidArgument, err.Error())
		}
		if call.ID != s.call+1 || (call.ID == 1) != (call.Other.GetStart() != nil) {
			return status.Errorf(codes.InvalidArgument, "call %d is out of order", call.ID)
		}
		s.call, s.more = call.ID, len(data) > 0
		if err := s.handleCall(&call); err != nil {
			return err
		}
	}
	return nil
}

// handleCall handles one call; an error says that the component has crashed.
func (s *session) handleCall(call *frame.Call) (err error) {
	s.running = true
	defer func() {
		reason := recover()
		if !s.running {
			return
		}
		if s.running = false; reason == nil {
			reason = "the component called runtime.Goexit"
		}
		err = s.crash(reason)
	}()
	switch {
	case call.Message:
		response, err := s.component.HandleMessage(host{s}, string(call.Sender), call.Body)
		s.respond(call, response, err)
	case call.Callback:
		s.end(&pluginv1.Result{}, s.callback(call))
	default:
		s.end(s.manage(call.Other))
	}
	s.running = false
	return nil
}

func (s *session) callback(call *frame.Call) error {
	handler, ok := s.component.(guest.CallbackHandler)
	if !ok {
		return nil
	}
	var failure error
	if call.Failed {
		failure = guest.ParseRequestError(string(call.Failure))
	}
	return handler.HandleCallback(host{s}, guest.RequestID(call.Request), call.Body, failure)
}

// manage handles what is no message.
func (s *session) manage(call *pluginv1.Call) (*pluginv1.Result, error) {
	result := &pluginv1.Result{}
	switch {
	case call.GetStart() != nil:
		start := call.GetStart()
		s.id, s.messageSize = start.ComponentId, int(start.MessageSize)
	case call.GetInitialize() != nil:
		if c, ok := s.component.(guest.Initializer); ok {
			return result, c.Initialize(host{s}, configOf(call.GetInitialize()))
		}
	case call.GetHealth() != nil:
		if c, ok := s.component.(guest.HealthReporter); ok {
			result.Health = uint32(c.Health())
		}
	case call.GetShutdown() != nil:
		if c, ok := s.component.(guest.Shutdowner); ok {
			c.Shutdown(host{s})
		}
	default:
		return result, guest.Failed("call %d is one that this plug-in does not know", call.Id)
	}
	return result, nil
}

func configOf(m *pluginv1.Initialize) guest.Config {
	config := make(guest.Config, len(m.Config))
	for i, pair := range m.Config {
		config[i] = guest.ConfigPair{Key: pair.Key, Value: pair.Value}
	}
	return config
}

// respond ends a call of handle-message.
func (s *session) respond(call *frame.Call, response []byte, err error) {
	switch {
	case err != nil:
		s.end(&pluginv1.Result{}, err)
		return
	case call.NoResponse:
		response = nil
	case len(response) > s.messageSize:
		s.end(&pluginv1.Result{}, guest.Failed("response too large: quota.message_size: %d bytes where %d are allowed", len(response), s.messageSize))
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.out.Bytes = frame.AppendResponse(s.out.Bytes, s.call, response)
	s.flushLater(s.more)
}

// end ends any call.
func (s *session) end(result *pluginv1.Result, err error) {
	if err != nil {
		e := guest.AsComponentError(err)
		result.Error = &pluginv1.ComponentError{Case: pluginv1.ComponentError_Case(e.Case), Text: text(e.Text)}
	}
	s.tell(&pluginv1.Event{Event: &pluginv1.Event_Result{Result: result}}, s.more)
}

// crash tells the host of a panic, waits until the host has heard of it, and returns
// the error that ends the stream: a process that ended sooner would take with it
// what has not been sent. Where the host can't be told, standard error is.
func (s *session) crash(reason any) error {
	s.crashed.Store(true)
	line, _, _ := strings.Cut(strings.ReplaceAll(fmt.Sprint("panic: ", reason), "\r", "\n"), "\n")
	stack := string(debug.Stack())
	s.tell(&pluginv1.Event{Event: &pluginv1.Event_Result{Result: &pluginv1.Result{
		Trap: &pluginv1.Trap{Text: text(line), Details: text(stack)},
	}}}, false)
	if err := s.flush(); err != nil {
		fmt.Fprintf(os.Stderr, "%s\n\n%s", line, stack)
		return err
	}
	select {
	case <-s.stream.Context().Done(): // the host has ended the stream
	case <-time.After(grace):
	}
	return status.Error(codes.Aborted, text(line))
}

// tell has an event sent with the next that is sent; soon, where what comes next
// may take its time.
func (s *session) tell(event *pluginv1.Event, soon bool) {
	event.CallId = s.call
	s.mu.Lock()
	defer s.mu.Unlock()
	s.out.Bytes = frame.AppendEvent(s.out.Bytes, event)
	s.flushLater(soon)
}

// flushLater sends what waits if it is much, and has it sent soon if it is to be,
// with s.mu held.
func (s *session) flushLater(soon bool) {
	switch {
	case len(s.out.Bytes) >= flushAt:
		_ = s.send() // if it fails so does the next receipt
	case soon && !s.due:
		s.due = true
		s.late.Reset(flushAfter)
	}
}

func (s *session) flush() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.send()
}

// send sends what waits, with s.mu held.
func (s *session) send() error {
	if len(s.out.Bytes) == 0 {
		return nil
	}
	if s.due {
		s.due = false
		s.late.Stop()
	}
	err := s.stream.SendMsg(&s.out)
	s.out.Bytes = s.out.Bytes[:0]
	return err
}

// text makes a text fit for the protocol.
func text(t string) string {
	return strings.ToValidUTF8(t[:min(len(t), maxText)], "\uFFFD")
}
