package enginetest

import (
	"fmt"

	"github.com/airhost/airhost/core"
)

// Services is a [core.Services], a [core.Timers], a [core.Functions], a [core.KeyValue], a [core.HTTP], a
// [core.Publisher] and [core.Files] for one instance. It records the calls of the guest, and returns the results that a test sets.
type Services struct {
	// Err is the result of SendMessage, SendRequest, CancelRequest, After and Publish.
	Err error
	// ID is the request id that SendRequest returns.
	ID core.RequestID
	// Timer is the timer's id that After returns.
	Timer core.TimerID
	// Running is the result of CancelTimer.
	Running bool
	// Function is what CallFunction calls; if it is nil, CallFunction returns nothing.
	Function func(name, argument []byte) ([]byte, error)
	// Exchange is the result of StartHTTP; if it is nil, requests are denied.
	Exchange core.HTTPExchange
	// Bucket is what OpenBucket returns; if it is nil, there is no such store.
	Bucket *Bucket
	// Directory is the directory /data of the guest; if it is nil, there is none.
	Directory core.File
	// Time is the result of Now.
	Time uint64
	// Calling, if not nil, is called with each entry of Asked before the service
	// returns.
	Calling func(entry string)

	// Asked has an entry for each call, such as `send shop/stock "hello"`.
	Asked []string
}

var (
	_ core.Services  = (*Services)(nil)
	_ core.Timers    = (*Services)(nil)
	_ core.Functions = (*Services)(nil)
	_ core.KeyValue  = (*Services)(nil)
	_ core.Publisher = (*Services)(nil)
	_ core.HTTP      = (*Services)(nil)
	_ core.Files     = (*Services)(nil)
)

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

// After implements [core.Timers].
func (s *Services) After(milliseconds uint64, payload []byte) (core.TimerID, error) {
	s.record("after %d ms %q", milliseconds, payload)
	return s.Timer, s.Err
}

// CancelTimer implements [core.Timers].
func (s *Services) CancelTimer(id core.TimerID) bool {
	s.record("cancel timer %d", id)
	return s.Running
}

// CallFunction implements [core.Functions].
func (s *Services) CallFunction(name, argument []byte) ([]byte, error) {
	s.record("call %s %q", name, argument)
	if s.Function == nil {
		return nil, nil
	}
	return s.Function(name, argument)
}

// Publish implements [core.Publisher].
func (s *Services) Publish(topic, message []byte) error {
	s.record("publish %s %q", topic, message)
	return s.Err
}

// StartHTTP implements [core.HTTP].
func (s *Services) StartHTTP(r *core.HTTPRequest) (core.HTTPExchange, error) {
	s.record("http %s %s", r.Method, r.URL)
	if s.Exchange == nil {
		return nil, &core.HTTPError{Code: core.HTTPRequestDenied}
	}
	return s.Exchange, nil
}

// Directories implements [core.Files].
func (s *Services) Directories() []core.FileDirectory {
	if s.Directory == nil {
		return nil
	}
	return []core.FileDirectory{{As: "/data"}}
}

// OpenDirectory implements [core.Files].
func (s *Services) OpenDirectory(i int) (core.File, error) {
	s.record("open %d", i)
	return s.Directory, nil
}

// Log implements [core.Services].
func (s *Services) Log(level core.LogLevel, message []byte) { s.record("log %s %q", level, message) }

// Now implements [core.Services].
func (s *Services) Now() uint64 {
	s.record("now")
	return s.Time
}
