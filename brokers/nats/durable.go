package nats

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/airhost/airhost/core"
)

var _ core.DurableBroker = (*Broker)(nil)

// The names of durable mailboxes. All mailboxes of a cluster are one stream, with a subject for
// each component. The directory of the components that have one is a bucket, so that all hosts
// know them also while their own host is away.

// mail is where messages for the durable mailbox of a component go.
func (s subjects) mail(id core.ComponentID) string {
	namespace, name, _ := strings.Cut(id.String(), "/")
	return s.prefix + ".mail." + part(namespace) + "." + part(name)
}

func (s subjects) mailAll() string { return s.prefix + ".mail.>" }

// stored are the subjects of all answers of JetStream to a host's mail.
func (s subjects) stored(host string) string { return s.prefix + ".host." + part(host) + ".stored.>" }

func (s subjects) storedReply(host string, route, number uint64) string {
	return fmt.Sprintf("%s.host.%s.stored.%x.%x", s.prefix, part(host), route, number)
}

// inbox begins the subjects of all other answers to a host, of JetStream or other hosts.
func (s subjects) inbox(host string) string { return s.prefix + ".host." + part(host) + ".inbox" }

// cluster is the cluster's name for streams, which may have neither '.' nor '='.
func (s subjects) cluster() string {
	return strings.ReplaceAll(strings.TrimPrefix(s.prefix, "ah."), "=", "--")
}

func (s subjects) stream() string { return "ah_" + s.cluster() + "_mail" }
func (s subjects) bucket() string { return "ah_" + s.cluster() + "_durable" }

// consumer is the name of the consumer of a component's mailbox. No id has '~'.
func (s subjects) consumer(id core.ComponentID) string {
	return strings.Replace(part(id.String()), "/", "~", 1)
}

// key is a component's key in the directory.
func key(id core.ComponentID) string { return strings.Replace(part(id.String()), "/", ".", 1) }

// keyID is the inverse of key.
func keyID(key string) (core.ComponentID, error) {
	return core.ParseComponentID(strings.ReplaceAll(strings.Replace(key, ".", "/", 1), "=", "."))
}

const (
	// mailWindow and mailBytes are the most messages, and bytes of payload, of a route that wait for
	// JetStream's answer; allMailBytes bounds all routes together.
	mailWindow   = 4096
	mailBytes    = 16 << 20
	allMailBytes = 64 << 20
	// maxStored is how many messages a mailbox stores at most, unless the stream is changed by hand.
	maxStored = 100_000
	// duplicateWindow is how long the stream knows a message that it has stored.
	duplicateWindow = 2 * time.Minute
	// setUpTime is how long the set-up of a mailbox may take.
	setUpTime = 5 * time.Second
)

// mailing is the part of a broker for durable mailboxes.
type mailing struct {
	js      jetstream.JetStream
	bytes   atomic.Int64 // of the payloads that wait for JetStream's answer, of all routes
	permit  atomic.Pointer[permit]
	denied  atomic.Bool // the server has ended the permit
	resting atomic.Bool
	inboxes atomic.Uint64 // how many there were
	entries atomic.Uint64 // how often this host has entered a component in the directory
	leaves  atomic.Int64  // until then consumers of mailboxes that end stay, in ns since the Unix epoch
	kick    chan struct{} // asks for a look at the directory
	setUp   chan struct{} // has a token unless somebody sets JetStream up; guards the following
	created time.Time     // when the stream was made
	stream  jetstream.Stream
	checked *permit // the connection in which stream and directory were there and did fit; nil to look again

	// Guarded by Broker.mu.
	routes   map[core.ComponentID]*mailRoute
	numbered map[uint64]*mailRoute
	last     uint64
	answers  *natsgo.Subscription // to stored; nil before the first route
	known    map[core.ComponentID]bool
	handled  map[core.ComponentID]*recent // of mailboxes that this host had or has
}

func (b *Broker) initMail() {
	m := &b.mail
	m.routes, m.numbered, m.known = map[core.ComponentID]*mailRoute{}, map[uint64]*mailRoute{}, map[core.ComponentID]bool{}
	m.handled = map[core.ComponentID]*recent{}
	m.kick, m.setUp = make(chan struct{}, 1), make(chan struct{}, 1)
	m.setUp <- struct{}{}
}

// beginMail begins with durable mailboxes. It looks at the directory once, so that the first message
// has its way already. A server without JetStream is no error.
func (b *Broker) beginMail() error {
	js, err := jetstream.New(b.server)
	if err != nil {
		return err
	}
	b.mail.js = js
	b.renewPermit()
	ctx, cancel := b.setUpContext()
	defer cancel()
	if err := b.readDirectory(ctx); err != nil {
		b.log.Debug("no directory of durable mailboxes", "reason", err.Error())
	}
	return nil
}

