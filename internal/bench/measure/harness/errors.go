package harness

import (
	"errors"
	"fmt"

	"github.com/airhost/airhost/internal/bench/measure/guests"
)

// ErrResponse says that the response to a call was not the request's bytes.
var ErrResponse = errors.New("the response is not the request")

// CoresError says that a cell asks for more processors than this process has.
type CoresError struct{ Want, Have int }

// Error gives both numbers, and the ways out.
func (e *CoresError) Error() string {
	return fmt.Sprintf("the cell is to use %d processors, and this process has %d; run it on a larger machine, or with fewer --cores", e.Want, e.Have)
}

// CountError says that a sample did not do the operations that it claims: the guests'
// counters rose by Got, and not by Want.
type CountError struct {
	Got, Want guests.Counters
}

// Error gives both counts.
func (e *CountError) Error() string {
	return fmt.Sprintf("the guests did not do what the sample claims: they counted %+v, want exactly %+v", e.Got, e.Want)
}

// LostError says that a run stopped before its end: no message is under way, and no
// guest has reported.
type LostError struct {
	Got     guests.Counters // the rise of the guests' counters in this sample
	Claimed int             // operations
}

// Error gives both counts.
func (e *LostError) Error() string {
	return fmt.Sprintf("a message was lost: of %d operations the guests counted %+v, and nothing is under way any more", e.Claimed, e.Got)
}

// StalledError says that a run has stopped: a message is under way, but the host does
// not go on with it.
type StalledError struct {
	Waiting, Pending int // messages in mailboxes, requests without an outcome
}

// Error gives both numbers.
func (e *StalledError) Error() string {
	return fmt.Sprintf("the host has stalled: messages waiting: %d, requests pending: %d, and nothing has been handled for seconds", e.Waiting, e.Pending)
}

// UnfinishedError says that a guest ended its run early.
type UnfinishedError struct {
	Done guests.Done
}

// Error gives the reason, and how many operations were left.
func (e *UnfinishedError) Error() string {
	reason := map[byte]string{
		guests.SendRefused:    fmt.Sprintf("the host refused a message with error case %d", e.Done.Refusal),
		guests.CallbackFailed: "a request ended without a response",
		guests.Mismatch:       "a response was not the request",
	}[e.Done.Status]
	return fmt.Sprintf("a guest gave up with %d operations left: %s", e.Done.Left, reason)
}
