package admin_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/airhost/airhost/admin"
)

// TestSocket: it is the user's alone; one that was left behind is replaced, and nothing else is.
func TestSocket(t *testing.T) {
	h := newHost(t, slog.New(slog.DiscardHandler))
	folder := shortDir(t)
	path := filepath.Join(folder, "sub", "s.sock")
	start := func(path string) (*admin.Server, error) {
		s, err := admin.New(admin.Config{Host: h, Listen: path, Logger: slog.New(slog.DiscardHandler)})
		check(t, err)
		return s, s.Start(t.Context())
	}
	refused := func(path, want string) {
		t.Helper()
		if _, err := start(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", path, err, want)
		}
	}
	first, err := start(path)
	check(t, err)
	info, err := os.Stat(path)
	check(t, err)
	if got := info.Mode(); got.Perm() != 0o600 || got.Type() != os.ModeSocket {
		t.Errorf("the socket's mode is %v", got)
	}
	if info, err = os.Stat(filepath.Dir(path)); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder's mode is %v, %v", info.Mode(), err)
	}
	refused(path, "a host listens on "+path+" already")
	check(t, first.Stop(t.Context()))
	if left, _ := os.ReadDir(filepath.Dir(path)); len(left) > 0 {
		t.Errorf("%v is left", left)
	}

	dead, err := net.Listen("unix", path)
	check(t, err)
	dead.(*net.UnixListener).SetUnlinkOnClose(false)
	check(t, dead.Close())
	second, err := start(path)
	check(t, err)
	check(t, os.Remove(path)) // and somebody else's socket takes its place
	other, err := net.Listen("unix", path)
	check(t, err)
	defer other.Close()
	check(t, second.Stop(context.Background()))
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the socket of another one was removed: %v", err)
	}

	file := filepath.Join(folder, "file")
	check(t, os.WriteFile(file, []byte("precious"), 0o600))
	refused(file, "is no socket")
	if text, err := os.ReadFile(file); string(text) != "precious" || err != nil {
		t.Errorf("the file has %q, %v", text, err)
	}
	refused(filepath.Join(folder, strings.Repeat("x", 120)), "107 bytes at most")
	refused("127.0.0.1:0", "needs a token of at least 16 characters")
}

// TestSocketThatBeginsWithAt: it is a file, too, and no name that every user may open.
func TestSocketThatBeginsWithAt(t *testing.T) {
	t.Chdir(shortDir(t))
	s := serve(t, func(c *admin.Config) { c.Listen = "@s" })
	if _, err := os.Stat("@s"); err != nil {
		t.Error(err)
	}
	second, err := admin.New(admin.Config{Host: s.host, Listen: "@s", Logger: discard})
	check(t, err)
	if err := second.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "a host listens on") {
		t.Errorf("a second host: %v", err)
	}
	_, err = s.Components(t.Context())
	check(t, err)
}

func TestToken(t *testing.T) {
	const token = "0123456789abcdef"
	s := serve(t, func(c *admin.Config) { c.Listen, c.Token = "127.0.0.1:0", token })
	if _, err := s.Components(t.Context()); err != nil {
		t.Error(err)
	}
	for _, header := range []string{"", "Bearer", "Bearer ", "Bearer x", "Basic " + token, "bearer " + token, "Bearer " + token + "x"} {
		if got := s.raw(t, "GET", "/v1/components", "", "Authorization", header); !strings.HasPrefix(got, `401 {"error":{"code":"unauthorized"`) {
			t.Errorf("%q: got %s", header, got)
		}
	}
	for _, path := range []string{"/livez", "/readyz", "/metrics"} {
		if got := s.raw(t, "GET", path, ""); !strings.HasPrefix(got, "200 ") {
			t.Errorf("%s: got %s", path, got)
		}
	}
	conn := s.dial(t) // a stranger keeps no connection
	fmt.Fprint(conn, "GET /v1/components HTTP/1.1\r\nHost: x\r\n\r\n")
	if answer, err := io.ReadAll(conn); err != nil || !strings.Contains(string(answer), "Www-Authenticate: Bearer") {
		t.Errorf("got %s, %v", answer, err)
	}
	if _, err := admin.NewClient(s.Addr().String(), "").Snapshot(t.Context()); err == nil || !strings.Contains(err.Error(), "host.admin_token_file") {
		t.Errorf("without the token: %v", err)
	}
}

func TestReadToken(t *testing.T) {
	for text, want := range map[string]string{
		"0123456789abcdef": "", "0123456789abcdef\n": "", "": "the token has 0 characters, want at least 16", "short": "5 characters",
		"0123456789 abcdef": "one word", "0123456789abcdeä": "one word", "0123456789abcdef\nmore": "one word",
	} {
		path := filepath.Join(t.TempDir(), "token")
		check(t, os.WriteFile(path, []byte(text), 0o600))
		token, err := admin.ReadToken(path)
		if want == "" && (err != nil || token != "0123456789abcdef") || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: got %q, %v, want %q", text, token, err, want)
		}
	}
}

const digest = "fc04c9fd"

func TestDefaultSocket(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", "/run/user/1000")
	// printf /etc/airhost.yaml | sha256sum
	if got, err := admin.DefaultSocket("/etc/airhost.yaml"); got != "/run/user/1000/airhost/airhost.yaml-"+digest+".sock" || err != nil {
		t.Errorf("got %s, %v", got, err)
	}
	t.Setenv("XDG_RUNTIME_DIR", "")
	if got, err := admin.DefaultSocket("/etc/airhost.yaml"); got != "/etc/airhost.yaml-"+digest+".sock" || err != nil {
		t.Errorf("got %s, %v", got, err)
	}
}

// TestNobodyAnswers: the client says where.
func TestNobodyAnswers(t *testing.T) {
	_, err := admin.NewClient("/nowhere/s.sock", "").Snapshot(t.Context())
	if err == nil || !strings.Contains(err.Error(), "no host answers at /nowhere/s.sock: ") {
		t.Errorf("got %v", err)
	}
}