// permit is the time from a connection until the next one, the end of the broker, or until the server
// forbids a subject of JetStream.
type permit struct {
	context.Context
	end context.CancelFunc
}

// renewPermit begins the time of a connection.
func (b *Broker) renewPermit() {
	ctx, cancel := context.WithCancel(context.Background())
	b.mail.denied.Store(false)
	if former := b.mail.permit.Swap(&permit{ctx, cancel}); former != nil {
		former.end()
	}
}

// setUpContext ends after setUpTime, and with the permit.
func (b *Broker) setUpContext() (context.Context, context.CancelFunc) {
	return context.WithTimeout(b.mail.permit.Load(), setUpTime)
}

// deniesMail notes that the server forbids a subject, if that is one of JetStream or its answers.
func (b *Broker) deniesMail(subject string) bool {
	s := b.subjects
	of := func(prefix string) bool { return strings.HasPrefix(subject, prefix) }
	if s.isKeyValue(subject) || !of("$JS.") && !of("$KV.") && !of(s.inbox(b.config.Host)) && !of(strings.TrimSuffix(s.stored(b.config.Host), ">")) {
		return false
	}
	if !b.mail.denied.Swap(true) {
		b.mail.permit.Load().end()
		b.log.Warn("NATS does not permit this host to use durable mailboxes; messages to components that have one may be refused (airhost nats permissions FILE has the permissions)", "subject", subject)
	}
	return true
}

// errDenied replaces an error after the server has forbidden a subject.
var errDenied = errors.New("NATS does not permit this host to use durable mailboxes: give it the permissions of airhost nats permissions FILE")

// mailError explains an error of JetStream.
func (b *Broker) mailError(err error) error {
	switch {
	case err == nil:
		return nil
	case b.mail.denied.Load():
		return errDenied
	case lacksServers(err):
		return fmt.Errorf("%w; %s", err, fewServers)
	case lacksJetStream(err):
		return fmt.Errorf("the NATS server has no JetStream, which delivery: durable needs: enable it for this account (jetstream {store_dir: …} in nats-server.conf, or nats-server -js), or leave delivery out: %w", err)
	}
	return err
}

// lacksJetStream reports whether an error means that the server, or the account, has no JetStream.
func lacksJetStream(err error) bool {
	return errors.Is(err, natsgo.ErrNoResponders) || errors.Is(err, jetstream.ErrJetStreamNotEnabled) || errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount)
}

// streamConfig is that of the stream of all mailboxes.
func streamConfig(s subjects, replicas int) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name: s.stream(), Description: "durable mailboxes of airhost", Subjects: []string{s.mailAll()}, Retention: jetstream.WorkQueuePolicy,
		Discard: jetstream.DiscardNew, DiscardNewPerSubject: true, MaxMsgsPerSubject: maxStored, MaxMsgs: -1, MaxBytes: -1,
		Storage: jetstream.FileStorage, Replicas: replicas, Duplicates: duplicateWindow, AllowDirect: true,
	}
}

// bucketConfig is that of the directory, as buckets are made.
func bucketConfig(s subjects, replicas int) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name: "KV_" + s.bucket(), Description: "the components of airhost with durable mailboxes", Subjects: []string{"$KV." + s.bucket() + ".>"},
		Discard: jetstream.DiscardNew, MaxMsgsPerSubject: 1, MaxMsgs: -1, MaxBytes: -1, Storage: jetstream.FileStorage, Replicas: replicas,
		AllowRollup: true, DenyDelete: true, AllowDirect: true, Duplicates: duplicateWindow,
	}
}

// misfit says why a stream that is there cannot hold the mailboxes, or nothing.
func misfit(have, want jetstream.StreamConfig) string {
	switch {
	case len(have.Subjects) != 1 || have.Subjects[0] != want.Subjects[0]:
		return fmt.Sprintf("has the subjects %q, want %q", have.Subjects, want.Subjects)
	case have.Retention != want.Retention:
		return fmt.Sprintf("has the retention %v, want %v", have.Retention, want.Retention)
	case want.DiscardNewPerSubject && (have.Discard != want.Discard || have.MaxMsgsPerSubject > 0 && !have.DiscardNewPerSubject):
		return "discards messages that are stored, want discard: new, and discard_new_per_subject"
	case have.Storage != want.Storage:
		return fmt.Sprintf("is stored in %v, want %v", have.Storage, want.Storage)
	case have.NoAck:
		return "does not answer (no_ack)"
	case have.MaxAge > 0:
		return fmt.Sprintf("forgets messages after %v (max_age), want 0", have.MaxAge)
	case have.Replicas < want.Replicas:
		return fmt.Sprintf("has %d replicas, and host.nats.replicas is %d", have.Replicas, want.Replicas)
	}
	return ""
}

