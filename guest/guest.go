// Package guest is for writing airhost components in Go. A component is a type
// with a HandleMessage method; the same type runs unchanged as WebAssembly, as
// a Go value in the host's own process, and as a process of its own.
//
// To build it as WebAssembly, register it in a package main and compile that as
// a reactor:
//
//	func init() { guest.Export(echo{}) }
//	func main() {}
//
//	GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -o echo.wasm
//
// What else a component can do is found out from its methods: see
// [CallbackHandler], [Initializer], [HealthReporter] and [Shutdowner]. A Go
// module always has the exports of all four, because the compiler cannot leave
// them out: where the type has no such method they do nothing, initialize
// succeeds and health is healthy. [Host.Request] is refused in every build to a
// component that is no [CallbackHandler].
//
// The host calls one method of a component at a time. Goroutines that a
// component starts are its own affair: as WebAssembly they run only while one
// of its methods does, and none of them may use the [Host].
package guest

import (
	"fmt"
	"time"
)

// Component is the least that a component has.
type Component interface {
	// HandleMessage is called for each message. Fire-and-forget and
	// request-response both arrive here and cannot be told apart: of the first
	// the host ignores what is returned, of the second it is the response.
	//
	// message may be read until HandleMessage returns; it must not be changed,
	// and what is kept of it must be copied. The returned slice may be message
	// or a part of it, or a buffer that the component uses again in its next
	// call: the host is done with it by then.
	//
	// An error that is or wraps a [ComponentError] is passed on as it is, any
	// other as failed with its text. A panic ends this instance of the
	// component; the host makes another one by its restart policy.
	HandleMessage(host Host, sender string, message []byte) ([]byte, error)
}

// CallbackHandler is a component that sends requests.
type CallbackHandler interface {
	// HandleCallback is called exactly once for each request that [Host.Request]
	// took, unless it was canceled. With a nil failure, response is what the
	// target returned; otherwise failure is a [RequestError]. The rules of
	// [Component] for message hold for response too. A returned error is counted
	// and logged, nothing else.
	HandleCallback(host Host, id RequestID, response []byte, failure error) error
}

// Initializer is a component that wants its configuration.
type Initializer interface {
	// Initialize is called once, before any message. An error keeps the
	// component from starting.
	Initialize(host Host, config Config) error
}

// HealthReporter is a component that can tell how it is.
type HealthReporter interface {
	// Health is asked between messages.
	Health() HealthStatus
}

// Shutdowner is a component that wants to be told when it is over.
type Shutdowner interface {
	// Shutdown is called once, after the last message. It is not called when the
	// component has panicked.
	Shutdown(host Host)
}

// Host is what a component can ask for. It may be used only while one of the
// component's methods runs, by the goroutine that runs it. Byte slices given to
// it are copied before it returns.
type Host interface {
	// Send sends fire-and-forget. It returns as soon as the message is on its
	// way; an error is a [MessagingError], and then nothing was sent.
	Send(target string, message []byte) error

	// Request sends a request whose outcome arrives at
	// [CallbackHandler.HandleCallback]. A timeout of 0 is the host's default;
	// other timeouts are rounded up to whole milliseconds. An error is a
	// [MessagingError], and then nothing was sent.
	Request(target string, request []byte, timeout time.Duration) (RequestID, error)

	// Cancel gives up a request: after success HandleCallback is not called for
	// it. A request that is no longer pending is [ErrRequestNotFound].
	Cancel(id RequestID) error

	// SelfID returns the id under which the component was deployed.
	SelfID() string

	// Log writes one entry to the host's log. Bytes that are not UTF-8 are
	// replaced; a level above [LogError] counts as that.
	Log(level LogLevel, message string)

	// Now returns the host's wall clock.
	Now() time.Time
}

// Logf logs a text that is formatted like [fmt.Sprintf].
func Logf(host Host, level LogLevel, format string, args ...any) {
	host.Log(level, fmt.Sprintf(format, args...))
}
