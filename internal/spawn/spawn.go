// Package spawn starts and supervises one plug-in process. It performs go-plugin's
// handshake, makes the encrypted connection, splits the output into lines, limits
// the process's resources, and ends the process without leaving anything behind.
//
// On Linux a plug-in dies with its host, even if the host is killed: the kernel
// sends the plug-in SIGKILL when the thread that started it ends, and that thread
// waits for the plug-in. On every system the plug-in's standard input ends with the
// host, and plug-ins exit then.
package spawn

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/airhost/airhost/core"
)

// DefaultStartTimeout is the default of Command.StartTimeout.
const DefaultStartTimeout = 10 * time.Second

// window is gRPC's flow-control window of a stream, in bytes: the most unread bytes
// in flight. The window of the connection is twice as large. Since both are fixed,
// gRPC does not probe the connection, which would take longer than the round trip of
// a message.
const window = 1 << 20

const (
	// maxHeaders bounds the headers and trailers of a response, including its
	// status, in bytes.
	maxHeaders = 64 << 10
	// maxAnswer bounds an answer of the plug-in, in bytes, unless the call sets its
	// own limit.
	maxAnswer = 64 << 10
)

// Command describes a process to start. Kind and Path are required.
type Command struct {
	// Path is the executable's file. PATH is not searched.
	Path string
	Args []string // without the program's name
	// Env is the whole environment, as KEY=value. The handshake's variables are
	// added to it, and nothing of the host's environment.
	Env []string
	// SHA256 is the required checksum of the executable; empty for none.
	SHA256 []byte
	Limits Limits
	// StartTimeout bounds the time of the handshake; 10 s by default. StartKey is
	// the timeout's configuration key, for errors; start_timeout by default.
	StartTimeout time.Duration
	StartKey     string
	// Kind is the required kind of plug-in, such as "component".
	Kind string
	// Output, if not nil, is called with each line of the plug-in's output, without
	// the line feed. stream is "stdout" or "stderr". A longer line comes in parts of
	// 8 KiB. Only one goroutine at a time calls Output, until Done is closed. line
	// is valid during the call only. Output should return soon: the plug-in blocks
	// when it writes faster than Output returns.
	Output func(stream string, line []byte)
	// Logs limits the rate of the lines that Output gets.
	Logs Logs
}

// Logs limits the rate of a plug-in's output, by a [core.LogQuota].
type Logs struct {
	Lines int   // per second; 1,000 by default
	Bytes int64 // per second; 1 MiB by default
	// Dropped, if not nil, is called with the number of dropped lines and the name
	// of the exceeded limit: soon after, and at the end, before Done is closed.
	Dropped func(lines uint64, limit string)
}

// quota returns the quota with the limits of l.
func (l *Logs) quota() *core.LogQuota {
	limits := core.Limits{LogLines: l.Lines, LogBytes: l.Bytes}.WithDefaults()
	return core.NewLogQuota(limits.LogLines, limits.LogBytes, func(lines uint64, limit string) {
		if l.Dropped != nil {
			l.Dropped(lines, limit)
		}
	})
}

// LogDropped returns a function for [Logs] that writes a warning to log.
func LogDropped(log *slog.Logger) func(lines uint64, limit string) {
	return func(lines uint64, limit string) {
		log.Warn("printed lines were dropped", "dropped", lines, "limit", limit)
	}
}

// Limits bound the resources of the process. A zero field means no limit.
// [Process.Held] tells which limits the system enforces.
type Limits struct {
	// Memory in bytes. It is enforced by cgroup v2 if the host may create a group,
	// and otherwise by RLIMIT_DATA, which also counts private writable memory that
	// is reserved and not used.
	Memory int64
	// OpenFiles is the number of file descriptors, enforced by RLIMIT_NOFILE.
	OpenFiles int64
	// CPUTime is the processor time of the process in its whole life, rounded up to
	// whole seconds, enforced by RLIMIT_CPU.
	CPUTime time.Duration
}