// stream returns the stream of a configuration. It makes the stream if it is not there.
func (b *Broker) stream(ctx context.Context, want jetstream.StreamConfig) (stream jetstream.Stream, err error) {
	stream, err = b.found(ctx, want)
	if !errors.Is(err, jetstream.ErrStreamNotFound) {
		return stream, err
	}
	_, err = b.mail.js.CreateStream(ctx, want)
	if err != nil && !errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) { // another host makes it in the same moment
		return nil, fmt.Errorf("stream %s: %w", want.Name, b.mailError(err))
	}
	return b.found(ctx, want)
}

// found returns the stream of a configuration, if it is there and fits.
func (b *Broker) found(ctx context.Context, want jetstream.StreamConfig) (stream jetstream.Stream, err error) {
	stream, err = b.mail.js.Stream(ctx, want.Name)
	if err != nil {
		return nil, fmt.Errorf("stream %s: %w", want.Name, b.mailError(err))
	}
	if why := misfit(stream.CachedInfo().Config, want); why != "" {
		return nil, fmt.Errorf("the stream %s %s: change it (nats stream edit), or choose another host.nats.cluster", want.Name, why)
	}
	return stream, nil
}

// setUpMail makes the stream, the directory and the component's entry in it, where they are missing.
func (b *Broker) setUpMail(ctx context.Context, id core.ComponentID) (jetstream.Stream, error) {
	m := &b.mail
	select {
	case <-m.setUp:
	case <-ctx.Done():
		return nil, b.mailError(ctx.Err())
	}
	defer func() { m.setUp <- struct{}{} }()
	now := m.permit.Load()
	if m.checked != now {
		if err := b.checkStreams(ctx); err != nil {
			return nil, err
		}
	}
	m.checked = nil
	if err := b.register(ctx, id); err != nil {
		return nil, err
	}
	m.checked = now
	return m.stream, nil
}

// checkStreams makes the stream and the directory if they are not there. The caller has the token of setUp.
func (b *Broker) checkStreams(ctx context.Context) error {
	m := &b.mail
	stream, err := b.stream(ctx, streamConfig(b.subjects, b.config.mailReplicas()))
	if err != nil {
		return err
	}
	if made := stream.CachedInfo().Created; !made.Equal(m.created) {
		if !m.created.IsZero() {
			b.log.Error("the stream of durable mailboxes was made anew: what was stored in it and not handled is lost", "stream", b.subjects.stream())
		}
		m.created = made
	}
	m.stream = stream
	_, err = b.stream(ctx, bucketConfig(b.subjects, b.config.mailReplicas()))
	return err
}

// lookAgain makes the next set-up look at stream and directory, after a failure.
func (b *Broker) lookAgain(ctx context.Context) {
	select {
	case <-b.mail.setUp:
		b.mail.checked = nil
		b.mail.setUp <- struct{}{}
	case <-ctx.Done():
	}
}

// AttachDurable implements [core.DurableBroker]. It needs JetStream, unless the connection is lost: then
// the mailbox begins when that is back.
func (b *Broker) AttachDurable(id core.ComponentID, r core.Receiver) error {
	a := &attached{broker: b, id: id, receiver: r}
	a.mail = newMailbox(a)
	if err := b.attach(a); err != nil {
		return err
	}
	return b.openMail(a)
}

// openMail begins to take stored messages.
func (b *Broker) openMail(a *attached) error {
	if b.refusal.Load() != nil {
		b.know(a.id)
		return nil
	}
	ctx, cancel := b.setUpContext()
	defer cancel()
	if err := a.mail.open(ctx); err != nil {
		b.Detach(a.id)
		return fmt.Errorf("durable mailbox of %s: %w", a.id, err)
	}
	return nil
}

// Rest implements [core.DurableBroker].
func (b *Broker) Rest() { b.mail.resting.Store(true) }

// mailboxes are those of this host's components.
func (b *Broker) mailboxes() (all []*mailbox) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	for _, a := range b.local {
		if a.mail != nil {
			all = append(all, a.mail)
		}
	}
	return all
}

// tickMail looks after durable mailboxes some times in a lease.
func (b *Broker) tickMail(now time.Time) {
	for _, r := range b.allMailRoutes() {
		r.resend(now.Add(-b.config.Lease))
	}
	for _, x := range b.mailboxes() {
		x.tick(now)
	}
}

// renewMail goes on after a connection was lost: all that was not stored is sent again, and all that was
// not acknowledged comes again.
func (b *Broker) renewMail() {
	b.renewPermit()
	b.kickDirectory()
	for _, r := range b.allMailRoutes() {
		r.resend(time.Now())
	}
	for _, x := range b.mailboxes() {
		x.renew()
	}
}
