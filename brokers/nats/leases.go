package nats

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/airhost/airhost/core"
)

// Directory is shared by all hosts of the cluster, for their components with "place: any": a bucket
// of JetStream, with requests between hosts. Its methods may be called after Open from any goroutine.
// A package above this one decides about its content.
type Directory struct {
	broker *Broker

	mu      sync.Mutex // guards the following
	bucket  jetstream.KeyValue
	noted   int           // how many servers keep it, as the log says
	again   chan struct{} // closed and made anew with each new connection
	atClose func(context.Context)
}

// Directory returns the broker's directory. It costs nothing until it is used.
func (b *Broker) Directory() *Directory { return &b.directory }

func (d *Directory) init(b *Broker) { d.broker, d.again = b, make(chan struct{}) }

// leases is the name of the directory's bucket.
func (s subjects) leases() string { return "ah_" + s.cluster() + "_leases" }

// take is where other hosts ask a host.
func (s subjects) take(host string) string { return s.prefix + ".host." + part(host) + ".take" }

// openTime is how long the directory's bucket is looked for. Later on it is the lease if
// that is less: a request may be lost with a server or a connection, and then another one
// is due.
const openTime = 5 * time.Second

// patience is how long JetStream may take for an answer.
func (d *Directory) patience() time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.bucket == nil {
		return openTime
	}
	return min(openTime, d.broker.config.Lease)
}

// open returns the bucket, which it makes if there is none.
func (d *Directory) open(ctx context.Context) (jetstream.KeyValue, error) {
	ctx, cancel := context.WithTimeout(ctx, d.patience())
	defer cancel()
	name := d.broker.subjects.leases()
	js, err := jetstream.New(d.broker.server)
	if err != nil {
		return nil, err
	}
	bucket, err := js.KeyValue(ctx, name)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		bucket, err = d.create(ctx, js, name)
	}
	have := 0
	if err == nil {
		have, err = replicasOf(ctx, bucket)
	}
	if err != nil {
		return nil, noJetStream(name, err)
	}
	d.noteReplicas(have)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.bucket = bucket
	return bucket, nil
}

// noJetStream explains why there is no bucket.
func noJetStream(bucket string, err error) error {
	hint := "see what airhost nats permissions has for it"
	switch {
	case lacksServers(err):
		hint = fewServers
	case lacksJetStream(err):
		hint = "components with place: any need JetStream: set jetstream in the configuration of the NATS servers"
	}
	return fmt.Errorf("the bucket %s of NATS cannot be opened: %w; %s", bucket, err, hint)
}

// errNoAnswer is why a watch ends that has not begun in time.
var errNoAnswer = errors.New("JetStream does not answer")

// Watch calls tell with each value of the directory, then once with an empty key, and then
// with each change. It returns when ctx ends, or when there is a new connection, since
// changes may have been missed. An error says why there is no directory, or that it does
// not answer.
func (d *Directory) Watch(ctx context.Context, tell func(key string, value []byte, revision uint64)) error {
	d.mu.Lock()
	again := d.again
	d.mu.Unlock()
	bucket, err := d.open(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil) // ends the watch, which else blocks
	silent := time.AfterFunc(d.patience(), func() { cancel(errNoAnswer) })
	defer silent.Stop()
	all, err := bucket.WatchAll(ctx)
	if err != nil {
		return noJetStream(bucket.Bucket(), cmp.Or(context.Cause(ctx), err))
	}
	defer func() { _ = all.Stop() }() // it may have ended with ctx
	for complete := false; ; {
		select {
		case entry, open := <-all.Updates():
			switch {
			case !open:
				return nil
			case entry == nil:
				complete = true
				silent.Stop()
				tell("", nil, 0)
				continue
			case !complete:
				silent.Reset(d.patience())
			}
			tell(entry.Key(), entry.Value(), entry.Revision())
		case <-again:
			return nil
		case <-ctx.Done():
			if errors.Is(context.Cause(ctx), errNoAnswer) {
				return noJetStream(bucket.Bucket(), errNoAnswer)
			}
			return nil
		}
	}
}

// Update sets a value if its revision is still the last one that the caller names; 0 is that of a value
// that was never set. It reports whether it did. After an error it may have done so.
func (d *Directory) Update(ctx context.Context, key string, value []byte, last uint64) (revision uint64, won bool, err error) {
	d.mu.Lock()
	bucket := d.bucket
	d.mu.Unlock()
	if bucket == nil {
		return 0, false, errNotOpen
	}
	revision, err = bucket.Update(ctx, key, value, last)
	var refused *jetstream.APIError
	if errors.As(err, &refused) && (refused.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence || refused.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant) {
		return 0, false, nil
	}
	return revision, err == nil, err
}

// AtClose sets a function that Close calls when all messages have left, and the connection is still
// open.
func (d *Directory) AtClose(f func(context.Context)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.atClose = f
}

// leave calls the function of AtClose.
func (d *Directory) leave(ctx context.Context) {
	d.mu.Lock()
	f := d.atClose
	d.mu.Unlock()
	if f != nil {
		ctx, cancel := context.WithTimeout(ctx, d.broker.config.Lease/4)
		defer cancel()
		f(ctx)
	}
}

