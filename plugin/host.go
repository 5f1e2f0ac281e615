package plugin

import (
	"time"

	"github.com/airhost/airhost/guest"
	pluginv1 "github.com/airhost/airhost/proto/airhost/plugin/v1"
)

// host is the host of a session's component.
type host struct{ *session }

var (
	_ guest.TimerHost    = host{}
	_ guest.KeyValueHost = host{}
	_ requester          = host{}
)

var (
	errOutsideCall = &guest.MessagingError{Case: guest.CaseUnavailable, Text: "outside of a call"}
	errNoTurns     = &guest.MessagingError{Case: guest.CaseUnavailable, Text: "outside of a call: the host is older than this plug-in, and takes nothing between calls"}
	errNoTimers    = &guest.MessagingError{Case: guest.CaseUnavailable, Text: "the host has no timers"}
	errNoTopics    = &guest.MessagingError{Case: guest.CaseUnavailable, Text: "the host has no topics"}
	errNoFunctions = &guest.CallError{Case: guest.CallUnavailable, Text: "the host has no functions"}
	errNoHost      = &guest.MessagingError{Case: guest.CaseUnavailable, Text: "the host is gone"}
	errShutDown    = &guest.MessagingError{Case: guest.CaseUnavailable, Text: "the component has been shut down"}
)

func (h host) Send(target string, message []byte) error {
	_, err := h.ask(&pluginv1.Event{Event: &pluginv1.Event_Send{
		Send: &pluginv1.Send{Target: text(target), Message: h.bounded(message)},
	}}, nil)
	return err
}

func (h host) Request(target string, request []byte, timeout time.Duration) (guest.RequestID, error) {
	return h.request(target, request, timeout, nil)
}

// request is Request. taken, if not nil, is called with the id of a request that the host has
// taken, before the outcome comes.
func (h host) request(target string, request []byte, timeout time.Duration, taken func(guest.RequestID)) (guest.RequestID, error) {
	millis, err := guest.TimeoutMillis(timeout)
	if err != nil {
		return 0, err
	}
	answer, err := h.ask(&pluginv1.Event{Event: &pluginv1.Event_SendRequest{
		SendRequest: &pluginv1.SendRequest{Target: text(target), Request: h.bounded(request), TimeoutMs: millis},
	}}, taken)
	return guest.RequestID(answer.GetRequestId()), err
}

func (h host) Cancel(id guest.RequestID) error {
	_, err := h.ask(&pluginv1.Event{Event: &pluginv1.Event_Cancel{Cancel: &pluginv1.Cancel{RequestId: uint64(id)}}}, nil)
	return err
}

func (h host) Publish(topic string, message []byte) error {
	if !h.topics {
		return errNoTopics
	}
	_, err := h.ask(&pluginv1.Event{Event: &pluginv1.Event_Publish{
		Publish: &pluginv1.Publish{Topic: text(topic), Message: h.bounded(message)},
	}}, nil)
	return err
}

func (h host) After(delay time.Duration, payload []byte) (guest.TimerID, error) {
	if !h.timers {
		return 0, errNoTimers
	}
	answer, err := h.ask(&pluginv1.Event{Event: &pluginv1.Event_After{
		After: &pluginv1.After{Milliseconds: guest.DelayMillis(delay), Payload: h.bounded(payload)},
	}}, nil)
	return guest.TimerID(answer.GetTimerId()), err
}

func (h host) CancelTimer(id guest.TimerID) bool {
	if !h.timers {
		return false
	}
	answer, _ := h.ask(&pluginv1.Event{Event: &pluginv1.Event_CancelTimer{CancelTimer: &pluginv1.CancelTimer{TimerId: uint64(id)}}}, nil)
	return answer.GetRunning()
}

func (h host) Call(function string, argument []byte) ([]byte, error) {
	if !h.functions {
		return nil, errNoFunctions
	}
	answer, err := h.askWithin(&pluginv1.Event{Event: &pluginv1.Event_CallFunction{
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
	h.log(&pluginv1.Event{Event: &pluginv1.Event_Log{
		Log: &pluginv1.Log{Level: uint32(min(level, guest.LogError)), Text: text(message)},
	}})
}

// Now asks the host during a call. Between calls it need not: both have the clock of the
// machine.
func (h host) Now() time.Time {
	answer, err := h.askWithin(&pluginv1.Event{Event: &pluginv1.Event_Now{Now: &pluginv1.Now{}}})
	if err != nil {
		return time.Now()
	}
	return time.Unix(0, int64(answer.Time))
}

// bounded cuts a message that is too large: the host refuses it for its size alone.
func (h host) bounded(message []byte) []byte { return message[:min(len(message), h.messageSize+1)] }
