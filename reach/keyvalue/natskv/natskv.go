// Package natskv keeps the buckets of components in a stream of NATS JetStream, which all hosts
// of a cluster share: a component that moves to another host finds its keys there.
//
// The stream is laid out as a bucket of NATS' own key-value store, so that its tools can read it. A
// change and the usage of its bucket are published in one atomic batch, which the server refuses if
// either of them was changed meanwhile: so the quota of a bucket holds for all hosts together. Atomic
// batches came with version 2.12 of the server (ADR-50 of NATS).
package natskv

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
)

// Config are the settings of a store.
type Config struct {
	// Broker has the connection. It may be set later, by Use.
	Broker Broker
	// Bucket is the name of the bucket in NATS, of letters, digits, '-' and '_'.
	Bucket string
	// Replicas is how many servers keep a stream that the store makes: 1 to 5; 1 by default.
	// One that is there keeps its own.
	Replicas int
	// Logger gets the failures that no call returns; slog.Default() if nil.
	Logger *slog.Logger
}

// Broker has a connection to NATS, as the one of brokers/nats.
type Broker interface {
	// Connection returns the connection, or why there is none now. The store does not close
	// it. It must not keep messages that are published while it is lost (ReconnectBufSize below 0):
	// such a change would be made after its caller has got an error.
	Connection() (*nats.Conn, error)
}

// Store is a store in NATS. Its methods may be called from any goroutine.
type Store struct {
	config Config
	log    *slog.Logger
	scans  chan struct{} // has an entry for each scan in progress
	// patience is how long one call waits for NATS.
	patience time.Duration

	mu      sync.Mutex // guards the following
	broker  Broker     // nil before it is known
	buckets map[string]*bucket
	stream  jetstream.Stream // nil until it was looked for
	of      *nats.Conn       // the connection of stream
	made    time.Time        // when the stream was made
	listed  int              // bytes of the keys of all listings that are kept
}

const (
	defaultPatience = 5 * time.Second
	// askAgain is how long a question to NATS may take before it is asked again.
	askAgain = 500 * time.Millisecond
	// maxScans is how many scans of a store there are at once.
	maxScans = 4
	// maxListed bounds the keys, in bytes, of listings that are kept for their next page.
	maxListed = 64 << 20
)

// New returns a store. It connects nothing.
func New(c Config) *Store {
	s := &Store{config: c, log: c.Logger, broker: c.Broker, scans: make(chan struct{}, maxScans), patience: defaultPatience, buckets: make(map[string]*bucket)}
	if s.log == nil {
		s.log = slog.Default()
	}
	return s
}

// Use sets the broker of a store that was made without one.
func (s *Store) Use(b Broker) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broker = b
}

var errNoBroker = errors.New("the host has not connected to NATS yet")

// connection returns the broker's.
func (s *Store) connection() (*nats.Conn, error) {
	s.mu.Lock()
	b := s.broker
	s.mu.Unlock()
	if b == nil {
		return nil, errNoBroker
	}
	return b.Connection()
}

// Close does nothing, since the connection is the caller's.
func (s *Store) Close() error { return nil }

// Blocks implements [host.KeyValueStore].
func (s *Store) Blocks() bool { return true }

// Bucket implements [host.KeyValueStore].
func (s *Store) Bucket(name string) host.StoreBucket { return s.bucket(name) }

func (s *Store) bucket(name string) *bucket {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.buckets[name]
	if b == nil {
		b = &bucket{store: s, name: name, turn: make(chan struct{}, 1)}
		s.buckets[name] = b
	}
	return b
}

// Stream returns the name of the stream in NATS.
func (s *Store) Stream() string { return "KV_" + s.config.Bucket }

// subject is that of all of the stream's messages, or of those below a part.
func (s *Store) subject(parts ...string) string {
	return "$KV." + s.config.Bucket + "." + strings.Join(parts, ".")
}

// streamConfig is that of the stream. AllowDirect is off: all reads are of the stream's leader,
// which has all that was written before.
func (s *Store) streamConfig() jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name: s.Stream(), Description: "what the components of airhost keep", Subjects: []string{s.subject(">")},
		Discard: jetstream.DiscardNew, MaxMsgsPerSubject: 1, MaxMsgs: -1, MaxBytes: -1, Storage: jetstream.FileStorage,
		Replicas: max(1, s.config.Replicas), DenyDelete: true, AllowMsgTTL: true, AllowAtomicPublish: true,
	}
}

