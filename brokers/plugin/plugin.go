// Package plugin is a broker in a process of its own, which carries messages between
// this host and others. The package github.com/airhost/airhost/plugin helps to write
// the executable of such a process, and docs/extensions.md describes both sides.
//
// The host never waits for the process. A message is refused with queue-full if too
// many wait for the process, and with unavailable while the process is down. If the
// process dies, the messages that it has not confirmed are undelivered, the requests
// that it carried end with unavailable, and it is restarted by its restart policy.
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

// kind is the kind of extension for which the process is started.
const kind = "broker"

// DefaultWindow is the default of [Config.Window].
const DefaultWindow = 8192

// windowBytes is the size of waiting messages from which on messages are refused.
const windowBytes = 64 << 20

// Config names the executable of the broker. Path is required.
type Config struct {
	// Path is the file of the executable; it is not looked up in PATH.
	Path string
	Args []string // without the program's name
	// Env is the environment of the process as KEY=value. Only the variables of the
	// handshake are added, and none of the host's environment.
	Env []string
	// SHA256 is the checksum that the executable must have; empty for any.
	SHA256 []byte
	// StartTimeout is the longest time until the process is ready; 10 s by default.
	StartTimeout time.Duration
	// Restart says when the process is started again after its death.
	Restart core.Restart
	// LogLines and LogBytes are the most lines and bytes of the process's output that
	// are logged in a second; 1,000 and 1 MiB by default. The broker drops the lines
	// above that, and logs their number.
	LogLines int
	LogBytes int64
	// Window is the most messages that may wait for the process or for its receipt,
	// at least 1; 0 stands for [DefaultWindow]. More are refused with queue-full, and
	// so are all messages while 64 MiB wait. As many outcomes for other hosts may wait
	// in addition.
	Window int
	// Logger gets the output of the process, its ends and its restarts;
	// slog.Default() if nil.
	Logger *slog.Logger
}

// Broker is a [core.Broker], and a [core.Carrier].
type Broker struct {
	extension extension.Extension
	window    int
	counts    counts

	mu        sync.RWMutex // guards the fields below; locked before a session's mu
	state     state
	home      core.Origin
	name      string // of this host, for other hosts
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

// counts holds the counters of a broker.
type counts struct{ left, arrived, lost, discarded atomic.Uint64 }

var _ core.Carrier = (*Broker)(nil)

// New returns a broker with a process that is not started yet, or an error if config is
// wrong.
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

// Open implements [core.Broker]. It starts the process, and returns when the process is
// connected to the system behind it.
func (b *Broker) Open(ctx context.Context, home core.Origin) error {
	if home == nil {
		return errors.New("open plugin broker: want an origin, for undeliverable messages")
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
	if err := b.checkLocked(); err != nil {
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

// checkLocked returns an error unless the broker is open. The caller holds b.mu.
func (b *Broker) checkLocked() error {
	switch b.state {
	case made:
		return errors.New("plugin broker: Open must be called first")
	case closed:
		return core.ErrClosed
	}
	return nil
}

// Detach implements [core.Broker]. Messages that still arrive go to Origin.Undelivered.
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

// Route implements [core.Broker]. It returns a route to every id but the zero one,
// because only the process knows which host has a target. A message is undelivered if
// no host has its target.
func (b *Broker) Route(target core.ComponentID) (core.Receiver, error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if err := b.checkLocked(); err != nil {
		return nil, err
	}
	if target.IsZero() {
		return nil, &core.MessagingError{Case: core.CaseTargetNotFound}
	}
	return route{b}, nil
}

// route is the route to all targets: each message names its own.
type route struct{ broker *Broker }

// Deliver implements [core.Receiver].
func (r route) Deliver(m *core.Message) error {
	if s := r.broker.session.Load(); s != nil {
		return s.deliver(m)
	}
	return errDown
}

// Close implements [core.Broker]. It fails and kills the process if ctx ends before the
// process has handed over its messages. A second Close returns nil.
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

// Counters counts losses that nothing else reports.
type Counters struct {
	Lost      uint64 // answers that could not be sent to their host: the request there times out
	Discarded uint64 // arrivals that are not messages of this version
}

// Counters returns the counters.
func (b *Broker) Counters() Counters {
	return Counters{Lost: b.counts.lost.Load(), Discarded: b.counts.discarded.Load()}
}

// origin is the host that an arrived request came from; it may be this host. The outcome
// of the request goes there.
type origin struct {
	broker *Broker
	host   string
}

// maxOrigins is the most origins that a broker keeps.
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
		m.Release() // not a dead letter of the sending host
		return
	}
	m.Fail(core.Undelivered(core.AsMessagingError(reason)))
	o.Respond(m)
}

func componentTopic(id core.ComponentID) string { return "component/" + id.String() }
func hostTopic(name string) string              { return "host/" + name }
