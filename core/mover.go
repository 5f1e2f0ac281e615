package core

// Mover is a [Carrier] from which a component can move to another host of the same Carrier. The
// Receiver of a component that has come there is a [Successor].
type Mover interface {
	Carrier

	// Leave is called for a component that another host has attached too. From then on no other
	// message is brought to it here than those that are on their way. Route goes on to lead to
	// it here, until Detach. An error means that nothing has changed.
	Leave(id ComponentID) (Departure, error)
}

// Departure is the way of the messages of a component to the host that has it now.
type Departure interface {
	// Receiver takes the messages that waited here, and later ones. In the order in which it
	// gets them they come to DeliverFirst of the Successor.
	Receiver

	// Arriving reports whether messages of other hosts may still come to the component here.
	Arriving() bool

	// End says that no message waits here any more. It calls Complete of the Successor once
	// all have come. It does not block.
	End()
}

// Successor is the Receiver of a component that has come from another host. It holds back the
// messages that come by Deliver until those have come that waited on the other host.
type Successor interface {
	Receiver

	// DeliverFirst is Deliver for a message that waited on the other host, or passed it.
	DeliverFirst(m *Message) error

	// Complete says that all of these have come. It does not block.
	Complete()
}
