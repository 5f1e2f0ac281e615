package core

import "context"

// Broker takes messages from its host and delivers them to the host that has their
// target, which is often the same one. All methods may be called from any goroutine.
//
// Messages from one sender to one target are delivered in the order in which the
// sender's host handed them to the target's route.
type Broker interface {
	// Open connects the broker to its host, which is home. It is called before all
	// other methods, and may block until ctx ends.
	Open(ctx context.Context, home Origin) error

	// Attach adds the component id to this host; r receives its messages. An id that
	// is attached already is an error.
	Attach(id ComponentID, r Receiver) error

	// Detach undoes Attach. Messages that the broker has accepted and not yet
	// delivered go to Origin.Undelivered, before or after Detach returns. An id that
	// is not attached is ignored.
	Detach(id ComponentID)

	// Route returns the Receiver that takes messages to a target. A sender may keep
	// it. A broker within one process may return the attached Receiver itself. The
	// error is target-not-found if the broker knows that no host has the target. After
	// the target has been detached its route refuses with target-not-found, and never
	// delivers to another component.
	Route(target ComponentID) (Receiver, error)

	// Close ends the connection. Messages that were accepted and not yet delivered go
	// to Origin.Undelivered before Close returns. Close waits for the broker's
	// goroutines until ctx ends. Afterwards every other method returns ErrClosed, and
	// routes refuse with unavailable; a route that is the attached Receiver must do
	// so by itself.
	Close(ctx context.Context) error
}

// Receiver takes messages for one target. It is the target's mailbox, or a route to
// it.
type Receiver interface {
	// Deliver hands m over and never blocks. If the error is nil the receiver owns m.
	// Otherwise it is a [MessagingError], such as queue-full, target-not-found or
	// unavailable, the caller still owns m, and nothing has happened.
	Deliver(m *Message) error
}

// Carrier is a Broker that connects several hosts: a message that one host sends may
// be handled on another. Its host counts the messages that left and arrived, so that
// it knows when no message is under way any more.
type Carrier interface {
	Broker

	// Traffic returns the number of messages of its host that the broker has carried
	// away for good, and the number that it has brought to its host: to a Receiver,
	// or to Origin.Undelivered in its place. Outcomes do not count. A message that
	// comes back to its own host counts in both numbers.
	Traffic() (left, arrived uint64)
}
