package core

// DurableBroker is a [Broker] that can keep the fire-and-forget messages of a component until
// they have been handled, also over the end of a host.
type DurableBroker interface {
	Broker

	// AttachDurable is Attach for a component with a durable mailbox. Fire-and-forget messages
	// to it are stored, wherever they come from, and come to r with a [Keeper] as their Origin:
	// each sender's in order, the next one after the one before has been handled. Requests come
	// as with Attach. Messages that were stored before come first.
	AttachDurable(id ComponentID, r Receiver) error

	// Waiting returns how many messages of an attached component are stored and were not
	// handled, as far as the broker knows. It does not block, and counts those that have come.
	Waiting(id ComponentID) int

	// Rest ends the arrival of stored messages at this host, for all components. Those that
	// have come may still be handled. The host calls it when it begins to stop.
	Rest()
}

// Keeper is the Origin of a fire-and-forget message that its broker keeps until it has been
// handled. The receiver ends each such message by one of the methods, which take the message
// over. They may deliver the next message before they return.
//
// Undelivered says that the message was not handled, and not because of itself: its component
// is removed or has failed, or its host stops. The message is delivered again later, here or
// elsewhere, and becomes no dead letter.
type Keeper interface {
	Origin

	// Handled says that handle-message has returned, also with an error of the guest.
	Handled(m *Message)

	// Failed says that the instance has ended while it handled the message. The message is
	// delivered again, before later ones of its sender. If it has been delivered most times
	// already, Failed returns false: then the broker keeps it no longer, and the caller, which
	// still owns it, makes it a dead letter.
	Failed(m *Message, most int) (again bool)
}
