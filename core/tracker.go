package core

import "time"

// MaxTimeout is the longest timeout that a request can have.
const MaxTimeout = 24 * time.Hour

// Tracker remembers pending requests and ends those that wait too long. Each
// request that was registered leaves it exactly once: by Resolve, Cancel,
// Remove, or expiry. All methods but Close return without blocking and may be
// called from any goroutine.
type Tracker interface {
	// Register adds a request of w that expires when timeout, above 0 and at
	// most [MaxTimeout], has passed: never earlier, and at most 2 ms later as
	// far as the machine can keep up. A timeout out of range is
	// ErrInvalidArgument; after Close it returns ErrClosed.
	Register(w Waiter, timeout time.Duration) (RequestID, error)

	// Resolve removes a pending request and returns who waits for it. An id that
	// is not pending, or was never given, returns false.
	Resolve(id RequestID) (Waiter, bool)

	// Cancel removes a pending request of w. An id that is not pending, or that
	// another waiter registered, returns false and changes nothing.
	Cancel(id RequestID, w Waiter) bool

	// Remove removes all pending requests of w and returns their ids, in no
	// particular order. It may take time proportional to all pending requests.
	Remove(w Waiter) []RequestID

	// IsPending reports whether a request is pending: registered, and in the tracker
	// still.
	IsPending(id RequestID) bool

	// Pending returns the number of pending requests.
	Pending() int

	// Close stops expiry and waits for the end of any Waiter.Expired call.
	// Requests that are still pending are forgotten.
	Close() error
}

// Reserver is what a tracker may also be: it gives a request's id before there is
// a request, at no cost beyond Register's. A reserved id is not pending: nobody
// but RegisterReserved knows it. Remove gives the reserved ids of its waiter back.
type Reserver interface {
	Tracker

	// Reserve returns an id for a request that w will register. Its errors are
	// Register's.
	Reserve(w Waiter) (RequestID, error)

	// RegisterReserved is Register under an id that was reserved for w, and
	// reserves the next one, or returns 0 where there is none to be had. An id
	// that is not reserved for w is ErrInvalidArgument.
	RegisterReserved(id RequestID, w Waiter, timeout time.Duration) (next RequestID, err error)

	// Renew puts other ids that are reserved for w in the place of ids that are,
	// whose requests have begun and ended without the tracker. Where one is not
	// reserved for w, which is ErrInvalidArgument, it stays, and so do those that
	// follow.
	Renew(w Waiter, ids []RequestID) error
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
