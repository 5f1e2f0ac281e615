package process

import (
	"errors"
	"fmt"
	"io"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/frame"
	"github.com/airhost/airhost/internal/spawn"
	pluginv1 "github.com/airhost/airhost/proto/airhost/plugin/v1"
)

// Errors of starting a process. A [core.ModuleError] of Compile or a TrapError of
// Instantiate wraps one of them. ErrEnvironment means that this host cannot start
// any process, for example because its TMPDIR cannot hold a socket.
var (
	ErrChecksum     = spawn.ErrChecksum
	ErrEnvironment  = spawn.ErrEnvironment
	ErrHandshake    = spawn.ErrHandshake
	ErrVersion      = spawn.ErrVersion
	ErrStartTimeout = spawn.ErrStartTimeout
)

// Breaches of the protocol by a process. A call that ends for such a reason returns
// an error that wraps the reason and a [core.TrapError] of the kind TrapABI.
var (
	ErrMalformed     = frame.ErrMalformed
	ErrFrameTooLarge = errors.New("a frame larger than a message and 64 KiB")
	ErrTooLarge      = errors.New("a response larger than quota.message_size")
	ErrStateTooLarge = errors.New("a state larger than the host asked for")
	ErrUnknownCall   = errors.New("an event of a call that is not under way")
	ErrEndedCall     = errors.New("an event of a call that has ended")
	ErrNoAnswerYet   = errors.New("an event before the answer to a service")
	ErrBadEvent      = errors.New("an event that the contract does not have")
	ErrLongTurn      = errors.New("more events in a turn than the host takes")
	ErrStreamEnded   = errors.New("the end of the stream in a call")
)

// endError is the trap that ended an instance, together with its cause.
type endError struct {
	trap  *core.TrapError
	cause error
}

func (e *endError) Error() string   { return e.trap.Error() }
func (e *endError) Unwrap() []error { return []error{e.trap, e.cause} }

func (i *instance) breach(cause error) error {
	return i.end(&core.TrapError{Kind: core.TrapABI, Text: oneLine("the process broke the protocol: " + cause.Error())}, cause)
}

// result is the result of a call.
type result struct {
	response []byte // valid until the next frame is received
	health   uint32
	// stateSize is the size of a state that is too large to be saved.
	stateSize uint64
	err       error // a ComponentError, or nil
}

// runCalls sends the frame with the last n calls and handles the process's events
// until all these calls have ended. It returns the last result. done, if not nil, is
// called with each result. If runCalls returns an error, the instance has ended.
func (i *instance) runCalls(n int, done func(int, []byte, error)) (last result, err error) {
	if err := i.send(); err != nil {
		return last, err
	}
	for ended := 0; ended < n; {
		if err := i.stream.RecvMsg(&i.in); err != nil {
			return last, i.streamFailed(err)
		}
		if len(i.in.Bytes) == 0 {
			return last, i.breach(fmt.Errorf("%w: without events", ErrMalformed))
		}
		for data := i.in.Bytes; len(data) > 0; {
			var event frame.Event
			if data, err = frame.NextEvent(data, &event); err != nil {
				return last, i.breach(err)
			}
			if err := i.checkCall(event.Call, i.lastCall-uint64(n-ended-1)); err != nil {
				return last, i.breach(err)
			}
			r, over, err := i.handleEvent(&event, len(data) > 0)
			if err != nil {
				return last, err
			}
			if !over {
				continue
			}
			if last = r; done != nil {
				done(ended, r.response, r.err)
			}
			ended++
		}
	}
	return last, nil
}

func (i *instance) send() error {
	if err := i.stream.SendMsg(&i.out); err != nil && !errors.Is(err, io.EOF) { // RecvMsg returns the reason
		return i.streamFailed(err)
	}
	return nil
}

// checkCall checks that an event belongs to the current call. After the last call
// has ended, current is one more than the number of the last call.
func (i *instance) checkCall(call, current uint64) error {
	switch {
	case call == 0 || call > min(current, i.lastCall):
		return fmt.Errorf("%w: call %d", ErrUnknownCall, call)
	case call < current:
		return fmt.Errorf("%w: call %d", ErrEndedCall, call)
	}
	return nil
}

// handleEvent handles an event. over reports whether the event ended the call.
func (i *instance) handleEvent(event *frame.Event, more bool) (r result, over bool, err error) {
	if event.Other == nil {
		return i.checkSize(result{response: event.Response})
	}
	switch e := event.Other.Event.(type) {
	case *pluginv1.Event_Result:
		return i.readResult(e.Result)
	case *pluginv1.Event_Log:
		if e.Log.Level > uint32(core.LogError) {
			return r, false, i.breach(fmt.Errorf("%w: log level %d", ErrBadEvent, e.Log.Level))
		}
		i.host.Log(core.LogLevel(e.Log.Level), []byte(e.Log.Text))
		return r, false, nil
	case *pluginv1.Event_State:
		return r, false, i.savePart(e.State.Part)
	}
	if more {
		return r, false, i.breach(ErrNoAnswerYet)
	}
	i.out.Bytes = frame.AppendAnswer(i.out.Bytes[:0], i.callHost(event.Other))
	return r, false, i.send()
}

