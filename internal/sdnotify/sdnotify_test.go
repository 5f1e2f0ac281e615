//go:build unix

package sdnotify_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/airhost/airhost/internal/sdnotify"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// manager is a service manager that hears what the service says.
type manager struct {
	t      *testing.T
	socket *net.UnixConn
}

// listen returns a manager on a socket of a name, which the service finds.
func listen(t *testing.T, name string) manager {
	t.Helper()
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	check(t, err)
	t.Cleanup(func() { check(t, socket.Close()) })
	t.Setenv("NOTIFY_SOCKET", name)
	return manager{t, socket}
}

// next waits for the next datagram.
func (m manager) next() string {
	m.t.Helper()
	check(m.t, m.socket.SetReadDeadline(time.Now().Add(time.Minute)))
	datagram := make([]byte, 64<<10)
	n, err := m.socket.Read(datagram)
	check(m.t, err)
	return string(datagram[:n])
}

// silent checks that nothing more was said.
func (m manager) silent() {
	m.t.Helper()
	check(m.t, m.socket.SetReadDeadline(time.Unix(1, 0)))
	if n, err := m.socket.Read(make([]byte, 100)); !errors.Is(err, os.ErrDeadlineExceeded) {
		m.t.Errorf("%d bytes more, %v", n, err)
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func equal(t *testing.T, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// sockets are names of sockets of both kinds.
func sockets(t *testing.T) []string {
	names := []string{filepath.Join(t.TempDir(), "notify")}
	if runtime.GOOS == "linux" {
		names = append(names, fmt.Sprintf("@airhost-test-%d-%s", os.Getpid(), t.Name()))
	}
	return names
}

func TestNotify(t *testing.T) {
	for _, name := range sockets(t) {
		m := listen(t, name)
		check(t, sdnotify.Ready("3 components run"))
		equal(t, m.next(), "READY=1\nSTATUS=3 components run\n")
		check(t, sdnotify.Status("a line\nREADY=1\x00\xff"))
		equal(t, m.next(), "STATUS=a line READY=1 \uFFFD\n")
		check(t, sdnotify.Status(strings.Repeat("ä", 10_000)))
		if got := m.next(); len(got) > 1100 || !strings.HasPrefix(got, "STATUS=ää") {
			t.Errorf("a long status has %d bytes: %.40q…", len(got), got)
		}
		check(t, sdnotify.Reloading())
		got := m.next()
		reloading := regexp.MustCompile(`^RELOADING=1\n(?:MONOTONIC_USEC=(\d+)\n)?$`).FindStringSubmatch(got)
		if reloading == nil || runtime.GOOS == "linux" && (reloading[1] == "" || reloading[1] == "0") {
			t.Errorf("reloading: %q", got)
		}
		check(t, sdnotify.Stopping())
		equal(t, m.next(), "STOPPING=1\n")
		m.silent()
	}
}

// TestNobody: without a manager nothing happens, and one that is gone is an error.
func TestNobody(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	t.Setenv("WATCHDOG_USEC", "")
	all := func() []error {
		return []error{sdnotify.Ready("on"), sdnotify.Reloading(), sdnotify.Status("on"), sdnotify.Stopping()}
	}
	for _, err := range all() {
		check(t, err)
	}
	check(t, sdnotify.Watchdog(t.Context(), func() bool { t.Error("asked without a watchdog"); return true }))
	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "gone"))
	for i, err := range all() {
		if !errors.Is(err, os.ErrNotExist) {
			t.Errorf("call %d to a manager that is gone: %v", i, err)
		}
	}
}

// TestWatchdog: the manager hears of a healthy service again and again, and not of another one.
func TestWatchdog(t *testing.T) {
	m := listen(t, sockets(t)[0])
	t.Setenv("WATCHDOG_USEC", "2000")
	t.Setenv("WATCHDOG_PID", strconv.Itoa(os.Getpid()))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var sick atomic.Bool
	asked, ended := make(chan struct{}), make(chan error)
	go func() {
		ended <- sdnotify.Watchdog(ctx, func() bool {
			select {
			case asked <- struct{}{}:
			case <-ctx.Done():
			}
			return !sick.Load()
		})
	}()
	for range 5 {
		<-asked
		equal(t, m.next(), "WATCHDOG=1\n")
	}
	sick.Store(true)
	for range 5 {
		<-asked
	}
	m.silent()
	cancel()
	check(t, <-ended)
}

// TestWatchdogOfOthers: the watchdog of another process is not this one's, and a malformed
// interval is an error.
func TestWatchdogOfOthers(t *testing.T) {
	m := listen(t, sockets(t)[0])
	t.Setenv("WATCHDOG_USEC", "2000")
	t.Setenv("WATCHDOG_PID", strconv.Itoa(os.Getppid()))
	check(t, sdnotify.Watchdog(t.Context(), func() bool { return true }))
	t.Setenv("WATCHDOG_USEC", "soon")
	if err := sdnotify.Watchdog(t.Context(), func() bool { return true }); err == nil || !strings.Contains(err.Error(), "WATCHDOG_USEC") {
		t.Errorf("a malformed interval: %v", err)
	}
	m.silent()
}

// TestWatchdogGoesOn: a manager that cannot be told is told again.
func TestWatchdogGoesOn(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "gone"))
	t.Setenv("WATCHDOG_USEC", "2000")
	t.Setenv("WATCHDOG_PID", "")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	asked := 0
	err := sdnotify.Watchdog(ctx, func() bool {
		if asked++; asked == 3 {
			cancel()
		}
		return true
	})
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a manager that is gone: %v", err)
	}
}
