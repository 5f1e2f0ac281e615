// Package nats is a broker that joins hosts by NATS (https://nats.io): a component may send to
// one of another host as to one of its own. docs/clusters.md has the promises, and all that
// happens when a host, a server or the network fails.
//
// A component that this host has itself is reached in the process, as with the broker inproc:
// nothing of its messages goes over the bus, and nothing waits for it.
package nats

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	natsgo "github.com/nats-io/nats.go"

	"github.com/airhost/airhost/core"
)

// Config configures a broker. The zero value of a field stands for its default.
type Config struct {
	// URL names the servers, as nats://host:4222, several divided by commas;
	// nats://127.0.0.1:4222 by default.
	URL string
	// Cluster is the name that the hosts of one cluster share, "default" by default. Clusters with
	// different names may use the same servers, and do not see each other.
	Cluster string
	// Host is this host's name, which must be its own in the cluster: 1 to 64 letters, digits,
	// '-', '_' and '.'. By default it is the machine's, with a random end.
	Host string
	// Credentials is a file as the tool nsc writes it, and NKey one with the seed of a user's
	// nkey: how this host proves to the servers that it may connect.
	Credentials, NKey string
	// CA is a file with the certificates that vouch for the servers; the system's by default.
	// Certificate and Key are files with this host's own, for servers that ask for one.
	CA, Certificate, Key string
	// Labels describe this host for others.
	Labels map[string]string
	// Lease is how long this host may be silent before the others take it for gone; 5 s by
	// default, at least 1 s.
	Lease time.Duration
	// Aside is for a short-lived host beside one with the same components: it takes no messages of
	// other hosts, and its name is Host with a random end.
	Aside bool
	// Replicas is how many servers of a cluster of NATS keep each durable mailbox, and the leases of
	// components with place: any: 1, 3 or 5. By default one server keeps mailboxes, and three keep the
	// leases, or one that is in no cluster.
	Replicas int
	// Logger gets the changes of the connection and of the other hosts; slog.Default() by default.
	Logger *slog.Logger
}

// MinLease is the shortest [Config] Lease, and DefaultLease the default.
const (
	MinLease     = time.Second
	DefaultLease = 5 * time.Second
)

// Broker is a [core.Broker], a [core.Carrier], a [core.TopicCarrier] and a [core.Clustered].
type Broker struct {
	config   Config
	subjects subjects
	log      *slog.Logger
	options  []natsgo.Option
	outbox   outbox
	peers    peers
	topics   publications
	grants   grants
	fences   fences
	fenced   atomic.Bool // a component of this host has a fence
	counts   counts
	watched  watched
	mail     mailing
	// directory is that of components with place: any.
	directory Directory
	work      sync.WaitGroup
	refusal   atomic.Pointer[core.MessagingError] // of all messages to other hosts; nil while connected
	most      atomic.Int64                        // the largest payload in bytes

	run    string      // tells this run of the host from others
	home   core.Origin // set by Open
	server *natsgo.Conn
	done   chan struct{} // closed by Close
	told   time.Time     // when an error of the server was logged last; used by failed alone
	untold int           // how many came since then; likewise

	mistrust string // why a server and this host did not trust each other last; used by keepTime alone

	mu       sync.RWMutex // guards the fields below
	state    state
	shut     bool // no callback begins any more
	local    map[core.ComponentID]*attached
	remotes  map[core.ComponentID]*remote
	numbered map[uint64]*remote // the same
	routes   uint64             // the number of the last route
	origins  map[string]*origin
	sweeps   struct{ remotes, origins sweep }
	draining []*natsgo.Subscription // of components that were detached, until they have ended
}

type state uint8

const (
	made state = iota
	open
	closed
)

var _ core.Carrier = (*Broker)(nil)

