package enginetest

import (
	"errors"

	"github.com/airhost/airhost/core"
)

// fakeHost is the [ActorHost] of an instance.
type fakeHost fakeInstance

func (h *fakeHost) has(flaw string) bool { return h.engine.has(flaw) }

func (h *fakeHost) told(err error) error {
	if err == nil || h.has("refusals are no errors") {
		return nil
	}
	told := core.AsMessagingError(err)
	switch {
	case h.has("refusals lose their text"):
		return &core.MessagingError{Case: told.Case}
	case h.has("only plain messaging-errors") && errors.Unwrap(err) != nil:
		return &core.MessagingError{Case: core.CaseUnavailable, Text: err.Error()}
	case h.has("other errors lose their text") && !errors.As(err, new(*core.MessagingError)):
		return core.ErrUnavailable
	}
	return told
}

func (h *fakeHost) Send(target string, message []byte) error {
	if h.has("targets are cut") {
		target = target[:len(target)/2]
	}
	return h.told(h.env.Host.SendMessage([]byte(target), message))
}

func (h *fakeHost) Request(target string, request []byte, timeoutMillis uint64) (core.RequestID, error) {
	if h.has("timeouts have 32 bits") {
		timeoutMillis = uint64(uint32(timeoutMillis))
	}
	id, err := h.env.Host.SendRequest([]byte(target), request, timeoutMillis)
	if h.has("ids have 32 bits") {
		id = core.RequestID(uint32(id))
	}
	return id, h.told(err)
}

func (h *fakeHost) Cancel(id core.RequestID) error {
	if h.has("cancels another") {
		id++
	}
	return h.told(h.env.Host.CancelRequest(id))
}

func (h *fakeHost) SelfID() string {
	if h.has("no self-id") {
		return ""
	}
	return h.env.ID.String()
}

func (h *fakeHost) Log(level core.LogLevel, message string) {
	if h.has("logs at info only") {
		level = core.LogInfo
	}
	h.env.Host.Log(level, []byte(message))
}

func (h *fakeHost) Now() uint64 {
	if h.has("clock stands still") {
		return 0
	}
	return h.env.Host.Now()
}
