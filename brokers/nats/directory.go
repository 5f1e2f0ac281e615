package nats

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/airhost/airhost/core"
)

// entry is where a component is entered in the directory.
func (s subjects) entry(id core.ComponentID) string { return "$KV." + s.bucket() + "." + key(id) }

// The directory is read at each connection, when a host says that its durable mailboxes have
// changed, and once a minute, since it may be changed by hand.
const directoryPause = time.Minute

// register enters a component in the directory.
func (b *Broker) register(ctx context.Context, id core.ComponentID) error {
	if _, err := b.mail.js.Publish(ctx, b.subjects.entry(id), []byte(b.config.Host)); err != nil {
		return fmt.Errorf("the directory of durable mailboxes, %s: %w", b.subjects.bucket(), b.mailError(err))
	}
	b.mail.entries.Add(1)
	if b.know(id) {
		b.sayBeat(false)
	}
	return nil
}

// unregister removes a component from the directory, if it is there: it has no durable mailbox any more.
func (b *Broker) unregister(id core.ComponentID) {
	if !b.forget(id) {
		return
	}
	attributes := []any{"component", id.String(), "stream", b.subjects.stream(), "subject", b.subjects.mail(id)}
	ctx, cancel := b.setUpContext()
	defer cancel()
	bucket, err := b.mail.js.KeyValue(ctx, b.subjects.bucket())
	if err == nil {
		err = bucket.Delete(ctx, key(id))
	}
	if err != nil {
		attributes = append(attributes, "error", b.mailError(err).Error())
		b.log.Error("a component has no durable mailbox any more, and other hosts go on to store messages for it: remove it from the directory (nats kv del)", attributes...)
		return
	}
	b.log.Warn("a component has no durable mailbox any more: messages that wait in it stay in the stream until it has one again, or they are removed by hand", attributes...)
}

// forget notes that a component has no durable mailbox. It reports whether it had one.
func (b *Broker) forget(id core.ComponentID) (had bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	had = b.mail.known[id]
	delete(b.mail.known, id)
	if r := b.mail.routes[id]; r != nil {
		r.gone.Store(true)
	}
	if r := b.remotes[id]; r != nil {
		r.overtake(false)
	}
	return had
}

// readDirectory notes which components have durable mailboxes.
func (b *Broker) readDirectory(ctx context.Context) error {
	var keys []string
	bucket, err := b.mail.js.KeyValue(ctx, b.subjects.bucket())
	if err == nil {
		keys, err = bucket.Keys(ctx)
	}
	if err != nil && !errors.Is(err, jetstream.ErrBucketNotFound) && !errors.Is(err, jetstream.ErrNoKeysFound) {
		return b.mailError(err)
	}
	known := map[core.ComponentID]bool{}
	for _, key := range keys {
		if id, err := keyID(key); err == nil {
			known[id] = true
		} else {
			b.log.Warn("the directory of durable mailboxes has a key that is no component", "key", key)
		}
	}
	if err := b.keepEntries(ctx, known); err != nil {
		return b.mailError(err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for id, a := range b.local { // the directory may be late
		if known[id] = a.mail != nil; !known[id] {
			delete(known, id)
		}
	}
	former := b.mail.known
	b.mail.known = known
	for id, r := range b.remotes {
		r.overtake(known[id])
	}
	for id, r := range b.mail.routes {
		r.gone.Store(!known[id])
		if known[id] && !former[id] {
			b.followLocked(r)
		}
	}
	return nil
}

// keepEntries adds the components to known that the directory has although they were not in its list: that
// comes from one of its replicas, which may be behind.
func (b *Broker) keepEntries(ctx context.Context, known map[core.ComponentID]bool) error {
	var missing []core.ComponentID
	b.mu.RLock()
	for id := range b.mail.known {
		if !known[id] && b.local[id] == nil {
			missing = append(missing, id)
		}
	}
	b.mu.RUnlock()
	if len(missing) == 0 {
		return nil
	}
	js, err := b.server.JetStream()
	if err != nil {
		return err
	}
	for _, id := range missing {
		entry, err := js.GetLastMsg("KV_"+b.subjects.bucket(), b.subjects.entry(id), natsgo.Context(ctx)) // of the leader
		switch {
		case errors.Is(err, natsgo.ErrMsgNotFound), errors.Is(err, natsgo.ErrStreamNotFound):
		case err != nil:
			return err
		case entry.Header.Get("KV-Operation") == "":
			known[id] = true
		}
	}
	return nil
}

// know notes that a component has a durable mailbox. It reports whether that is new.
func (b *Broker) know(id core.ComponentID) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.mail.known[id] {
		return false
	}
	b.mail.known[id] = true
	if r := b.remotes[id]; r != nil {
		r.overtake(true)
	}
	if r := b.mail.routes[id]; r != nil {
		r.gone.Store(false)
		b.followLocked(r)
	}
	return true
}

// keepDirectory reads the directory again and again until done is closed.
func (b *Broker) keepDirectory(done <-chan struct{}) {
	every := time.NewTicker(directoryPause)
	defer every.Stop()
	for {
		select {
		case <-done:
			return
		case <-b.mail.kick:
		case <-every.C:
		}
		if b.refusal.Load() != nil || b.mail.denied.Load() {
			continue
		}
		ctx, cancel := b.setUpContext()
		if err := b.readDirectory(ctx); err != nil {
			b.log.Debug("the directory of durable mailboxes cannot be read", "reason", err.Error())
		}
		cancel()
	}
}

// kickDirectory makes keepDirectory read the directory soon.
func (b *Broker) kickDirectory() {
	select {
	case b.mail.kick <- struct{}{}:
	default:
	}
}

// durables is a word for the set of this host's components with durable mailboxes, for its beats; it
// is empty without any. It is another one after each entry in the directory: hosts that have heard it
// before have looked too early.
func (b *Broker) durables() string {
	var all []string
	for _, x := range b.mailboxes() {
		all = append(all, x.at.id.String())
	}
	if all == nil {
		return ""
	}
	slices.Sort(all)
	all = append(all, fmt.Sprint(b.mail.entries.Load()))
	sum := fnv.New64a()
	_, _ = sum.Write([]byte(strings.Join(all, " "))) // it does not fail
	return fmt.Sprintf("%x", sum.Sum64())
}