// misfit says why a stream cannot keep the buckets, or nothing.
func misfit(have, want jetstream.StreamConfig) string {
	switch {
	case !have.AllowAtomicPublish:
		return "has no allow_atomic, which needs NATS 2.12 or later"
	case !have.AllowMsgTTL:
		return "has no allow_msg_ttl"
	case have.AllowDirect:
		return "has allow_direct, by which reads may be old"
	case have.MaxMsgsPerSubject != 1 || have.Discard != jetstream.DiscardNew:
		return "does not keep the last message of each subject (max_msgs_per_subject 1, discard new)"
	case have.MaxAge > 0:
		return fmt.Sprintf("forgets messages after %v (max_age)", have.MaxAge)
	case len(have.Subjects) != 1 || have.Subjects[0] != want.Subjects[0]:
		return fmt.Sprintf("has the subjects %q, want %q", have.Subjects, want.Subjects)
	}
	return ""
}

// open returns the stream, which it makes if there is none.
func (s *Store) open(ctx context.Context) (jetstream.Stream, *nats.Conn, error) {
	conn, err := s.connection()
	if err != nil {
		return nil, nil, err
	}
	s.mu.Lock()
	stream := s.stream
	if s.of != conn {
		stream = nil
	}
	s.mu.Unlock()
	if stream != nil {
		return stream, conn, nil
	}
	stream, err = s.find(ctx, conn)
	if err != nil {
		return nil, nil, fmt.Errorf("the stream %s of NATS: %w", s.Stream(), explained(err))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if made := stream.CachedInfo().Created; !made.Equal(s.made) {
		if !s.made.IsZero() {
			s.log.Error("the stream of the key-value store was made anew: the values that were in it are lost", "stream", s.Stream())
		}
		s.made, s.listed = made, 0
		for _, b := range s.buckets {
			b.listing = nil
		}
	}
	s.stream, s.of = stream, conn
	return stream, conn, nil
}

// find looks for the stream, or makes it.
func (s *Store) find(ctx context.Context, conn *nats.Conn) (jetstream.Stream, error) {
	js, err := jetstream.New(conn)
	if err != nil {
		return nil, err
	}
	stream, err := again(ctx, func(ctx context.Context) (jetstream.Stream, error) { return findStream(ctx, js, s.streamConfig()) })
	if err != nil {
		return nil, err
	}
	return stream, s.fits(stream)
}

// findStream looks for a stream, or makes it.
func findStream(ctx context.Context, js jetstream.JetStream, want jetstream.StreamConfig) (jetstream.Stream, error) {
	stream, err := js.Stream(ctx, want.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		stream, err = js.CreateStream(ctx, want)
		if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) { // another host was faster
			stream, err = js.Stream(ctx, want.Name)
		}
	}
	return stream, err
}

// Check returns an error unless NATS has the stream, or could make it, and it can keep buckets. It
// returns how many servers keep the stream, or 0 if it is not there yet.
func (s *Store) Check(ctx context.Context) (replicas int, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.patience)
	defer cancel()
	conn, err := s.connection()
	if err != nil {
		return 0, err
	}
	js, err := jetstream.New(conn)
	if err != nil {
		return 0, err
	}
	stream, err := js.Stream(ctx, s.Stream())
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound):
		return 0, nil
	case err == nil:
		replicas, err = stream.CachedInfo().Config.Replicas, s.fits(stream)
	}
	if err != nil {
		return 0, fmt.Errorf("the stream %s of NATS: %w", s.Stream(), explained(err))
	}
	return replicas, nil
}

// fits returns an error for a stream that cannot keep the buckets.
func (s *Store) fits(stream jetstream.Stream) error {
	if why := misfit(stream.CachedInfo().Config, s.streamConfig()); why != "" {
		return fmt.Errorf("it %s: change it (nats stream edit), or choose another host.nats.cluster", why)
	}
	return nil
}

// explained adds advice to an error of JetStream.
func explained(err error) error {
	var refused *jetstream.APIError
	switch {
	case errors.Is(err, nats.ErrNoResponders), errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount):
		return fmt.Errorf("%w: keyvalue with store: nats needs JetStream in the NATS servers (jetstream {store_dir: …} in nats-server.conf)", err)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("NATS has not answered: %w (does it permit what airhost nats permissions has?)", err)
	case errors.As(err, &refused) && (refused.ErrorCode == 10074 || refused.ErrorCode == 10005):
		return fmt.Errorf("%w: there are fewer NATS servers with JetStream than host.nats.replicas", err)
	}
	return err
}

// forget makes the next call look for the stream again, if the last one has not found it.
func (s *Store) forget(err error) {
	if errors.Is(err, nats.ErrNoResponders) || errors.Is(err, jetstream.ErrStreamNotFound) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.stream = nil
	}
}

