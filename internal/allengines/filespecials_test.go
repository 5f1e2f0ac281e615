//go:build unix

package allengines

import (
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// specials makes a FIFO and a socket in a directory.
func specials(t *testing.T, dir string) {
	t.Helper()
	check(t, syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o666))
	t.Chdir(dir) // a socket's path is short
	l, err := net.Listen("unix", "socket")
	check(t, err)
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	check(t, l.Close())
	if _, err := os.Lstat("socket"); err != nil {
		t.Fatal(err)
	}
}