// Process is a running plug-in.
type Process struct {
	command Command
	dir     string // of its socket; go-plugin has made it
	conn    *grpc.ClientConn
	cmd     *exec.Cmd
	stdin   io.Closer
	stdout  *lines
	stderr  *lines
	quota   *core.LogQuota
	group   *cgroup // or nil
	held    map[string]string

	exited chan struct{} // closed when the process has been reaped
	done   chan struct{} // closed when nothing of it is left

	mu      sync.Mutex  // guards the fields below
	process *os.Process // nil before the start
	gone    bool        // reaped, or about to be: another process may get its id
	killed  bool
	refusal error      // why the host refused its handshake
	exit    *ExitError // set when gone
	failed  bool       // exited with a status other than 0
	words   words
}

// Start starts command and waits for its handshake until ctx or the start timeout
// ends. The caller must end the process with [Process.Close] or [Process.Kill]. An
// error wraps [ErrChecksum], [ErrEnvironment], [ErrHandshake], [ErrVersion],
// [ErrStartTimeout], an [ExitError], ctx's error, or an error of the operating
// system.
//
// Start marks all descriptors of this process but the first three close-on-exec.
// Pass descriptors to other child processes with [exec.Cmd.ExtraFiles].
func Start(ctx context.Context, command Command) (*Process, error) {
	if command.StartTimeout <= 0 {
		command.StartTimeout = DefaultStartTimeout
	}
	if err := Check(command.Path, command.SHA256); err != nil {
		return nil, err
	}
	p := &Process{command: command, exited: make(chan struct{}), done: make(chan struct{})}
	p.makeOutput()
	if err := p.start(ctx); err != nil {
		return nil, fmt.Errorf("start of %s: %w", command.Path, err)
	}
	return p, nil
}

// start returns with the connection up, or returns an error with nothing left.
func (p *Process) start(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, p.command.StartTimeout, ErrStartTimeout)
	defer cancel()
	stop := context.AfterFunc(ctx, p.Kill)
	err := p.connect(ctx)
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	if !p.started() {
		return errors.Join(err, os.RemoveAll(p.dir))
	}
	go p.cleanUp()
	if err == nil {
		return nil
	}
	cause := context.Cause(ctx)
	limited, done := context.WithTimeout(ctx, lastWordsTimeout)
	defer done()
	_ = p.Close(limited) // startError tells why it ended
	return p.startError(cause, err)
}

// lastWordsTimeout is the time that a plug-in has after a failed start to write its
// last words and to exit.
const lastWordsTimeout = time.Second

func (p *Process) started() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.process != nil
}

// connect performs the handshake and makes the connection. It does not use
// go-plugin's own connection, which would let a plug-in open any number of further
// ones.
func (p *Process) connect(ctx context.Context) error {
	if err := checkTempDir(); err != nil {
		return err
	}
	config := &goplugin.ClientConfig{
		HandshakeConfig:  Handshake(p.command.Kind),
		Plugins:          goplugin.PluginSet{},
		RunnerFunc:       p.runner,
		AllowedProtocols: []goplugin.Protocol{goplugin.ProtocolGRPC},
		AutoMTLS:         true,
		SkipHostEnv:      true,
		StartTimeout:     p.command.StartTimeout + time.Minute, // the timeout of start comes first
		Logger:           hclog.NewNullLogger(),
	}
	address, err := goplugin.NewClient(config).Start()
	switch {
	case err != nil && p.cmd == nil: // it could not create the directory of the socket
		return tempDirError(err)
	case err != nil:
		return err
	}
	p.conn, err = grpc.NewClient("passthrough:///plugin",
		grpc.WithTransportCredentials(credentials.NewTLS(config.TLSConfig)),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			conn, err := new(net.Dialer).DialContext(ctx, address.Network(), address.String())
			if err != nil {
				return nil, err
			}
			return BusyPoll(conn), nil
		}),
		grpc.WithInitialWindowSize(window), grpc.WithInitialConnWindowSize(2*window),
		grpc.WithMaxHeaderListSize(maxHeaders), grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxAnswer)))
	if err != nil {
		return err
	}
	_, err = grpc_health_v1.NewHealthClient(p.conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: goplugin.GRPCServiceName})
	return err
}

