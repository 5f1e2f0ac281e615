// Package plugin is a tracker in a process of its own: an executable that says
// when a request has waited too long. Package github.com/airhost/airhost/plugin
// has what such an executable is made of, and docs/extensions.md describes both
// sides.
//
// The host never waits for the process: it gives requests their ids and knows who
// waits for them, so that all of a tracker's methods but its timers are done in
// place. That costs a lock and a map, and what goes to the process is told behind
// the sender's back. When the process dies, all pending requests end with
// unavailable, new ones are refused with unavailable, and the process is started
// again by its restart policy.
package plugin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/extension"
	"github.com/airhost/airhost/internal/spawn"
)

// kind is what the process is started as.
const kind = "tracker"

// Config says which executable is the tracker. Path is required.
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
	// Logger takes the process's output and what becomes of it; slog.Default()
	// if nil.
	Logger *slog.Logger
}

// Tracker is a [core.Tracker]. It must be started, before its host is.
type Tracker struct {
	extension extension.Extension
	begin     time.Time

	mu       sync.Mutex // guards what follows
	state    state
	last     core.RequestID // that was given
	requests map[core.RequestID]request
	earliest time.Duration // no request's deadline is before it
	session  *session      // with the process, or nil while it is down
}

type state uint8

const (
	made state = iota
	started
	closed
)

// request is a pending request.
type request struct {
	waiter   core.Waiter
	deadline time.Duration // since begin
	place    place         // of the change that tells the process of it
}

var _ core.Tracker = (*Tracker)(nil)

// The refusals that are the same for all.
var (
	errDown   = &core.MessagingError{Case: core.CaseUnavailable, Text: "the tracker is down"}
	errBehind = &core.MessagingError{Case: core.CaseUnavailable, Text: "the tracker does not keep up"}
	errDied   = &core.RequestError{Reason: core.ReasonUnavailable, Text: "the tracker died"}
)

// New returns a tracker whose process has not been started. An error says what is
// wrong with config.
func New(config Config) (*Tracker, error) {
	if config.Path == "" {
		return nil, errors.New("plugin tracker: want the path of an executable")
	}
	if config.Logger == nil {
		config.Logger = slog.Default()
	}
	command := spawn.Command{
		Kind: kind, Path: config.Path, Args: config.Args, Env: config.Env, SHA256: config.SHA256, StartTimeout: config.StartTimeout,
		Logs: spawn.Logs{Lines: config.LogLines, Bytes: config.LogBytes},
	}
	extension.LogOutput(&command, config.Logger)
	return newTracker(config, func(ctx context.Context) (extension.Process, error) {
		return extension.Spawn(ctx, command)
	})
}

func newTracker(config Config, start func(context.Context) (extension.Process, error)) (*Tracker, error) {
	restart, err := config.Restart.WithDefaults()
	if err != nil {
		return nil, fmt.Errorf("plugin tracker: %w", err)
	}
	if config.LogLines < 0 || config.LogBytes < 0 {
		return nil, fmt.Errorf("plugin tracker: %d lines and %d bytes of log, want 0 (for the default) or more", config.LogLines, config.LogBytes)
	}
	t := &Tracker{begin: time.Now(), last: core.RequestID(rand.Uint64()), requests: make(map[core.RequestID]request)}
	t.extension = extension.Extension{
		Name: kind + " " + config.Path, Start: start, Talk: t.talk,
		StartTimeout: config.StartTimeout, Restart: restart, Logger: config.Logger,
	}
	return t, nil
}

// Start starts the process, and returns when that is ready, or when ctx ends. A
// tracker is started once; until then it refuses all requests.
func (t *Tracker) Start(ctx context.Context) error {
	t.mu.Lock()
	switch t.state {
	case started:
		t.mu.Unlock()
		return errors.New("start plugin tracker: it was started before")
	case closed:
		t.mu.Unlock()
		return core.ErrClosed
	}
	t.state = started
	t.mu.Unlock()
	err := t.extension.Open(ctx)
	if err != nil {
		t.mu.Lock()
		t.state = closed
		t.mu.Unlock()
	}
	return err
}

// Register implements [core.Tracker]. It is unavailable while the process is
// down, and where that does not keep up with hundreds of thousands of requests.
func (t *Tracker) Register(w core.Waiter, timeout time.Duration) (core.RequestID, error) {
	switch {
	case timeout <= 0 || timeout > core.MaxTimeout:
		return 0, invalid("timeout %v: want above 0 and at most %v", timeout, core.MaxTimeout)
	case w == nil:
		return 0, invalid("a request needs a waiter")
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.state == closed:
		return 0, core.ErrClosed
	case t.session == nil:
		return 0, errDown
	case t.session.full():
		return 0, errBehind
	}
	t.last++
	if t.last == 0 {
		t.last++
	}
	deadline := t.now() + timeout
	if len(t.requests) == 0 || deadline < t.earliest {
		t.earliest = deadline
	}
	t.requests[t.last] = request{w, deadline, t.session.add(t.last, int64(timeout))}
	return t.last, nil
}

func invalid(format string, args ...any) error {
	return &core.MessagingError{Case: core.CaseInvalidArgument, Text: fmt.Sprintf(format, args...)}
}

// now is the time since the tracker was made.
func (t *Tracker) now() time.Duration { return time.Since(t.begin) }

// Resolve implements [core.Tracker].
func (t *Tracker) Resolve(id core.RequestID) (core.Waiter, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r, pending := t.requests[id]
	if pending {
		t.end(id, r, answered)
	}
	return r.waiter, pending
}

// Cancel implements [core.Tracker].
func (t *Tracker) Cancel(id core.RequestID, w core.Waiter) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	r, pending := t.requests[id]
	if !pending || r.waiter != w {
		return false
	}
	t.end(id, r, canceled)
	return true
}

// Remove implements [core.Tracker].
func (t *Tracker) Remove(w core.Waiter) []core.RequestID {
	t.mu.Lock()
	defer t.mu.Unlock()
	var ids []core.RequestID
	for id, r := range t.requests {
		if r.waiter == w {
			ids = append(ids, id)
			t.end(id, r, canceled)
		}
	}
	return ids
}

// end removes a request, with t.mu held, and has the process told.
func (t *Tracker) end(id core.RequestID, r request, how int64) {
	delete(t.requests, id)
	if t.session == nil {
		return
	}
	moved := t.session.end(id, r.place, how)
	if other, pending := t.requests[moved]; pending {
		other.place = r.place
		t.requests[moved] = other
	}
}

// IsPending implements [core.Tracker].
func (t *Tracker) IsPending(id core.RequestID) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, ok := t.requests[id]
	return ok
}

// Pending implements [core.Tracker].
func (t *Tracker) Pending() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.requests)
}

// Close implements [core.Tracker]: it ends the process as well, by force where it
// does not end in time. A second Close returns nil.
func (t *Tracker) Close() error {
	t.mu.Lock()
	running := t.state == started
	t.state = closed
	clear(t.requests)
	t.mu.Unlock()
	if !running {
		return nil
	}
	return t.extension.Close(context.Background())
}
