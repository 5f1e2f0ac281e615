package enginetest

import (
	"fmt"

	"github.com/airhost/airhost/core"
)

// Services are host services that record what a guest asked for, and answer as
// they are told to. They serve one instance.
type Services struct {
	// Err is what SendMessage, SendRequest and CancelRequest return.
	Err error
	// ID is what SendRequest returns.
	ID core.RequestID
	// Time is what Now returns.
	Time uint64
	// Calling, if not nil, is called with each entry of Asked, before the
	// service answers.
	Calling func(entry string)

	// Asked has an entry for each call, such as `send shop/stock "hello"`.
	Asked []string
}

var _ core.Services = (*Services)(nil)

func (s *Services) record(format string, args ...any) {
	entry := fmt.Sprintf(format, args...)
	s.Asked = append(s.Asked, entry)
	if s.Calling != nil {
		s.Calling(entry)
	}
}

// SendMessage implements [core.Services].
func (s *Services) SendMessage(target, message []byte) error {
	s.record("send %s %q", target, message)
	return s.Err
}

// SendRequest implements [core.Services].
func (s *Services) SendRequest(target, request []byte, timeoutMillis uint64) (core.RequestID, error) {
	s.record("request %s %q %d ms", target, request, timeoutMillis)
	return s.ID, s.Err
}

// CancelRequest implements [core.Services].
func (s *Services) CancelRequest(id core.RequestID) error {
	s.record("cancel %d", id)
	return s.Err
}

// Log implements [core.Services].
func (s *Services) Log(level core.LogLevel, message []byte) { s.record("log %s %q", level, message) }

// Now implements [core.Services].
func (s *Services) Now() uint64 {
	s.record("now")
	return s.Time
}