// cleanUp waits for the process to end, and closes the connection and removes the
// directory of the socket.
func (p *Process) cleanUp() {
	<-p.exited
	if p.conn != nil {
		_ = p.conn.Close() // the other end is gone
	}
	_ = os.RemoveAll(p.dir) // files that stay do no harm
	p.stdout.flush()
	p.stderr.flush()
	p.quota.Flush()
	close(p.done)
}

// Conn returns the connection to the plug-in. [Process] closes it.
func (p *Process) Conn() *grpc.ClientConn { return p.conn }

// Done is closed when the process has ended and nothing of it is left.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err tells why the process ended, after Done is closed: nil after exit status 0,
// [ErrKilled] after Kill, and otherwise an [ExitError].
func (p *Process) Err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.killed:
		return ErrKilled
	case p.failed:
		return p.exit
	}
	return nil
}

// Exit tells how the process ended, in every case, with its last words. Call it
// after Done is closed.
func (p *Process) Exit() *ExitError {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.exit
}

// Held tells how each requested limit is enforced, by its configuration key: "cgroup
// v2", "rlimit", or "nothing".
func (p *Process) Held() map[string]string { return p.held }

// Resident returns the resident memory of the process in bytes, or 0 if it has ended, has not
// begun, or the system does not tell. It may be called at any time from any goroutine.
func (p *Process) Resident() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.gone || p.process == nil {
		return 0
	}
	return resident(p.process.Pid)
}

// Kill kills the process and its whole process group. It does not wait for their
// end. It may be called at any time from any goroutine, and never kills another
// process.
func (p *Process) Kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.gone {
		return
	}
	p.killed = true
	if p.process != nil {
		kill(p.process)
	}
}

// Close closes the process's standard input, which asks the process to end, and
// kills it when ctx ends. It returns the result of Err when nothing of the process
// is left.
func (p *Process) Close(ctx context.Context) error {
	stop := context.AfterFunc(ctx, p.Kill)
	defer stop()
	_ = p.stdin.Close() // fails if the process has already ended
	<-p.done
	return p.Err()
}

// run starts the process and waits for it, on one thread: on Linux the kernel kills
// the process when the thread that started it ends.
func (p *Process) run(launched chan<- error) {
	defer lockThread()()
	err := p.launch()
	launched <- err
	if err == nil {
		p.await()
	}
}

func (p *Process) launch() (err error) {
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return launchError(p.command.Path, err)
	}
	closeOnExec()
	if err = startChild(p.cmd); err != nil {
		return launchError(p.command.Path, err)
	}
	p.held, p.group = p.command.Limits.apply(p.cmd.Process.Pid)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.process = p.cmd.Process
	if p.killed { // before the process was started
		kill(p.process)
	}
	return nil
}

// await waits for the end of the process, kills the rest of its process group, and
// reaps it. The kill comes first, since the group's id is free after that.
func (p *Process) await() {
	if awaitExit(p.cmd.Process.Pid) {
		p.mu.Lock()
		p.gone = true
		kill(p.process)
		p.mu.Unlock()
	}
	err := reapChild(p.cmd)
	p.stdout.flush()
	p.stderr.flush()
	exit := p.ending(err)
	p.group.remove()
	p.mu.Lock()
	p.gone, p.exit, p.failed = true, exit, err != nil && !errors.Is(err, exec.ErrWaitDelay)
	if p.killed {
		exit.Status, exit.Limit = "it was killed", ""
	}
	p.mu.Unlock()
	close(p.exited)
	p.stdout.endHandshake()
}
