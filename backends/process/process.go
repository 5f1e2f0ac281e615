// Package process runs components as processes of their own: what cannot be
// WebAssembly, such as drivers, native libraries and other languages' runtimes.
// Such a component speaks the same contract and is checked by the same host, but
// what else it does on the machine only the operating system bounds: it is
// trusted as any program of its user's is.
//
// A process that crashes, hangs, floods or breaks the protocol is to the host
// what a guest is that traps. What it has said last on its standard error becomes the
// reason and the details of the [core.TrapError].
//
// A process inherits three descriptors: its standard input, output and error. To that
// end each start marks all others of the host's process close-on-exec, also those
// that the host itself has inherited: a program that embeds airhost and wants another
// child to have one hands it over by [os/exec.Cmd.ExtraFiles].
//
// On Linux a process is killed as soon as its host ends, in whatever way. What it has
// started itself is killed with it when the process ends or the host stops, unless it
// has left the process group. When the host is killed (SIGKILL, a crash) nobody is left
// to do that: those descendants live on, unless they watch their own standard input, or
// airhost runs where they end with it, such as a service of systemd or a container.
//
// One in Go is written with package plugin; for other
// languages docs/plugin-protocol.md says all there is to do.
package process

import (
	"context"
	"encoding/hex"
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
	// Logger gets what processes print, a line at a time, and how they were
	// started and ended; slog.Default by default.
	Logger *slog.Logger
}

// Command says how to start a component; see [Source].
type Command struct {
	Path string   // the executable's file
	Args []string // without the program's name
	// Env is the whole environment as KEY=value: nothing of the host's is handed
	// on, but what the handshake needs is added.
	Env []string
	// SHA256 is the checksum, in hexadecimal, that the executable must have; any
	// where it is empty. It is checked before each start.
	SHA256 string
	Limits Limits
}

// Limits bound what a process may use, where the system can: on Linux. A zero
// field is without a limit. What enforces a limit is logged at each start.
type Limits struct {
	// Memory in bytes, of the process and all that it starts, by cgroup v2 where
	// the host may make groups beside its own. Elsewhere of each process alone by
	// RLIMIT_DATA, which counts private writable memory, used or not.
	Memory int64
	// OpenFiles is how many file descriptors a process may have open.
	OpenFiles int64
	// CPUTime is how much processor time a process may use in its life, in whole
	// seconds, rounded up.
	CPUTime time.Duration
}

// Source returns the source of a component that command starts. A core.Source
// with nothing but a Path is started without arguments and environment.
func Source(command Command) core.Source {
	return core.Source{Path: command.Path, Value: command}
}

// Engine is the process engine.
type Engine struct {
	log  *slog.Logger
	refs refs.Count // of instances and calls of Compile
}

var _ core.Engine = (*Engine)(nil)

// New returns an engine. It does not fail.
func New(config Config) (*Engine, error) {
	if config.Logger == nil {
		config.Logger = slog.Default()
	}
	return &Engine{log: config.Logger}, nil
}

// Name returns [Name].
func (e *Engine) Name() string { return Name }

// Compile checks the executable, starts it once to ask what its component has,
// and ends it again. Limits of src's [Command] hold for each process; of limits,
// start time, handler time and message size alone mean something here: the first
// holds for this start too. An error that wraps [ErrEnvironment] is no
// [core.ModuleError]: nothing is known to be wrong with the executable.
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

// commandOf checks a source.
func commandOf(src core.Source) (spawn.Command, error) {
	command, ok := src.Value.(Command)
	switch {
	case src.Value == nil:
		command = Command{Path: src.Path}
	case !ok:
		return spawn.Command{}, fmt.Errorf("the source's value is a %T, want a process.Command", src.Value)
	}
	sum, err := hex.DecodeString(command.SHA256)
	if err != nil || len(sum) != 0 && len(sum) != 32 {
		return spawn.Command{}, fmt.Errorf("the checksum %q is not one of SHA-256: want 64 hexadecimal digits", command.SHA256)
	}
	if command.Path == "" {
		return spawn.Command{}, errors.New("no executable is named")
	}
	path, err := filepath.Abs(command.Path)
	if err != nil {
		return spawn.Command{}, err
	}
	return spawn.Command{
		Path: path, Args: command.Args, Env: command.Env, SHA256: sum, Kind: "component",
		Limits: spawn.Limits(command.Limits),
	}, spawn.Check(path, sum)
}

// Close implements [core.Engine].
func (e *Engine) Close(ctx context.Context) error {
	if err := e.refs.Close(ctx, func() error { return nil }); err != nil {
		return fmt.Errorf("process: close: %w", err)
	}
	return nil
}
