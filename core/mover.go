package core

// Mover is a [Carrier] on which a component can move from one host to another. Its messages keep
// their order, and each comes once: to the former host, from where it follows the component, or to
// the new one.
type Mover interface {
	Carrier

	// Leaving is called on the former host, before another one begins to run the component. For
	// now all goes on as before, but that no stored messages come any more.
	Leaving(id ComponentID) (Departure, error)

	// Arrive is Attach on the new host, while the former one has the component too. r gets by
	// DeliverFirst all that follows the component from there, and holds back all that comes by Deliver
	// until Complete. durable says that the component has a durable mailbox, as by AttachDurable of
	// [DurableBroker]: stored messages do not follow it, they come to the new host from the store.
	Arrive(id ComponentID, r Successor, durable bool) error

	// Settle says on the new host that the component waits no longer for Complete. Messages of
	// which it is not known if the former host has had them do not come any more.
	Settle(id ComponentID)
}

// Departure is the way of a component's messages from its former host. Handing, Stay and Leave are
// called first, and only Leave makes it usable.
type Departure interface {
	// Receiver takes the messages that waited here, and later ones. They come to the Successor
	// in the order in which Deliver has got them. Deliver never blocks.
	Receiver

	// Handing says that the component handles nothing for now, since the other host is about to
	// run it: all stored messages that it has handled are acknowledged before. It may block for a
	// second or two.
	Handing()

	// Stay says that the component does not move.
	Stay()

	// Leave says that the other host has the component. From then on no message comes to it here
	// but those that are on their way. Route goes on to lead to it here, until Detach.
	Leave()

	// Arriving reports whether messages of other hosts may still come to it here.
	Arriving() bool

	// End says that no message waits here any more. It makes the other host call Complete. It
	// does not block.
	End()
}

// Successor is the Receiver of a component that has come from another host.
type Successor interface {
	Receiver

	// DeliverFirst is Deliver for a message that has come to the component on the former host.
	DeliverFirst(m *Message) error

	// Complete says that all of these have come. It does not block.
	Complete()
}
