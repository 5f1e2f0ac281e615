package plugin

import (
	"fmt"
	"os"
	"runtime/debug"
	"slices"
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
	// flushAt is the most bytes that wait for the end of a batch.
	flushAt = 32 << 10
	// flushAfter is the time for which a result or a log line waits for others.
	flushAfter = 200 * time.Microsecond
	// maxText bounds a target, a text and a trap's details, in bytes.
	maxText = 8 << 10
)

// session is a component's connection to its host. One goroutine runs it and the
// component. Any goroutine may ask the host.
type session struct {
	component   guest.Component
	stream      grpc.ServerStream
	in          frame.Frame
	id          string // the component's
	messageSize int
	timers      bool // the host has them
	functions   bool // the host has them
	turns       bool // the host gives them
	topics      bool // the host has them
	keyValue    bool // the host has it
	more        bool // other calls of the batch wait
	late        *time.Timer
	crashed     *atomic.Bool    // the server's: a method of component has panicked
	wants       chan<- struct{} // the server's

	mu   sync.Mutex // guards the fields below, and sends
	out  frame.Frame
	due  bool   // a timer will flush out
	call uint64 // the last call that has begun; written by the goroutine that runs the session
	askState
}

func newSession(server *componentServer, stream grpc.ServerStream) *session {
	s := &session{component: server.component, stream: stream, crashed: &server.crashed, wants: server.wants}
	s.late = time.AfterFunc(time.Hour, func() { _ = s.flush() })
	s.stuck = time.AfterFunc(time.Hour, s.admit)
	s.stuck.Stop()
	s.free.L = &s.mu
	return s
}

// run handles calls until the host ends the stream.
func (s *session) run() error {
	defer s.close(errNoHost)
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
		s.more = len(data) > 0
		if turn := call.Other.GetTurn(); turn != nil {
			err = s.turn(call.ID, int(turn.Most))
		} else {
			err = s.handleCall(&call)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// handleCall handles one call. An error means that the component has crashed.
func (s *session) handleCall(call *frame.Call) (err error) {
	s.begin(call.ID)
	returned := false
	defer func() {
		if returned {
			return
		}
		reason := recover()
		if reason == nil {
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
	returned = true
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

// manage handles a call that is not a message or an outcome.
func (s *session) manage(call *pluginv1.Call) (*pluginv1.Result, error) {
	result := &pluginv1.Result{}
	switch {
	case call.GetStart() != nil:
		start := call.GetStart()
		s.id, s.messageSize, s.timers = start.ComponentId, int(start.MessageSize), start.Timers
		s.functions, s.turns, s.topics, s.keyValue = start.Functions, start.Turns, start.Topics, start.KeyValue
	case call.GetInitialize() != nil:
		if c, ok := s.component.(guest.Initializer); ok {
			return result, c.Initialize(host{s}, configOf(call.GetInitialize()))
		}
	case call.GetHealth() != nil:
		if c, ok := s.component.(guest.HealthReporter); ok {
			result.Health = uint32(c.Health())
		}
	case call.GetShutdown() != nil:
		s.admitLast()
		if c, ok := s.component.(guest.Shutdowner); ok {
			c.Shutdown(host{s})
		}
	case call.GetSave() != nil || call.GetRestore() != nil:
		return result, s.manageState(call, result)
	default:
		return result, guest.Failed("call %d is one that this plug-in does not know", call.Id)
	}
	return result, nil
}

// manageState handles Save or Restore.
func (s *session) manageState(call *pluginv1.Call, result *pluginv1.Result) error {
	keeper, ok := s.component.(guest.StateKeeper)
	if !ok {
		return guest.Unavailable("it has no component-state")
	}
	if restore := call.GetRestore(); restore != nil {
		s.in.Bytes = nil // a state may be large, and does not come again
		return keeper.Restore(host{s}, restore.State)
	}
	state, err := keeper.Save(host{s})
	if size := uint64(len(state)); err != nil || size > call.GetSave().MaxSize {
		result.StateSize = size
		return err
	}
	for part := range slices.Chunk(state, flushAt) {
		s.mu.Lock()
		s.appendLocked(&pluginv1.Event{Event: &pluginv1.Event_State{State: &pluginv1.State{Part: part}}}, false)
		s.mu.Unlock()
	}
	return nil
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
	s.leaveLocked()
	s.out.Bytes = frame.AppendResponse(s.out.Bytes, s.call, response)
	s.flushLaterLocked(s.more)
}

// end ends any call.
func (s *session) end(result *pluginv1.Result, err error) {
	if err != nil {
		e := guest.AsComponentError(err)
		result.Error = &pluginv1.ComponentError{Case: pluginv1.ComponentError_Case(e.Case), Text: text(e.Text)}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leaveLocked()
	s.appendLocked(&pluginv1.Event{Event: &pluginv1.Event_Result{Result: result}}, s.more)
}

// crash reports a panic to the host and returns the error that ends the stream. It
// waits until the host has received the report, because a process that ends sooner
// loses events that have not been sent. If the host is gone, crash prints the report to
// standard error.
func (s *session) crash(reason any) error {
	s.crashed.Store(true)
	s.close(errNoHost)
	line, _, _ := strings.Cut(strings.ReplaceAll(fmt.Sprint("panic: ", reason), "\r", "\n"), "\n")
	stack := string(debug.Stack())
	s.mu.Lock()
	s.appendLocked(&pluginv1.Event{Event: &pluginv1.Event_Result{Result: &pluginv1.Result{
		Trap: &pluginv1.Trap{Text: text(line), Details: text(stack)},
	}}}, false)
	err := s.sendLocked()
	s.mu.Unlock()
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s\n\n%s", line, stack)
		return err
	}
	select {
	case <-s.stream.Context().Done(): // the host has ended the stream
	case <-time.After(grace):
	}
	return status.Error(codes.Aborted, text(line))
}

// appendLocked adds an event of the current call to those that wait to be sent. With soon, it
// is sent after flushAfter at the latest.
func (s *session) appendLocked(event *pluginv1.Event, soon bool) {
	event.CallId = s.call
	s.out.Bytes = frame.AppendEvent(s.out.Bytes, event)
	s.flushLaterLocked(soon)
}

// flushLaterLocked sends the waiting events if there are many. Otherwise, with soon, it
// starts the timer that sends them. The caller holds s.mu.
func (s *session) flushLaterLocked(soon bool) {
	switch {
	case len(s.out.Bytes) >= flushAt:
		_ = s.sendLocked() // after an error the next Recv fails too
	case soon && !s.due:
		s.due = true
		s.late.Reset(flushAfter)
	}
}

func (s *session) flush() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sendLocked()
}

// sendLocked sends the waiting events. The caller holds s.mu.
func (s *session) sendLocked() error {
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

// text cuts a text and makes it valid UTF-8, for the protocol.
func text(t string) string {
	return strings.ToValidUTF8(t[:min(len(t), maxText)], "\uFFFD")
}
