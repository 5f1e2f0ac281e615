package core

// Publisher is the host's service of airhost:pubsub/pubsub. The rules of [Services] hold for
// it: calls come while a call of the instance is in progress, on its goroutine.
type Publisher interface {
	// Publish is publish. It sends a message to all that have subscribed to the topic, which
	// may have any bytes. It never blocks. An error is a [MessagingError], and nothing was
	// sent then. That nobody has subscribed is no error, nor that a subscriber cannot take
	// the message.
	//
	// An engine that keeps a ledger brings it up to date before.
	Publish(topic, message []byte) error
}

// PublisherOf returns the publisher of an environment. If the host has none, Publish is
// refused with unavailable.
func PublisherOf(env *Environment) Publisher {
	if env.Publisher == nil {
		return noPublisher{}
	}
	return env.Publisher
}

type noPublisher struct{}

var errNoPublisher = &MessagingError{Case: CaseUnavailable, Text: "the host has no topics"}

func (noPublisher) Publish(_, _ []byte) error { return errNoPublisher }
