// Package plugin is a broker in a process of its own: an executable that carries
// messages, by whatever it likes, between this host and others. Package
// github.com/airhost/airhost/plugin has what such an executable is made of, and
// docs/extensions.md describes both sides.
//
// The host never waits for the process: a message is handed over, or refused at
// once with queue-full where too many wait for the process, and with unavailable
// where it is down. When it dies, what it had taken and not confirmed is
// undelivered, the requests that it carried end with unavailable, and it is
// started again by its restart policy.
package plugin

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/extension"
	"github.com/airhost/airhost/internal/spawn"
)

// kind is what the process is started as.
const kind = "broker"

// DefaultWindow is how many messages wait for the process at most, unless the
// Config says otherwise.
const DefaultWindow = 8192

// windowBytes is how many bytes of messages wait until no more are taken.
const windowBytes = 64 << 20

// Config says which executable is the broker. Path is required.
type Config struct {
	// Path is the executable's file; it is not looked up in PATH.
	Path string
	Args []string // without the program's name
	// Env is its whole environment as KEY=value; nothing of the host's is added
	// but what the handshake needs.
	Env []string
	// SHA256 is the checksum that the executable must have, or empty.
	SHA256 []byte
	// StartTimeout is how long it may take until it is ready; 10 s by default.
	StartTimeout time.Duration
	// Restart says when the process is started again after its death.
	Restart core.Restart
	// LogLines and LogBytes are how many of the lines that it prints, and how many
	// bytes of them, are logged in a second; 1,000 and 1 MiB by default. That more
	// are dropped is logged too.
	LogLines int
	LogBytes int64
	// Window is how many messages may wait for the process or for its receipt,
	// at least 1; 0 stands for [DefaultWindow]. More are refused with queue-full, as
	// are all while 64 MiB wait.
	// Answers on their way to other hosts may take as many places again.
	Window int
	// Logger takes the process's output and what becomes of it; slog.Default()
	// if nil.
	Logger *slog.Logger
}

// Broker is a [core.Broker], and a [core.Carrier].
type Broker struct {
	extension extension.Extension
	window    int
	counts    counts

	mu        sync.RWMutex // guards what follows; taken before a session's
	state     state
	home      core.Origin
	name      string // of this host, to others
	receivers map[core.ComponentID]core.Receiver
	origins   map[string]*origin

	session atomic.Pointer[session] // with the process, or nil while it is down
}

type state uint8

const (
	made state = iota
	open
	closed
)

// counts are what a broker counts.
type counts struct{ left, arrived, lost, discarded atomic.Uint64 }

var _ core.Carrier = (*Broker)(nil)

// New returns a broker whose process has not been started. An error says what is
// wrong with config.
func New(config Config) (*Broker, error) {
	if config.Path == "" {
		return nil, errors.New("plugin broker: want the path of an executable")
	}
	if config.Logger == nil {
		config.Logger = slog.Default()
	}
	command := spawn.Command{
		Kind: kind, Path: config.Path, Args: config.Args, Env: config.Env, SHA256: config.SHA256, StartTimeout: config.StartTimeout,
		Logs: spawn.Logs{Lines: config.LogLines, Bytes: config.LogBytes},
	}
	extension.LogOutput(&command, config.Logger)
	return newBroker(config, func(ctx context.Context) (extension.Process, error) {
		return extension.Spawn(ctx, command)
	})
}

func newBroker(config Config, start func(context.Context) (extension.Process, error)) (*Broker, error) {
	restart, err := config.Restart.WithDefaults()
	switch {
	case err != nil:
		return nil, fmt.Errorf("plugin broker: %w", err)
	case config.LogLines < 0 || config.LogBytes < 0:
		return nil, fmt.Errorf("plugin broker: %d lines and %d bytes of log, want 0 (for the default) or more", config.LogLines, config.LogBytes)
	case config.Window < 0:
		return nil, fmt.Errorf("plugin broker: window %d, want at least 1, or 0 for %d", config.Window, DefaultWindow)
	case config.Window == 0:
		config.Window = DefaultWindow
	}
	b := &Broker{
		window: config.Window, name: strings.ToLower(rand.Text()),
		receivers: make(map[core.ComponentID]core.Receiver), origins: make(map[string]*origin),
	}
	b.extension = extension.Extension{
		Name: kind + " " + config.Path, Start: start, Talk: b.talk,
		StartTimeout: config.StartTimeout, Restart: restart, Logger: config.Logger,
	}
	return b, nil
}