// reconnected ends the watches of connections before.
func (d *Directory) reconnected() {
	d.mu.Lock()
	defer d.mu.Unlock()
	close(d.again)
	d.again = make(chan struct{})
}

// Ask returns the answer of another host.
func (d *Directory) Ask(ctx context.Context, host string, request []byte) ([]byte, error) {
	b := d.broker
	got, err := b.server.RequestWithContext(ctx, b.subjects.take(host), request)
	if err != nil {
		return nil, err
	}
	return got.Data, nil
}

// Answer sets the function that answers requests of other hosts.
func (d *Directory) Answer(f func(ctx context.Context, request []byte) []byte) error {
	b := d.broker
	ctx, cancel := context.WithCancel(context.Background())
	_, err := b.server.Subscribe(b.subjects.take(b.config.Host), func(in *natsgo.Msg) {
		if !strings.HasPrefix(in.Reply, b.subjects.prefix+".host.") || !b.enter() {
			return
		}
		go func() {
			defer b.work.Done()
			within, cancel := context.WithTimeout(ctx, b.config.Lease)
			defer cancel()
			if err := b.publish(in.Reply, "", f(within, in.Data)); err != nil {
				b.log.Debug("an answer to a host could not be sent", "reason", err.Error())
			}
		}()
	})
	if err != nil {
		cancel()
		return err
	}
	b.work.Go(func() { <-b.done; cancel() })
	_ = b.server.FlushTimeout(b.config.Lease) // else the connection is lost, and the subscription comes with the next one
	return nil
}

// MaxAsk is the size of the largest request in bytes.
func (d *Directory) MaxAsk() int { return d.broker.maxPayload() }

// fences are those of the claims of components.
type fences struct {
	mu    sync.RWMutex // guards the following
	own   map[core.ComponentID]fence
	least map[string]uint64 // of messages, by sender
}

// fence is that of a component that this host has claimed.
type fence struct {
	number uint64
	least  uint64 // that others are not to refuse
	valid  func() bool
}

// Own marks the messages of a component of this host with a fence from now on, and with the lowest one
// of it that is not refused. Once it is attached, messages that come to it are refused unless valid
// returns true. Without valid the component is not claimed any more.
func (d *Directory) Own(id core.ComponentID, number, least uint64, valid func() bool) {
	f := &d.broker.fences
	f.mu.Lock()
	defer f.mu.Unlock()
	if valid == nil {
		delete(f.own, id)
	} else {
		if f.own == nil {
			f.own = map[core.ComponentID]fence{}
		}
		f.own[id] = fence{number, least, valid}
	}
	d.broker.fenced.Store(len(f.own) > 0)
}

// Know refuses messages of a component with a lower fence from now on.
func (d *Directory) Know(id core.ComponentID, least uint64) {
	f := &d.broker.fences
	f.mu.Lock()
	defer f.mu.Unlock()
	f.knowLocked(id.String(), least)
}

// maxFences bounds the memory for components of other hosts.
const maxFences = 1 << 20

func (f *fences) knowLocked(sender string, least uint64) {
	if f.least == nil {
		f.least = map[string]uint64{}
	}
	if known, is := f.least[sender]; is && known < least || !is && len(f.least) < maxFences {
		f.least[sender] = least
	}
}

// add adds the fence of a component of this host, if it has one, to its message that begins at an
// index and ends with the frame.
func (f *fences) add(frame []byte, begin int, sender core.ComponentID) []byte {
	f.mu.RLock()
	own := f.own[sender]
	f.mu.RUnlock()
	return addFence(frame, begin, own.number, own.least)
}

// validOf returns whether the claim of a component of this host is valid, as a function; nil if it is
// not claimed.
func (f *fences) validOf(id core.ComponentID) func() bool {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.own[id].valid
}

// knows reports whether a component is one that the hosts of the cluster claim.
func (f *fences) knows(id core.ComponentID) bool {
	f.mu.RLock()
	defer f.mu.RUnlock()
	_, known := f.least[id.String()]
	return known
}

// check returns why a message of a sender with a fence is refused, or nil. least is the lowest fence of
// the sender that the host which sent it knows.
func (f *fences) check(sender []byte, number, least uint64) error {
	f.mu.RLock()
	known := f.least[string(sender)]
	f.mu.RUnlock()
	if least > known && least <= number {
		f.mu.Lock()
		f.knowLocked(string(sender), least)
		f.mu.Unlock()
	}
	if number < known {
		return &core.MessagingError{Case: core.CaseCapabilityDenied, Text: "another host runs " + core.CutText(string(sender), core.MaxErrorText/2) + " now: this message is of a host that has lost its claim"}
	}
	return nil
}

// errOver refuses messages to a component after the end of its claim.
var errOver = &core.MessagingError{Case: core.CaseUnavailable, Text: "this host has lost its claim for the component, which another host will run"}

// refusedBy returns why messages of the sender that was read last are refused, or nil.
func (a *attached) refusedBy(over bool, r *reader) error {
	switch {
	case over:
		return errOver
	case r.fence == 0:
		return nil
	}
	return a.broker.fences.check(r.sender, r.fence, r.least)
}
