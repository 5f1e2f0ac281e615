package core

import "context"

// Broker takes messages and hands them to the host that has their target. It
// serves one host. All methods may be called from any goroutine.
//
// Messages from one sender to one target are delivered in the order in which
// they were handed to the target's route.
type Broker interface {
	// Open connects the broker to its host, before any other call. It may block
	// until ctx ends.
	Open(ctx context.Context, home Origin) error

	// Attach says that this host has the component id, and that r takes its
	// messages. An id that is attached already is an error.
	Attach(id ComponentID, r Receiver) error

	// Detach undoes Attach. Messages that the broker has taken and not yet
	// delivered go to Origin.Undelivered, before or after Detach returns. An id
	// that is not attached is ignored.
	Detach(id ComponentID)

	// Route finds the way to a target, for a sender to keep: a Receiver to which
	// it can hand messages from then on. A broker of one process that adds
	// nothing returns the very Receiver that was attached. Where the broker can
	// tell that nobody has the target the error is target-not-found. A route
	// that has become stale refuses with target-not-found; it never misdelivers.
	Route(target ComponentID) (Receiver, error)

	// Close ends the connection. Messages taken and not yet delivered go to
	// Origin.Undelivered before it returns; it waits for the broker's goroutines
	// until ctx ends. After it, every other method returns ErrClosed, and routes
	// refuse with unavailable; where a route is the very Receiver that was
	// attached, that is the Receiver's duty.
	Close(ctx context.Context) error
}

// Receiver takes messages for one target: a component's mailbox, or the way to
// it.
type Receiver interface {
	// Deliver hands m over. With a nil error the receiver owns m; with an error,
	// a [MessagingError] such as queue-full, target-not-found or unavailable,
	// the caller still owns it and nothing has happened. It never blocks.
	Deliver(m *Message) error
}

// Carrier is a Broker that joins several hosts: a message that was sent on one of
// them may be handled on another. Its host counts what came and went, so as to
// tell that nothing is under way any more.
type Carrier interface {
	Broker

	// Traffic returns how many of its host's messages the broker has carried
	// away for good, and how many have come to its host: that were given to a
	// Receiver, or to Origin.Undelivered in its place. What goes back and forth
	// as an outcome does not count; what returns to its own host counts as both.
	Traffic() (left, arrived uint64)
}