// bucket is a bucket in the stream. Its messages are on two kinds of subjects, behind its name: "u" has
// its usage, "k" and a key has that key's value. A key that was removed has a message with the header
// that NATS uses for it, for a while: it keeps versions apart.
type bucket struct {
	store *Store
	name  string
	turn  chan struct{} // has an entry while this host changes the bucket

	listing *listing // for the next page; guarded by store.mu
}

const (
	usagePart = "u"
	keyPart   = "k"
)

func (b *bucket) usageSubject() string { return b.store.subject(encode(b.name), usagePart) }

func (b *bucket) keySubject(key string) string {
	return b.store.subject(encode(b.name), keyPart, encode(key))
}

// entry is the last message of a subject.
type entry struct {
	sequence uint64 // 0 if there is nothing
	removed  bool
	data     []byte
}

func (e *entry) value() core.Value {
	if e.removed || e.sequence == 0 {
		return core.Value{}
	}
	return core.Value{Data: e.data, Version: e.sequence}
}

// The header of NATS for a key that was removed.
const (
	operation = "KV-Operation"
	removal   = "DEL"
)

// last returns the entry of a subject.
func (b *bucket) last(ctx context.Context, subject string) (entry, error) {
	stream, _, err := b.store.open(ctx)
	if err != nil {
		return entry{}, err
	}
	got, err := ask(ctx, stream, subject)
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return entry{}, nil
	case err != nil:
		b.store.forget(err)
		return entry{}, explained(err)
	}
	return entry{sequence: got.Sequence, removed: got.Header.Get(operation) != "", data: got.Data}, nil
}

// ask asks for the last message of a subject.
func ask(ctx context.Context, stream jetstream.Stream, subject string) (*jetstream.RawStreamMsg, error) {
	return again(ctx, func(ctx context.Context) (*jetstream.RawStreamMsg, error) {
		return stream.GetLastMsgForSubject(ctx, subject)
	})
}

// again asks NATS a question that changes nothing the second time, until there is an answer: one is lost
// while the servers choose their leader. It waits longer each time.
func again[A any](ctx context.Context, question func(ctx context.Context) (A, error)) (A, error) {
	for patience := askAgain; ; patience *= 2 {
		within, cancel := context.WithTimeout(ctx, patience)
		answer, err := question(within)
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
			return answer, err
		}
	}
}

// Get implements [host.StoreBucket].
func (b *bucket) Get(ctx context.Context, key string) (core.Value, error) {
	ctx, cancel := context.WithTimeout(ctx, b.store.patience)
	defer cancel()
	e, err := b.last(ctx, b.keySubject(key))
	return e.value(), err
}

// usage is that of a bucket, as its message has it.
type usage struct {
	Bytes int64 `json:"bytes"`
	Keys  int64 `json:"keys"`
	// Changes is another one after each change of the set of keys.
	Changes uint64 `json:"changes"`
}

// readUsage returns the usage with the sequence of its message.
func (b *bucket) readUsage(ctx context.Context) (u usage, sequence uint64, err error) {
	e, err := b.last(ctx, b.usageSubject())
	if err != nil || e.sequence == 0 {
		return usage{}, 0, err
	}
	if err := json.Unmarshal(e.data, &u); err != nil {
		return usage{}, 0, fmt.Errorf("the usage of the bucket %s in NATS is damaged: %w", b.name, err)
	}
	return u, e.sequence, nil
}

// Usage implements [host.StoreBucket].
func (b *bucket) Usage(ctx context.Context) (host.BucketUsage, error) {
	ctx, cancel := context.WithTimeout(ctx, b.store.patience)
	defer cancel()
	u, _, err := b.readUsage(ctx)
	return host.BucketUsage{Bytes: u.Bytes, Keys: u.Keys}, err
}

// plain are the bytes that may stand in a part of a subject as they are. '=' begins all others, with two
// hex digits.
func plain(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '/'
}

// encode makes a part of a subject of a name or a key.
func encode(text string) string {
	var b strings.Builder
	for i := range len(text) {
		if plain(text[i]) {
			b.WriteByte(text[i])
		} else {
			fmt.Fprintf(&b, "=%02X", text[i])
		}
	}
	return b.String()
}

// decode is the inverse of encode.
func decode(part string) (string, bool) {
	text := make([]byte, 0, len(part))
	for i := 0; i < len(part); i++ {
		c := part[i]
		if c == '=' {
			if i+2 >= len(part) {
				return "", false
			}
			if _, err := fmt.Sscanf(part[i+1:i+3], "%02X", &c); err != nil {
				return "", false
			}
			i += 2
		}
		text = append(text, c)
	}
	return string(text), true
}