// Open implements [core.Broker]: it starts the process, and returns when that is
// connected to whatever is behind it.
func (b *Broker) Open(ctx context.Context, home core.Origin) error {
	if home == nil {
		return errors.New("open plugin broker: want an origin, for what cannot be delivered")
	}
	b.mu.Lock()
	switch b.state {
	case open:
		b.mu.Unlock()
		return errors.New("open plugin broker: it is open already; a broker serves one host")
	case closed:
		b.mu.Unlock()
		return core.ErrClosed
	}
	b.state, b.home = open, home
	b.mu.Unlock()
	err := b.extension.Open(ctx)
	if err != nil {
		b.mu.Lock()
		b.state = closed
		b.mu.Unlock()
	}
	return err
}

// Attach implements [core.Broker]. It does not wait for the process.
func (b *Broker) Attach(id core.ComponentID, r core.Receiver) error {
	if id.IsZero() || r == nil {
		return errors.New("attach to plugin broker: want a component id and a receiver")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.check(); err != nil {
		return err
	}
	if _, ok := b.receivers[id]; ok {
		return fmt.Errorf("attach %s to plugin broker: it is attached already", id)
	}
	b.receivers[id] = r
	if s := b.session.Load(); s != nil {
		s.subscribe(componentTopic(id))
	}
	return nil
}

// check returns why the broker, whose lock is held, cannot be used.
func (b *Broker) check() error {
	switch b.state {
	case made:
		return errors.New("plugin broker: Open must be called first")
	case closed:
		return core.ErrClosed
	}
	return nil
}

// Detach implements [core.Broker]. What still arrives goes to Origin.Undelivered.
func (b *Broker) Detach(id core.ComponentID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.receivers[id]; !ok {
		return
	}
	delete(b.receivers, id)
	if s := b.session.Load(); s != nil {
		s.unsubscribe(componentTopic(id))
	}
}

// Route implements [core.Broker]. Who has the target is known to the process
// alone, so that there is a route to every id but the zero one; whose target nobody
// has is undelivered.
func (b *Broker) Route(target core.ComponentID) (core.Receiver, error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if err := b.check(); err != nil {
		return nil, err
	}
	if target.IsZero() {
		return nil, &core.MessagingError{Case: core.CaseTargetNotFound}
	}
	return route{b}, nil
}

// route is the way to any target: the message says to which.
type route struct{ broker *Broker }

// Deliver implements [core.Receiver].
func (r route) Deliver(m *core.Message) error {
	if s := r.broker.session.Load(); s != nil {
		return s.deliver(m)
	}
	return errDown
}

// Close implements [core.Broker]. It fails if ctx ends before the process has
// handed over what it still had; the process is killed then. A second Close
// returns nil.
func (b *Broker) Close(ctx context.Context) error {
	b.mu.Lock()
	opened := b.state == open
	b.state = closed
	b.mu.Unlock()
	if !opened {
		return nil
	}
	return b.extension.Close(ctx)
}

// Traffic implements [core.Carrier].
func (b *Broker) Traffic() (left, arrived uint64) {
	return b.counts.left.Load(), b.counts.arrived.Load()
}

// Counters count what came to grief on the way, and of which nobody else is
// told.
type Counters struct {
	Lost      uint64 // answers that could not be sent to their host: the request there times out
	Discarded uint64 // arrivals that are no message of this version
}

// Counters returns the counters.
func (b *Broker) Counters() Counters {
	return Counters{Lost: b.counts.lost.Load(), Discarded: b.counts.discarded.Load()}
}

// origin is another host, or this one, to which the answers of requests go that
// have come from there.
type origin struct {
	broker *Broker
	host   string
}

// maxOrigins bounds how many origins are kept at hand.
const maxOrigins = 4096

func (b *Broker) origin(host string) *origin {
	b.mu.RLock()
	o := b.origins[host]
	b.mu.RUnlock()
	if o != nil {
		return o
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.origins) >= maxOrigins {
		clear(b.origins)
	}
	o = &origin{b, host}
	b.origins[host] = o
	return o
}

// Respond implements [core.Origin].
func (o *origin) Respond(m *core.Message) {
	if s := o.broker.session.Load(); s == nil || !s.answer(m, o.host) {
		o.broker.counts.lost.Add(1)
		m.Release()
	}
}

// Undelivered implements [core.Origin].
func (o *origin) Undelivered(m *core.Message, reason error) {
	if !m.IsRequest() {
		m.Release() // to be noted where it is undeliverable, which is not there
		return
	}
	m.Fail(core.Undelivered(core.AsMessagingError(reason)))
	o.Respond(m)
}

func componentTopic(id core.ComponentID) string { return "component/" + id.String() }
func hostTopic(name string) string              { return "host/" + name }
