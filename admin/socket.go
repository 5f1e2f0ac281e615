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
	"syscall"
	"time"
)

// maxSocketPath is the longest path of a Unix socket, in bytes: that of sun_path in unix(7), without
// the zero at its end.
const maxSocketPath = 107

// socketListener listens on a socket that it has made.
type socketListener struct {
	*net.UnixListener
	path string
	made os.FileInfo
}

// listenSocket listens on a Unix socket that only its owner can open. The socket gets its name
// when it has its mode, so that nobody else can open it before.
func listenSocket(ctx context.Context, path string) (*socketListener, error) {
	if len(path) > maxSocketPath {
		return nil, fmt.Errorf("the path of a socket has %d bytes at most, %s has %d: set host.admin to a shorter one", maxSocketPath, path, len(path))
	}
	folder := filepath.Dir(path)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
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
	listener, err := new(net.ListenConfig).Listen(ctx, "unix", first)
	if err != nil {
		return nil, err
	}
	socket := &socketListener{UnixListener: listener.(*net.UnixListener), path: path}
	socket.SetUnlinkOnClose(false)
	if err := errors.Join(os.Chmod(first, 0o600), os.Rename(first, path)); err != nil {
		return nil, errors.Join(err, socket.Close())
	}
	if socket.made, err = os.Lstat(path); err != nil {
		return nil, errors.Join(err, socket.Close())
	}
	return socket, nil
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
		return fmt.Errorf("a host listens on %s already: stop it, or set host.admin to another path", path)
	case !errors.Is(err, syscall.ECONNREFUSED):
		return err
	}
	return os.Remove(path)
}

// Addr returns the path under which the socket can be found.
func (l *socketListener) Addr() net.Addr { return &net.UnixAddr{Name: l.path, Net: "unix"} }

// remove removes the socket, unless another one has its name now.
func (l *socketListener) remove() {
	if now, err := os.Lstat(l.path); err == nil && os.SameFile(now, l.made) {
		_ = os.Remove(l.path) // it may be gone by now
	}
}

// visible reports whether a token can be sent in a header.
func visible(token string) bool {
	return strings.IndexFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) < 0
}