// New returns a broker that is not connected yet, or an error if config is wrong, or names a
// file that cannot be read.
func New(config Config) (*Broker, error) {
	c := config.withDefaults()
	options, err := c.check()
	if err != nil {
		return nil, fmt.Errorf("NATS broker: %w", err)
	}
	b := &Broker{
		config: c, subjects: newSubjects(c.Cluster), log: c.Logger, options: options, run: rand.Text(),
		local: map[core.ComponentID]*attached{}, remotes: map[core.ComponentID]*remote{},
		numbered: map[uint64]*remote{}, origins: map[string]*origin{}, routes: firstRoute(mathrand.Uint64()),
	}
	b.outbox.init()
	b.peers.init(b)
	b.topics.broker, b.topics.arrival.subscriptions = b, map[core.TopicSubscription]*natsgo.Subscription{}
	b.initMail()
	b.directory.init(b)
	b.refusal.Store(errNotOpen)
	return b, nil
}

// The refusals of all messages to other hosts.
var (
	errNotOpen = &core.MessagingError{Case: core.CaseUnavailable, Text: "the connection to NATS is not open"}
	errLost    = &core.MessagingError{Case: core.CaseUnavailable, Text: "the connection to NATS is lost"}
	errClosed  = &core.MessagingError{Case: core.CaseUnavailable, Text: "the broker is closed"}
	errSilent  = &core.MessagingError{Case: core.CaseUnavailable, Text: "the other host has not confirmed the message, which it may have got"}
)

// Open implements [core.Broker]. It connects, and waits for a server until ctx ends.
func (b *Broker) Open(ctx context.Context, home core.Origin) error {
	if home == nil {
		return errors.New("open NATS broker: want an origin, for undeliverable messages")
	}
	b.mu.Lock()
	before := b.state
	if before == made {
		b.state = open
	}
	b.mu.Unlock()
	switch before {
	case open:
		return errors.New("open NATS broker: it is open already; a broker serves one host")
	case closed:
		return core.ErrClosed
	}
	b.home = home
	err := b.connect(ctx)
	if err == nil {
		return nil
	}
	b.mu.Lock()
	b.state = closed
	b.mu.Unlock()
	return fmt.Errorf("NATS broker: %w", err)
}

// Attach implements [core.Broker]. It waits until the server knows of the component, unless the
// connection is lost: then other hosts reach it when the connection is back.
func (b *Broker) Attach(id core.ComponentID, r core.Receiver) error {
	if err := b.attach(&attached{broker: b, id: id, receiver: r}); err != nil {
		return err
	}
	b.unregister(id)
	return nil
}

func (b *Broker) attach(a *attached) error {
	id := a.id
	if id.IsZero() || a.receiver == nil {
		return errors.New("attach to NATS broker: want a component id and a receiver")
	}
	a.progress = progress{}
	a.valid = b.fences.validOf(id)
	b.mu.Lock()
	err := b.checkLocked()
	if err == nil && b.local[id] != nil {
		err = errors.New("it is attached already")
	}
	if err == nil {
		b.local[id] = a
	}
	b.mu.Unlock()
	if err == nil {
		if err = a.subscribe(); err != nil { // may wait for something that is being sent
			b.forgetAttached(a)
		}
	}
	switch {
	case errors.Is(err, core.ErrClosed):
		return err
	case err != nil:
		return fmt.Errorf("attach %s to NATS broker: %w", id, err)
	case b.refusal.Load() == nil:
		_ = b.server.FlushTimeout(b.config.Lease) // else the connection is lost, or closed
	}
	return nil
}

// noteDraining keeps a subscription that ends when its messages are handled.
func (b *Broker) noteDraining(s *natsgo.Subscription) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.draining = append(slices.DeleteFunc(b.draining, func(s *natsgo.Subscription) bool { return !s.IsValid() }), s)
}

func (b *Broker) forgetAttached(a *attached) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.local[a.id] == a {
		delete(b.local, a.id)
	}
}

// checkLocked returns an error unless the broker is open. The caller holds b.mu.
func (b *Broker) checkLocked() error {
	switch b.state {
	case made:
		return errors.New("NATS broker: Open must be called first")
	case closed:
		return core.ErrClosed
	}
	return nil
}

