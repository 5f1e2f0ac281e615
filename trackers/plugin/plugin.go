// Package plugin is a tracker with its timers in a process of their own. The package
// github.com/airhost/airhost/plugin helps to write the executable of such a process,
// and docs/extensions.md describes both sides.
//
// The host never waits for the process. The tracker keeps ids and waiters in the host,
// under one lock, and sends the changes to the process in the background. If the
// process dies, all pending requests end with unavailable, new requests are refused
// with unavailable, and the process is restarted by its restart policy.
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

// kind is the kind of extension for which the process is started.
const kind = "tracker"

// Config names the executable of the tracker. Path is required.
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
	// are logged in a second; 1,000 and 1 MiB by default. The tracker drops the lines
	// above that, and logs their number.
	LogLines int
	LogBytes int64
	// Logger gets the output of the process, its ends and its restarts;
	// slog.Default() if nil.
	Logger *slog.Logger
}

// Tracker is a [core.Tracker]. It must be started before its host.
type Tracker struct {
	extension extension.Extension
	begin     time.Time

	mu       sync.Mutex // guards the fields below
	state    state
	last     core.RequestID // the id of the last request
	requests map[core.RequestID]request
	earliest time.Duration // no deadline of a request is before it
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
	place    place         // of the change with its timeout
}

var _ core.Tracker = (*Tracker)(nil)

// Errors that are the same for all requests.
var (
	errDown   = &core.MessagingError{Case: core.CaseUnavailable, Text: "the tracker is down"}
	errBehind = &core.MessagingError{Case: core.CaseUnavailable, Text: "the tracker does not keep up"}
	errDied   = &core.RequestError{Reason: core.ReasonUnavailable, Text: "the tracker died"}
)

// New returns a tracker with a process that is not started yet, or an error if config
// is wrong.
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

// Start starts the process, and returns when the process is ready or ctx ends. A
// tracker is started once. Before that it refuses all requests.
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

// Register implements [core.Tracker]. The error is unavailable while the process is
// down, and while hundreds of thousands of changes wait for the process.
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
	case t.session.fullLocked():
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
	t.requests[t.last] = request{w, deadline, t.session.addLocked(t.last, int64(timeout))}
	return t.last, nil
}

func invalid(format string, args ...any) error {
	return &core.MessagingError{Case: core.CaseInvalidArgument, Text: fmt.Sprintf(format, args...)}
}

// now returns the time since New.
func (t *Tracker) now() time.Duration { return time.Since(t.begin) }

// Resolve implements [core.Tracker].
func (t *Tracker) Resolve(id core.RequestID) (core.Waiter, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r, pending := t.requests[id]
	if pending {
		t.endLocked(id, r, answered)
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
	t.endLocked(id, r, canceled)
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
			t.endLocked(id, r, canceled)
		}
	}
	return ids
}

// endLocked removes a request, and adds this change for the process. The caller holds
// t.mu.
func (t *Tracker) endLocked(id core.RequestID, r request, kind int64) {
	delete(t.requests, id)
	if t.session == nil {
		return
	}
	moved := t.session.endLocked(id, r.place, kind)
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

// Close implements [core.Tracker]. It also ends the process, by force if it does not
// end in time. A second Close returns nil.
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
