package guest

import "time"

// TimerID names one running timer of the component that started it. It is opaque, never
// zero, and never reused while the timer runs.
type TimerID uint64

// TimerHost is a [Host] with timers. [After] and [CancelTimer] use it; a Host that wraps
// another one implements it to pass timers on.
type TimerHost interface {
	Host

	// After is the function After.
	After(delay time.Duration, payload []byte) (TimerID, error)
	// CancelTimer is the function CancelTimer.
	CancelTimer(id TimerID) bool
}

// After starts a timer. After the delay, never sooner, the host calls
// [Component.HandleMessage] with the payload, and with the component's own id as the
// sender. A component waits in this way; it must not sleep. The delay is rounded up to
// whole milliseconds, and may have 24 hours at most; a negative one counts as 0.
//
// A timer needs no capability and no place in the mailbox. It ends with the instance: a
// component that is started again knows nothing of its earlier timers. An error is a
// [MessagingError], and no timer was started then: [ErrQuotaExceeded] if too many run or
// the payload is too large, [ErrUnavailable] if the host has no timers.
func After(host Host, delay time.Duration, payload []byte) (TimerID, error) {
	if timers, ok := timersOf(host); ok {
		return timers.After(delay, payload)
	}
	return 0, errNoTimers
}

// CancelTimer stops a timer. It reports whether the timer was running: then it will not
// fire. It returns false for a timer that has fired, even if its message still waits.
func CancelTimer(host Host, id TimerID) bool {
	timers, ok := timersOf(host)
	return ok && timers.CancelTimer(id)
}

var errNoTimers = &MessagingError{CaseUnavailable, "the host has no timers"}

// DelayMillis returns a timer's delay in milliseconds, the unit of the contract. It rounds
// up. A negative delay is 0. Implementations of [TimerHost] use it.
func DelayMillis(delay time.Duration) uint64 { return millisOf(max(0, delay)) }
