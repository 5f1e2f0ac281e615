package admin

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// maxSocketPath is the longest path of a Unix socket, in bytes: that of sun_path in unix(7), without
// the zero at its end.
const maxSocketPath = 107

// listener bounds its connections.
type listener struct {
	net.Listener
	connections, refusing room
	refusals              sync.WaitGroup
	path                  string      // of a Unix socket, else empty
	made                  os.FileInfo // of that path
}

// localPath returns a path of a Unix socket as the net package takes it: one that begins with @
// would be the name of a socket that every user of the machine may open.
func localPath(path string) string {
	if strings.HasPrefix(path, "@") {
		return "./" + path
	}
	return path
}

// listenSocket listens on a Unix socket that only its owner can open. The socket gets its name
// when it has its mode, so that nobody else can open it before.
func listenSocket(ctx context.Context, path string) (*listener, error) {
	path = localPath(path)
	if len(path) > maxSocketPath {
		return nil, fmt.Errorf("the path of a socket has %d bytes at most, %s has %d: set host.admin to a shorter one", maxSocketPath, path, len(path))
	}
	folder := filepath.Dir(path)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
	defer lockFolder(folder)()
	if err := free(ctx, path); err != nil {
		return nil, err
	}
	private, err := os.MkdirTemp(folder, ".s")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(private)
	first := filepath.Join(private, "s")
	if len(first) > maxSocketPath {
		return nil, fmt.Errorf("the folder %s has too long a name for a socket: set host.admin to a path in another one", folder)
	}
	socket := &listener{path: path}
	if socket.Listener, err = new(net.ListenConfig).Listen(ctx, "unix", first); err != nil {
		return nil, err
	}
	socket.Listener.(*net.UnixListener).SetUnlinkOnClose(false)
	if err := errors.Join(os.Chmod(first, 0o600), os.Rename(first, path)); err != nil {
		return nil, errors.Join(err, socket.Close())
	}
	if socket.made, err = os.Lstat(path); err != nil {
		return nil, errors.Join(err, socket.Close())
	}
	return socket, nil
}

// RunsError is wrapped by the error of [Server.Start] if another host has the socket.
type RunsError struct{ Path string }

// Error returns the text of the error.
func (e *RunsError) Error() string {
	return fmt.Sprintf("a host listens on %s already: stop it, or set host.admin to another path", e.Path)
}

// free returns an error if there is a file at path that is no socket, or a socket where somebody
// answers. A socket where nobody does was left behind.
func free(ctx context.Context, path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("%s is there and is no socket: remove it, or set host.admin to another path", path)
	}
	dialer := net.Dialer{Timeout: time.Second}
	answers, err := dialer.DialContext(ctx, "unix", path)
	switch {
	case err == nil:
		answers.Close()
		return &RunsError{path}
	case !errors.Is(err, syscall.ECONNREFUSED):
		return err
	}
	return os.Remove(path)
}

// Addr returns the address under which clients find the listener.
func (l *listener) Addr() net.Addr {
	if l.path == "" {
		return l.Listener.Addr()
	}
	return &net.UnixAddr{Name: l.path, Net: "unix"}
}

// remove removes the socket, unless another one has its name now.
func (l *listener) remove() {
	if l.path == "" {
		return
	}
	if now, err := os.Lstat(l.path); err == nil && os.SameFile(now, l.made) {
		_ = os.Remove(l.path) // it may be gone by now
	}
}

// busy is the answer for a connection that is too many.
const busy = "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nConnection: close\r\nRetry-After: 1\r\n\r\n" +
	`{"error":{"code":"` + CodeTooMany + `","message":"there are too many connections: close some"}}` + "\n"

// Accept implements [net.Listener]. Connections that are too many are told so and closed.
func (l *listener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		switch {
		case err != nil:
			return nil, err
		case l.connections.take(1):
			return &connection{Conn: conn, leave: sync.OnceFunc(func() { l.connections.give(1) })}, nil
		case l.refusing.take(1):
			l.refusals.Go(func() {
				defer l.refusing.give(1)
				refuse(conn)
			})
		default:
			_ = conn.Close()
		}
	}
}

const (
	// maxRefusals is how many connections get the answer that they are too many at the same
	// time. Others are only closed.
	maxRefusals = 16
	refusalTime = 100 * time.Millisecond
)

// refuse answers a connection that is too many. It reads the request, because a connection that is
// closed before takes its answer with it.
func refuse(conn net.Conn) {
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(refusalTime)) // an error comes again below
	if _, err := conn.Write([]byte(busy)); err == nil {
		_, _ = conn.Read(make([]byte, maxHeader)) // the client may send nothing
	}
}

// connection is one of the connections that a listener counts.
type connection struct {
	net.Conn
	leave func()
}

// Close implements [net.Conn].
func (c *connection) Close() error {
	defer c.leave()
	return c.Conn.Close()
}
