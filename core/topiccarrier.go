package core

// TopicCarrier is implemented by a [Broker] that joins hosts and carries publications from one to
// the others. Its host gives a publication to its own subscribers by itself. The methods may be
// called from any goroutine.
//
// The publications of one host come to each other host in the order in which they were handed
// over, and at most once.
type TopicCarrier interface {
	// JoinTopics connects the broker to the topics of its host. It is called once, before Open.
	JoinTopics(home TopicHome)

	// Publish takes a publication to all other hosts. It never blocks, and does not keep payload. The
	// queue groups in served have been served by this host, or will be: no other host serves them. The
	// list does not change. An error is a [MessagingError], such as queue-full, and nothing has
	// happened then. Without a connection the publication is lost, and that is no error.
	Publish(topic Topic, sender ComponentID, payload []byte, served []string) error

	// SubscriptionsChanged says that [TopicHome] Subscriptions has another result than before. It never
	// blocks, and does not call the home back. Publications that are handed over afterwards find the
	// new subscriptions in place.
	SubscriptionsChanged()
}

// TopicHome is the side of a host that a [TopicCarrier] uses.
type TopicHome interface {
	// Subscriptions returns the subscriptions that other hosts must know of: no one is there twice, nor
	// beside one of the same queue that matches all that it matches.
	Subscriptions() []TopicSubscription

	// DeliverPublished gives a publication of another host to the subscribers of this one: those without
	// a queue if queue is empty, or to one of a queue group. payload is not kept. It never blocks: a
	// subscriber that cannot take it costs a dead letter.
	DeliverPublished(topic Topic, queue string, sender ComponentID, payload []byte)
}

// TopicSubscription is a set of topics on which messages are wanted, and the queue group that shares
// them; each one is wanted if Queue is empty.
type TopicSubscription struct {
	Topic TopicPattern
	Queue string
}
