// Package guest is for airhost components in Go. A component is a type with a method
// HandleMessage. The same type runs unchanged as WebAssembly, as a Go value in the
// host's process, and in a process of its own.
//
// To build it as WebAssembly, register it in a package main and compile that package
// as a reactor:
//
//	func init() { guest.Export(echo{}) }
//	func main() {}
//
//	GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -o echo.wasm
//
// A component may have more methods: see [CallbackHandler], [Initializer],
// [HealthReporter] and [Shutdowner]. A Go module always has the exports of all four,
// because the compiler cannot leave them out. If the type has no such method the export
// does nothing: initialize succeeds, and health is healthy. In every build
// [Host.Request] refuses a component that is not a [CallbackHandler]. A [StateKeeper] hands
// its state over when another version replaces it; as WebAssembly package
// [github.com/airhost/airhost/guest/state] registers it.
//
// A component waits by [After], which calls HandleMessage later. It asks by [Host.Call] for
// what it needs to answer a request, and by [Host.Request] for what may come later. It tells
// others by [Messenger.Publish], without their ids. Only modules that use timers, functions or
// topics import them, so that hosts without them run all others.
//
// The host calls one method of a component at a time. A component may start goroutines,
// but they must not use the [Host]. As WebAssembly they run only while a method of the
// component runs. Only a process may use the host from all goroutines and at any time: see
// package plugin.
//
// # New versions
//
// A new version may replace a component while messages come in. Exactly one of both handles
// a message: the old version one that was delivered before the hand-over, the new version one
// that comes after. Requests of the old version that are pending end at the new version's
// HandleCallback, with the ids that the old one was given. If the new version must know these
// ids, both are [StateKeeper]s. If the new version cannot take over, the old one goes on, and
// its Save may be called again at the next attempt.
//
// # Several instances
//
// A component may have several instances, each with its own memory. A callback goes to the
// instance that has sent the request; to any other one if that has ended for good. If they
// are spread as "any", messages come in no order; else those of one sender come in order.
// State is handed over only from one instance to one instance.
package guest

import (
	"fmt"
	"time"
)

// Component is the interface of all components.
type Component interface {
	// HandleMessage is called for each message. A fire-and-forget message and a
	// request look the same here. The host ignores the result for the first; for the
	// second it is the response.
	//
	// message may be read until HandleMessage returns. It must not be changed, and
	// must be copied to be kept. The returned slice may be message, a part of it, or a
	// buffer that the component uses again in its next call: the host no longer needs
	// it then.
	//
	// The sender of a request gets an error that is or wraps a [ComponentError] as it
	// is, and any other error as CaseFailed with its text. A panic ends this instance
	// of the component; the host makes another one by its restart policy.
	HandleMessage(host Host, sender string, message []byte) ([]byte, error)
}

// CallbackHandler is a component that sends requests.
type CallbackHandler interface {
	// HandleCallback is called exactly once for each request that [Host.Request]
	// accepted, unless it was canceled. An earlier version of the component, or another
	// instance that has ended, may have sent the request. If failure is nil, response is the
	// target's response; otherwise failure is a [RequestError]. The rules for message in
	// [Component] hold for response too. A returned error is only counted and logged.
	HandleCallback(host Host, id RequestID, response []byte, failure error) error
}

// Initializer is a component that has a configuration.
type Initializer interface {
	// Initialize is called once, before any message. An error keeps the
	// component from starting.
	Initialize(host Host, config Config) error
}

// HealthReporter is a component that reports its health.
type HealthReporter interface {
	// Health is called between messages.
	Health() HealthStatus
}

// Shutdowner is a component with work to do at its end.
type Shutdowner interface {
	// Shutdown is called once, after the last message. It is not called when the
	// component has panicked.
	Shutdown(host Host)
}

// StateKeeper is a component with a state that goes on in another version of it.
type StateKeeper interface {
	// Save returns the state. It is called on the old version, after its last message
	// and before Shutdown. The host refuses a state that is larger than limits.memory.
	// An error of Save or Restore keeps the old version: its Save may be called again
	// later. The returned slice may be used again in the component's next call.
	Save(host Host) ([]byte, error)

	// Restore takes over the state that the old version has saved. It is called on the new
	// version, once, after Initialize and before the first message. It is not called if
	// the old version is no StateKeeper. The rules for message in [Component] hold for
	// state too. An error keeps the old version.
	Restore(host Host, state []byte) error
}

// Host offers the host's services to a component. It may be used only while a method of
// the component runs, and only by the goroutine of that method; in a process of its own by any
// goroutine and at any time, but for Call. A service copies its arguments before it returns.
type Host interface {
	Messenger

	// Call calls a function of the host by its name, such as "price/lookup", and returns
	// when that has returned: within HandleMessage its result can be a part of the
	// response. The result belongs to the component. An error is a [CallError]. The
	// time of a function is not the component's running time.
	Call(function string, argument []byte) ([]byte, error)

	// SelfID returns the id under which the component was deployed.
	SelfID() string

	// Log writes one entry to the host's log. Bytes that are not UTF-8 are replaced. A
	// level above [LogError] counts as LogError.
	Log(level LogLevel, message string)

	// Now returns the host's wall clock.
	Now() time.Time
}

// Messenger sends messages. The rules of [Host], which is one, hold for it.
type Messenger interface {
	// Send sends a fire-and-forget message. It returns as soon as the message is on its
	// way. An error is a [MessagingError]; nothing was sent then.
	Send(target string, message []byte) error

	// Request sends a request. The outcome comes in a call of
	// [CallbackHandler.HandleCallback]. A timeout of 0 is the host's default; other
	// timeouts are rounded up to whole milliseconds. An error is a [MessagingError];
	// nothing was sent then.
	Request(target string, request []byte, timeout time.Duration) (RequestID, error)

	// Cancel ends a request: HandleCallback is not called for it after a nil error. The
	// error for a request that is no longer pending is [ErrRequestNotFound].
	Cancel(id RequestID) error

	// Publish sends a message to all components that have subscribed to a topic, such as
	// "orders.created"; each of them gets it by HandleMessage, with this component as the
	// sender. It returns as soon as the message is on its way. That nobody has subscribed is
	// no error, nor that a subscriber cannot take the message. An error is a
	// [MessagingError]; nothing was sent then.
	Publish(topic string, message []byte) error
}

// Logf logs a text that is formatted like [fmt.Sprintf].
func Logf(host Host, level LogLevel, format string, args ...any) {
	host.Log(level, fmt.Sprintf(format, args...))
}
