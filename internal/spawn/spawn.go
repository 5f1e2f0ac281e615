// Package spawn starts and guards one plug-in process: its start by the
// handshake of go-plugin, the encrypted connection to it, its output as lines,
// what it may use up, and its end, after which nothing of it is left.
//
// On Linux a plug-in dies with its host, even when that is killed: the kernel
// sends it SIGKILL when the thread that started it ends, and that thread waits
// for it all its life. On every system its standard input ends with the host,
// which plug-ins watch.
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

// DefaultStartTimeout is what Command.StartTimeout is by default.
const DefaultStartTimeout = 10 * time.Second

// window is how many bytes may be under way unread on one stream, and twice that
// on the connection. That both are fixed also keeps gRPC from probing the
// connection, which costs a round trip more than the message itself.
const window = 1 << 20

const (
	// maxHeaders bounds what the plug-in may say in a response's headers and
	// trailers, its status included, in bytes.
	maxHeaders = 64 << 10
	// maxAnswer bounds an answer of the plug-in, but for calls that set their own
	// limit, in bytes.
	maxAnswer = 64 << 10
)

// Command says what to start. Kind and Path are required.
type Command struct {
	// Path is the executable's file; it is not looked up in PATH.
	Path string
	Args []string // without the program's name
	// Env is the whole environment as KEY=value; nothing of the host's is added
	// but what the handshake needs.
	Env []string
	// SHA256 is the checksum that the executable must have, or empty.
	SHA256 []byte
	Limits Limits
	// StartTimeout is how long the handshake may take; 10 s by default. StartKey
	// is its key in the configuration; start_timeout by default.
	StartTimeout time.Duration
	StartKey     string
	// Kind is what the plug-in must be, such as "component".
	Kind string
	// Output, if not nil, is called with each line of the plug-in's standard
	// output and standard error, which stream names, without its end; longer lines come in parts of
	// 8 KiB. It is called by one goroutine at a time until Done, and line is
	// valid only during the call. It should return soon: the plug-in waits
	// where it writes more than is taken.
	Output func(stream string, line []byte)
	// Logs bound the lines that Output gets.
	Logs Logs
}

// Logs bound what a plug-in prints, by a [core.LogQuota].
type Logs struct {
	Lines int   // in a second; 1,000 by default
	Bytes int64 // of these; 1 MiB by default
	// Dropped, if not nil, is told what was dropped, soon and at the end: before Done.
	Dropped func(lines uint64, limit string)
}

// quota returns the quota that l stands for.
func (l *Logs) quota() *core.LogQuota {
	limits := core.Limits{LogLines: l.Lines, LogBytes: l.Bytes}.WithDefaults()
	return core.NewLogQuota(limits.LogLines, limits.LogBytes, func(lines uint64, limit string) {
		if l.Dropped != nil {
			l.Dropped(lines, limit)
		}
	})
}

// LogDropped returns a function for [Logs] that tells log.
func LogDropped(log *slog.Logger) func(lines uint64, limit string) {
	return func(lines uint64, limit string) {
		log.Warn("printed lines were dropped", "dropped", lines, "limit", limit)
	}
}

// Limits bound what the process may use. A zero field is without a limit.
// [Process.Held] tells which of them the system enforces.
type Limits struct {
	// Memory in bytes: by cgroup v2 where the host may make one, else by
	// RLIMIT_DATA, which counts private writable memory also where it was only
	// reserved.
	Memory int64
	// OpenFiles is the number of file descriptors; RLIMIT_NOFILE.
	OpenFiles int64
	// CPUTime is the processor time in all of the process's life, in whole
	// seconds, rounded up; RLIMIT_CPU.
	CPUTime time.Duration
}

// Process is a running plug-in.
type Process struct {
	command Command
	dir     string // of its socket, which go-plugin has made
	conn    *grpc.ClientConn
	cmd     *exec.Cmd
	stdin   io.Closer
	stdout  *lines
	stderr  *lines
	quota   *core.LogQuota
	group   *cgroup // or nil
	held    map[string]string

	exited chan struct{} // closed once it has been reaped
	done   chan struct{} // closed once nothing of it is left

	mu      sync.Mutex  // guards what follows
	process *os.Process // once it has been started
	gone    bool        // reaped, or about to be: its number may be another's
	killed  bool
	refusal error      // why its handshake was refused
	exit    *ExitError // once gone
	failed  bool       // by another status than 0
	words   words
}