// Detach implements [core.Broker]. Messages of other hosts that are under way go back to them as
// undelivered.
func (b *Broker) Detach(id core.ComponentID) {
	b.mu.Lock()
	a, r := b.local[id], b.remotes[id]
	delete(b.local, id)
	b.mu.Unlock()
	if r != nil {
		r.setHere(false)
	}
	if a != nil {
		a.end()
	}
}

// Route implements [core.Broker]. It returns the attached receiver of a component of this host, and
// a route for every other id, since only the server knows if a host has it: a message is
// undelivered if no host has its target.
func (b *Broker) Route(target core.ComponentID) (core.Receiver, error) {
	b.mu.RLock()
	err := b.checkLocked()
	mail, durable := b.mail.routes[target], b.mail.known[target]
	b.mu.RUnlock()
	switch {
	case err != nil:
		return nil, err
	case target.IsZero():
		return nil, &core.MessagingError{Case: core.CaseTargetNotFound}
	case durable && mail != nil:
		return mail, nil
	case durable:
		return b.mailRouteTo(target)
	}
	return b.directRoute(target)
}

// directRoute is Route without a look at durable mailboxes.
func (b *Broker) directRoute(target core.ComponentID) (core.Receiver, error) {
	b.mu.RLock()
	err := b.checkLocked()
	a, r := b.local[target], b.remotes[target]
	b.mu.RUnlock()
	switch {
	case err != nil:
		return nil, err
	case a != nil:
		return a.receiver, nil
	case r != nil:
		return r, nil
	}
	return b.newRoute(target), nil
}

// maxRemotes is the most routes to other hosts that a broker keeps while they have nothing to do, or as
// many as have something to do: a guest may name any number of targets.
const maxRemotes = 4096

func (b *Broker) newRoute(target core.ComponentID) *remote {
	b.mu.Lock()
	defer b.mu.Unlock()
	if r := b.remotes[target]; r != nil {
		return r
	}
	if b.sweeps.remotes.due(len(b.remotes), maxRemotes) {
		for id, r := range b.remotes {
			if r.retire() {
				delete(b.remotes, id)
				delete(b.numbered, r.number)
			}
		}
		b.sweeps.remotes.done(len(b.remotes))
	}
	b.routes++
	r := b.newRemote(target, b.routes)
	r.mail = b.mail.known[target]
	b.remotes[target], b.numbered[r.number] = r, r
	return r
}

// allRemotes returns the routes to other hosts.
func (b *Broker) allRemotes() []*remote {
	b.mu.RLock()
	defer b.mu.RUnlock()
	all := make([]*remote, 0, len(b.remotes))
	for _, r := range b.remotes {
		all = append(all, r)
	}
	return all
}

// Traffic implements [core.Carrier].
func (b *Broker) Traffic() (left, arrived uint64) {
	return b.counts.left.Load(), b.counts.arrived.Load()
}

type counts struct {
	left, arrived, lost, discarded, unpublished, missed, redelivered atomic.Uint64
}

// Counters counts events that nothing else reports.
type Counters struct {
	Lost        uint64 // outcomes that could not be sent to their host: the request there times out
	Discarded   uint64 // arrivals that are no frames of this cluster, or of a later version
	Unpublished uint64 // publications that no other host got: there was no connection, or the server forbids their topic
	Missed      uint64 // publications of other hosts that were dropped, since too many waited for this one
	Redelivered uint64 // deliveries of durable mailboxes on which an instance ended, and that were repeated
}

// Counters returns the counters.
func (b *Broker) Counters() Counters {
	return Counters{
		Lost: b.counts.lost.Load(), Discarded: b.counts.discarded.Load(), Redelivered: b.counts.redelivered.Load(),
		Unpublished: b.counts.unpublished.Load(), Missed: b.counts.missed.Load() + b.topics.arrival.allDropped(),
	}
}

// discard notes an arrival that is not understood.
func (b *Broker) discard(in *natsgo.Msg, why error) {
	b.counts.discarded.Add(1)
	b.log.Debug("a NATS message was discarded", "subject", in.Subject, "bytes", len(in.Data), "reason", why.Error())
}