// savePart takes a part of the state.
func (i *instance) savePart(part []byte) error {
	if !i.saving {
		return i.breach(fmt.Errorf("%w: a state outside of save", ErrBadEvent))
	}
	if size := uint64(len(i.saved)) + uint64(len(part)); i.limits.CheckState(size) != nil {
		return i.breach(ErrStateTooLarge)
	}
	i.saved = append(i.saved, part...)
	return nil
}

// readResult reads a result of any kind.
func (i *instance) readResult(m *pluginv1.Result) (r result, over bool, err error) {
	if t := m.Trap; t != nil {
		i.exiting = true // the protocol says that the process exits after this
		return r, false, i.end(&core.TrapError{Kind: core.TrapFault, Text: oneLine(t.Text), Details: t.Details}, nil)
	}
	r = result{response: m.Response, health: m.Health, stateSize: m.StateSize}
	if e := m.Error; e != nil {
		c := core.ComponentErrorCase(e.Case)
		if e.Case < 0 || int(e.Case) != int(c) || !c.Valid() {
			return r, false, i.breach(fmt.Errorf("%w: component-error %d", ErrBadEvent, e.Case))
		}
		r.err = &core.ComponentError{Case: c, Text: e.Text}
	}
	return i.checkSize(r)
}

func (i *instance) checkSize(r result) (result, bool, error) {
	if len(r.response) > i.limits.MessageSize {
		return r, false, i.breach(fmt.Errorf("%w: %d bytes where %d are allowed", ErrTooLarge, len(r.response), i.limits.MessageSize))
	}
	return r, true, nil
}

// callHost makes the call of the host that an event asks for, and returns the
// answer.
func (i *instance) callHost(event *pluginv1.Event) *pluginv1.Answer {
	answer := &pluginv1.Answer{}
	var err error
	switch e := event.Event.(type) {
	case *pluginv1.Event_Send:
		err = i.host.SendMessage([]byte(e.Send.Target), e.Send.Message)
	case *pluginv1.Event_SendRequest:
		var id core.RequestID
		id, err = i.host.SendRequest([]byte(e.SendRequest.Target), e.SendRequest.Request, e.SendRequest.TimeoutMs)
		answer.RequestId = uint64(id)
	case *pluginv1.Event_Publish:
		err = i.publisher.Publish([]byte(e.Publish.Topic), e.Publish.Message)
	case *pluginv1.Event_Cancel:
		err = i.host.CancelRequest(core.RequestID(e.Cancel.RequestId))
	case *pluginv1.Event_Now:
		answer.Time = i.host.Now()
	case *pluginv1.Event_After:
		var id core.TimerID
		id, err = i.timers.After(e.After.Milliseconds, e.After.Payload)
		answer.TimerId = uint64(id)
	case *pluginv1.Event_CallFunction:
		i.callFunction(e.CallFunction, answer)
	case *pluginv1.Event_KeyValue:
		answer.KeyValue = i.useBucket(e.KeyValue)
	case *pluginv1.Event_CancelTimer:
		answer.Running = i.timers.CancelTimer(core.TimerID(e.CancelTimer.TimerId))
	}
	if err != nil {
		refusal := core.AsMessagingError(err)
		answer = &pluginv1.Answer{Error: &pluginv1.MessagingError{
			Case: pluginv1.MessagingError_Case(refusal.Case), Text: validText(refusal.Text),
		}}
	}
	return answer
}

// callFunction calls a function, and writes its result or error to the answer. The answer
// is sent before the result ceases to be valid.
func (i *instance) callFunction(m *pluginv1.CallFunction, answer *pluginv1.Answer) {
	result, err := i.callee.CallFunction([]byte(m.Name), m.Argument)
	if err != nil {
		e := core.AsCallError(err)
		answer.CallError = &pluginv1.CallError{Case: pluginv1.CallError_Case(e.Case), Text: validText(e.Text)}
		return
	}
	answer.Result = result
}

// streamFailed ends the instance, with the reason why the stream failed.
func (i *instance) streamFailed(err error) error {
	if i.state.Load() != busy {
		return i.endReason()
	}
	switch {
	case errors.Is(err, io.EOF):
		return i.breach(ErrStreamEnded)
	case status.Code(err) == codes.ResourceExhausted:
		return i.breach(ErrFrameTooLarge)
	case status.Code(err) == codes.Unavailable || status.Code(err) == codes.Canceled:
		return i.end(&core.TrapError{Kind: core.TrapFault, Text: i.exitReason()}, nil)
	}
	return i.breach(fmt.Errorf("%w: %s", ErrStreamEnded, status.Convert(err).Message()))
}
