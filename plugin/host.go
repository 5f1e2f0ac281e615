package plugin

import (
	"time"

	"github.com/airhost/airhost/guest"
	"github.com/airhost/airhost/internal/frame"
	pluginv1 "github.com/airhost/airhost/proto/airhost/plugin/v1"
)

// host is the host of a session's component. Outside of calls it refuses everything.
type host struct{ *session }

var _ guest.TimerHost = host{}

var (
	errOutsideCall = &guest.MessagingError{Case: guest.CaseUnavailable, Text: "outside of a call"}
	errNoTimers    = &guest.MessagingError{Case: guest.CaseUnavailable, Text: "the host has no timers"}
	errNoFunctions = &guest.CallError{Case: guest.CallUnavailable, Text: "the host has no functions"}
	errNoHost      = &guest.MessagingError{Case: guest.CaseUnavailable, Text: "the host is gone"}
)

func (h host) Send(target string, message []byte) error {
	_, err := h.ask(&pluginv1.Event{Event: &pluginv1.Event_Send{
		Send: &pluginv1.Send{Target: text(target), Message: h.bounded(message)},
	}})
	return err
}

func (h host) Request(target string, request []byte, timeout time.Duration) (guest.RequestID, error) {
	millis, err := guest.TimeoutMillis(timeout)
	if err != nil {
		return 0, err
	}
	answer, err := h.ask(&pluginv1.Event{Event: &pluginv1.Event_SendRequest{
		SendRequest: &pluginv1.SendRequest{Target: text(target), Request: h.bounded(request), TimeoutMs: millis},
	}})
	return guest.RequestID(answer.GetRequestId()), err
}

func (h host) Cancel(id guest.RequestID) error {
	_, err := h.ask(&pluginv1.Event{Event: &pluginv1.Event_Cancel{Cancel: &pluginv1.Cancel{RequestId: uint64(id)}}})
	return err
}

func (h host) After(delay time.Duration, payload []byte) (guest.TimerID, error) {
	if !h.timers {
		return 0, errNoTimers
	}
	answer, err := h.ask(&pluginv1.Event{Event: &pluginv1.Event_After{
		After: &pluginv1.After{Milliseconds: guest.DelayMillis(delay), Payload: h.bounded(payload)},
	}})
	return guest.TimerID(answer.GetTimerId()), err
}

func (h host) CancelTimer(id guest.TimerID) bool {
	if !h.timers {
		return false
	}
	answer, _ := h.ask(&pluginv1.Event{Event: &pluginv1.Event_CancelTimer{CancelTimer: &pluginv1.CancelTimer{TimerId: uint64(id)}}})
	return answer.GetRunning()
}

func (h host) Call(function string, argument []byte) ([]byte, error) {
	if !h.functions {
		return nil, errNoFunctions
	}
	answer, err := h.ask(&pluginv1.Event{Event: &pluginv1.Event_CallFunction{
		CallFunction: &pluginv1.CallFunction{Name: text(function), Argument: h.bounded(argument)},
	}})
	if err != nil { // there is no answer
		return nil, &guest.CallError{Case: guest.CallUnavailable, Text: err.(*guest.MessagingError).Text}
	}
	if e := answer.CallError; e != nil {
		return nil, &guest.CallError{Case: guest.CallErrorCase(e.Case), Text: e.Text}
	}
	return answer.Result, nil
}

func (h host) SelfID() string { return h.id }

func (h host) Log(level guest.LogLevel, message string) {
	if h.running {
		h.tell(&pluginv1.Event{Event: &pluginv1.Event_Log{
			Log: &pluginv1.Log{Level: uint32(min(level, guest.LogError)), Text: text(message)},
		}}, true)
	}
}

func (h host) Now() time.Time {
	answer, err := h.ask(&pluginv1.Event{Event: &pluginv1.Event_Now{Now: &pluginv1.Now{}}})
	if err != nil {
		return time.Now()
	}
	return time.Unix(0, int64(answer.Time))
}

// bounded cuts a message that is too large: the host refuses it for its size alone.
func (h host) bounded(message []byte) []byte { return message[:min(len(message), h.messageSize+1)] }

// ask sends a request for a service to the host and waits for the answer, which comes
// in a frame of its own. Calls that wait in the current frame stay there.
func (h host) ask(event *pluginv1.Event) (*pluginv1.Answer, error) {
	if !h.running {
		return nil, errOutsideCall
	}
	h.tell(event, false)
	if err := h.flush(); err != nil {
		return nil, errNoHost
	}
	var in frame.Frame
	if err := h.stream.RecvMsg(&in); err != nil {
		return nil, errNoHost
	}
	answer, err := frame.Answer(in.Bytes)
	if err != nil {
		return nil, errNoHost
	}
	if e := answer.Error; e != nil {
		return nil, &guest.MessagingError{Case: guest.MessagingErrorCase(e.Case), Text: e.Text}
	}
	return answer, nil
}
