package core

// TimerID names a timer of one component. It is opaque, never zero, and never reused
// while the timer runs.
type TimerID uint64

// Timers are the host's services of airhost:timers/timers. The rules of [Services] hold
// for them: calls come while a call of the instance is in progress, on its goroutine.
type Timers interface {
	// After starts a timer. After so many milliseconds, never sooner, the host calls
	// HandleMessage with the payload, and with the component's own id as the sender.
	// The timer ends with the instance. An error is a [MessagingError]; no timer runs
	// then.
	After(milliseconds uint64, payload []byte) (TimerID, error)
	// CancelTimer stops a timer, and reports whether it was running: then it will not
	// fire. A timer whose message waits in the mailbox has fired.
	CancelTimer(id TimerID) bool
}

// TimersOf returns the timers of an environment. If the host has none, After is refused
// with unavailable, and CancelTimer finds no timer.
func TimersOf(env *Environment) Timers {
	if env.Timers == nil {
		return noTimers{}
	}
	return env.Timers
}

type noTimers struct{}

var errNoTimers = &MessagingError{Case: CaseUnavailable, Text: "the host has no timers"}

func (noTimers) After(uint64, []byte) (TimerID, error) { return 0, errNoTimers }
func (noTimers) CancelTimer(TimerID) bool              { return false }
