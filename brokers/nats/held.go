package nats

// Held counts all that a broker keeps in memory for messages to and from other hosts. UnderWay, Frames
// and Outcomes are 0 when nothing is under way; the others are bounded.
type Held struct {
	Routes   int // to components of other hosts
	UnderWay int // messages that are taken and have no receipt
	Frames   int // that were sent with some of these
	Origins  int // hosts that have sent requests
	Outcomes int // and receipts, that wait to be sent to them
	Peers    int // other hosts, and this one while it has asked itself over the bus
	Expected int // requests that they have taken, without an outcome so far; some have timed out
	Early    int // outcomes that came before the receipt of the request, which may be lost
}

// Held returns the counts.
func (b *Broker) Held() (n Held) {
	remotes := b.allRemotes()
	n.Routes = len(remotes)
	for _, r := range remotes {
		r.mu.Lock()
		n.UnderWay += r.pending
		n.Frames += len(r.frames)
		r.mu.Unlock()
	}
	b.mu.RLock()
	n.Origins = len(b.origins)
	for _, o := range b.origins {
		o.mu.Lock()
		n.Outcomes += len(o.waiting) + len(o.receipts)
		o.mu.Unlock()
	}
	b.mu.RUnlock()
	b.peers.mu.Lock()
	defer b.peers.mu.Unlock()
	n.Peers = len(b.peers.all)
	for _, one := range b.peers.all {
		n.Expected += len(one.requests)
		n.Early += len(one.early)
	}
	return n
}
