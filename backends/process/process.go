// Package process runs components as separate processes. It is for code that cannot
// be WebAssembly, such as drivers, native libraries and other languages' runtimes.
// Such a component uses the same contract, and the host makes the same checks. Its
// other actions on the machine are bounded by the operating system alone: the host
// trusts it like any program of the host's user.
//
// A process that crashes, hangs, floods its host or breaks the protocol is handled
// like a guest that traps. The last words on its standard error become the reason
// and the details of the [core.TrapError].
//
// A process inherits three descriptors: its standard input, output and error. Each
// start therefore marks all other descriptors of the host's process close-on-exec,
// including those that the host has inherited. A program that embeds airhost and
// wants to pass a descriptor to another child uses [os/exec.Cmd.ExtraFiles].
//
// On Linux the kernel kills a process as soon as its host ends, for any reason. The
// host kills the descendants of a process, unless they have left its process group,
// when the process ends or the host stops. If the host itself is killed (SIGKILL, a
// crash), the descendants live on, unless they watch their own standard input, or
// airhost runs in an environment that ends them, such as a service of systemd or a
// container.
//
// Write such a component in Go with package plugin. For other languages
// docs/plugin-protocol.md describes the whole protocol.
package process

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/refs"
	"github.com/airhost/airhost/internal/spawn"
)

// Name is the engine's name in configurations and results.
const Name = "process"

// Config configures an [Engine].
type Config struct {
	// Logger gets the output of processes, line by line, and reports of their starts
	// and ends; slog.Default by default.
	Logger *slog.Logger
}

// Command describes how to start a component; see [Source].
type Command struct {
	Path string   // the executable's file
	Args []string // without the program's name
	// Env is the whole environment as KEY=value. The handshake's variables are
	// added, and nothing of the host's environment.
	Env    []string
	Limits Limits
}

// Limits bound the resources of a process, if the system can: on Linux. A zero field
// means no limit. Each start logs how each limit is enforced.
type Limits struct {
	// Memory in bytes. cgroup v2 enforces it for the process and all its descendants
	// if the host may create groups beside its own. Otherwise RLIMIT_DATA enforces
	// it for each process alone; it counts private writable memory, used or not.
	Memory int64
	// OpenFiles is the number of file descriptors that a process may have open.
	OpenFiles int64
	// CPUTime is the processor time of a process in its whole life, rounded up to
	// whole seconds.
	CPUTime time.Duration
}

// Source returns the source of a component that command starts. A core.Source with
// only a Path starts the executable without arguments and environment. The source's
// SHA256, if it is set, is checked before each start.
func Source(command Command) core.Source {
	return core.Source{Path: command.Path, Value: command}
}

// Engine is the process engine.
type Engine struct {
	log  *slog.Logger
	refs refs.Count // counts instances and calls of Compile
}

var _ core.Engine = (*Engine)(nil)

// New returns an engine. It never fails.
func New(config Config) (*Engine, error) {
	if config.Logger == nil {
		config.Logger = slog.Default()
	}
	return &Engine{log: config.Logger}, nil
}

// Name returns [Name].
func (e *Engine) Name() string { return Name }

// Compile checks the executable, starts it once to ask for its component's traits,
// and ends it again. The Limits of src's [Command] hold for each process. Of limits
// it uses the start time, which bounds this start too, the handler time and the
// message size. If no process can be started at all, the error wraps
// [ErrEnvironment] and is no [core.ModuleError], since the executable may be sound.
func (e *Engine) Compile(ctx context.Context, src core.Source, limits core.Limits) (core.Component, error) {
	if err := e.refs.Acquire(); err != nil {
		return nil, err
	}
	defer e.refs.Release()
	command, err := commandOf(src)
	if err != nil {
		return nil, &core.ModuleError{Source: src.Path, Problems: []string{err.Error()}, Cause: err}
	}
	c := &component{engine: e, command: command, refs: refs.Count{Of: &e.refs}}
	if err := c.describe(ctx, limits.WithDefaults()); err != nil {
		if ctx.Err() != nil || errors.Is(err, ErrEnvironment) {
			return nil, err
		}
		if details := spawn.Details(err); details != "" {
			e.log.Error("process failed at its start", "path", command.Path, "reason", err.Error(), "details", details)
		}
		return nil, &core.ModuleError{Source: src.Path, Problems: []string{err.Error()}, Cause: err}
	}
	return c, nil
}

// commandOf checks a source and returns its command.
func commandOf(src core.Source) (spawn.Command, error) {
	command, ok := src.Value.(Command)
	switch {
	case src.Value == nil:
		command = Command{Path: src.Path}
	case !ok:
		return spawn.Command{}, fmt.Errorf("the source's value is a %T, want a process.Command", src.Value)
	}
	if n := len(src.SHA256); n != 0 && n != sha256.Size {
		return spawn.Command{}, fmt.Errorf("the source's checksum has %d bytes, want the %d of a SHA-256", n, sha256.Size)
	}
	if command.Path == "" {
		return spawn.Command{}, errors.New("no executable is named")
	}
	path, err := filepath.Abs(command.Path)
	if err != nil {
		return spawn.Command{}, err
	}
	return spawn.Command{
		Path: path, Args: command.Args, Env: command.Env, SHA256: src.SHA256, Kind: "component",
		Limits: spawn.Limits(command.Limits),
	}, spawn.Check(path, src.SHA256)
}

// Close implements [core.Engine].
func (e *Engine) Close(ctx context.Context) error {
	if err := e.refs.Close(ctx, func() error { return nil }); err != nil {
		return fmt.Errorf("process: close: %w", err)
	}
	return nil
}