// Start starts command and waits for its handshake, until ctx or the start
// timeout ends. The process must be ended by [Process.Close] or [Process.Kill].
// An error wraps [ErrChecksum], [ErrEnvironment], [ErrHandshake], [ErrVersion],
// [ErrStartTimeout], an [ExitError], ctx's error, or is of the operating system.
//
// Start marks all descriptors of this process but the first three close-on-exec: what
// other processes are to inherit is handed to them by [exec.Cmd.ExtraFiles].
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

// start returns with the connection up, or with nothing left.
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
	_ = p.Close(limited) // startError says why it ended
	return p.startError(cause, err)
}

// lastWordsTimeout is how long a plug-in whose start has failed may take to say why,
// and to end by itself.
const lastWordsTimeout = time.Second

func (p *Process) started() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.process != nil
}

// connect makes the handshake and the connection. The latter is not go-plugin's
// own, which lets a plug-in open any number of further ones.
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
		StartTimeout:     p.command.StartTimeout + time.Minute, // p's own comes first
		Logger:           hclog.NewNullLogger(),
	}
	address, err := goplugin.NewClient(config).Start()
	switch {
	case err != nil && p.cmd == nil: // it could not make the folder of the socket
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
			return Attend(conn), nil
		}),
		grpc.WithInitialWindowSize(window), grpc.WithInitialConnWindowSize(2*window),
		grpc.WithMaxHeaderListSize(maxHeaders), grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxAnswer)))
	if err != nil {
		return err
	}
	_, err = grpc_health_v1.NewHealthClient(p.conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: goplugin.GRPCServiceName})
	return err
}

// cleanUp waits for the end and removes what is left: the connection and the
// directory of the socket.
func (p *Process) cleanUp() {
	<-p.exited
	if p.conn != nil {
		_ = p.conn.Close() // there is nobody at the other end
	}
	_ = os.RemoveAll(p.dir) // what is left there hurts nobody
	p.stdout.flush()
	p.stderr.flush()
	p.quota.Flush()
	close(p.done)
}

// Conn is the connection to the plug-in, which [Process] closes.
func (p *Process) Conn() *grpc.ClientConn { return p.conn }

// Done is closed once the process has ended and nothing of it is left.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err is why the process ended, once Done is closed: nil where it exited with
// status 0, [ErrKilled] after Kill, else an [ExitError].
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

// Exit says how the process ended, in whatever way, and what it has said last, once
// Done is closed.
func (p *Process) Exit() *ExitError {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.exit
}

// Held tells for each limit that was asked for, by its configuration key, what
// enforces it: "cgroup v2", "rlimit", or "nothing".
func (p *Process) Held() map[string]string { return p.held }

// Kill ends the process and all of its process group at once. It does not wait
// for the end, may be called at any time by any goroutine, and never hits another process.
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

// Close asks the process to end by closing its standard input, kills it when ctx
// ends, and returns when nothing of it is left, with what Err returns.
func (p *Process) Close(ctx context.Context) error {
	stop := context.AfterFunc(ctx, p.Kill)
	defer stop()
	_ = p.stdin.Close() // it may have ended, and its input with it
	<-p.done
	return p.Err()
}

// run starts the process and waits for it, all on one thread: on Linux the
// process is killed when the thread that started it ends.
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
	if err = p.cmd.Start(); err != nil {
		return launchError(p.command.Path, err)
	}
	p.held, p.group = p.command.Limits.hold(p.cmd.Process.Pid)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.process = p.cmd.Process
	if p.killed { // meanwhile
		kill(p.process)
	}
	return nil
}

// await reaps the process once it has ended. What is left of its process group
// is killed before, while the group's number is still taken.
func (p *Process) await() {
	if awaitExit(p.cmd.Process.Pid) {
		p.mu.Lock()
		p.gone = true
		kill(p.process)
		p.mu.Unlock()
	}
	err := p.cmd.Wait()
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
