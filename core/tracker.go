package core

import "time"

// MaxTimeout is the longest timeout of a request.
const MaxTimeout = 24 * time.Hour

// Tracker remembers pending requests and ends those that wait too long. Each
// registered request leaves the tracker exactly once: by Resolve, Cancel or Remove, or
// because it expires. All methods may be called from any goroutine, and all but Close
// return without blocking.
type Tracker interface {
	// Register adds a request of w. The request expires when timeout has passed: never
	// earlier, and at most 2 ms later if the machine can keep up. The timeout must be
	// above 0 and at most [MaxTimeout]; otherwise the error is ErrInvalidArgument.
	// After Close the error is ErrClosed.
	Register(w Waiter, timeout time.Duration) (RequestID, error)

	// Resolve removes a pending request and returns its waiter, or false if the id is
	// not pending.
	Resolve(id RequestID) (Waiter, bool)

	// Cancel removes a pending request of w. It returns false and changes nothing if
	// the id is not pending, or if the request is another waiter's.
	Cancel(id RequestID, w Waiter) bool

	// Remove removes all pending requests of w and returns their ids, in no
	// particular order. It may take time proportional to all pending requests.
	Remove(w Waiter) []RequestID

	// IsPending reports whether a request is pending: it was registered, and has not
	// left the tracker.
	IsPending(id RequestID) bool

	// Pending returns the number of pending requests.
	Pending() int

	// Close stops expiry and waits for the end of any Waiter.Expired call. The tracker
	// forgets the requests that are still pending.
	Close() error
}

// Reserver is a [Tracker] that can name a request before it is made, at no more cost
// than Register. A reserved id is not pending: no method but those of Reserver knows
// it. Remove gives the reserved ids of its waiter back.
type Reserver interface {
	Tracker

	// Reserve replaces each of ids by an id that no request has had and that is
	// reserved for w. An id of 0 stands for one that is still missing. Any other id
	// must be reserved for w, or it is ErrInvalidArgument; it is given back, so its
	// request, if there was one, never reached the tracker. The other errors are
	// Register's. With an error, the id that caused it and those after it stay
	// unchanged.
	Reserve(w Waiter, ids []RequestID) error

	// RegisterReserved is Register under an id that is reserved for w, and reserves
	// the next id. next is 0 if the tracker has no other id. An id that is not
	// reserved for w is ErrInvalidArgument.
	RegisterReserved(id RequestID, w Waiter, timeout time.Duration) (next RequestID, err error)
}

// Waiter learns from the tracker that its request has ended without an outcome.
// Trackers compare waiters with ==, so a waiter is a pointer to a type that is not
// empty.
type Waiter interface {
	// Expired is called once, after the request has left the tracker, on a
	// goroutine of the tracker. The reason is never nil: it is [ErrTimeout], or why
	// the tracker no longer watches over the request, such as the end of its
	// process. Expired must not block. It may call the tracker, but not its Close.
	Expired(id RequestID, reason *RequestError)
}
