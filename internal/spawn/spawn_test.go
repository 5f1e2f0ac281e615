package spawn_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	goplugin "github.com/hashicorp/go-plugin"
	"go.uber.org/goleak"
	"google.golang.org/grpc"

	"github.com/airhost/airhost/internal/spawn"
)

const kind = "test"

// roles are the functions that this test's executable runs as a plug-in, by role.
var roles = map[string]func(){
	"serve":    serve,
	"exit":     func() { fmt.Fprintln(os.Stderr, "no such disk"); os.Exit(3) },
	"quit":     func() {},
	"silent":   func() { forever() },
	"garbage":  func() { fmt.Println("hello"); forever() },
	"endless":  func() { flood(os.Stdout) },
	"versions": func() { fmt.Println("1|99|unix|/x|grpc|" + strings.Repeat("A", 60)); forever() },
	"netrpc":   func() { fmt.Println("1|1|unix|/x|netrpc|" + strings.Repeat("A", 60)); forever() },
	"open":     func() { fmt.Println("1|1|unix|/x|grpc|"); forever() },
	"nobody":   func() { fmt.Println("1|1|unix|/nobody/there|grpc|" + strings.Repeat("A", 60)); forever() },
	"stays":    func() { serve(); forever() },
	"chatters": func() { fmt.Fprint(os.Stderr, strings.Repeat("line\n", 20)); serve() },
	"talks":    func() { fmt.Fprintln(os.Stderr, "early"); goServe("late") },
}

// forever blocks. It waits for signals, since the runtime of a program without cgo
// reports a deadlock otherwise.
func forever() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGHUP)
	<-signals
}

func flood(file *os.File) {
	line := strings.Repeat("x", 1<<16)
	for {
		fmt.Fprint(file, line)
	}
}

func serve() { goServe("") }

// goServe serves until standard input ends.
func goServe(word string) {
	stderr := os.Stderr
	goplugin.Serve(&goplugin.ServeConfig{
		HandshakeConfig:  spawn.Handshake(kind),
		VersionedPlugins: map[int]goplugin.PluginSet{spawn.Version: {kind: served{}}},
		GRPCServer: func(options []grpc.ServerOption) *grpc.Server {
			server := grpc.NewServer(options...)
			go func() {
				_, _ = os.Stdin.Read(make([]byte, 1))
				if word != "" {
					fmt.Fprint(stderr, word)
				}
				server.Stop()
			}()
			return server
		},
	})
}

type served struct {
	goplugin.NetRPCUnsupportedPlugin
}

func (served) GRPCServer(*goplugin.GRPCBroker, *grpc.Server) error { return nil }
func (served) GRPCClient(context.Context, *goplugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, nil
}

func TestMain(m *testing.M) {
	if role := roles[os.Getenv("ROLE")]; role != nil {
		role()
		return
	}
	goleak.VerifyTestMain(m)
}

func command(role string) spawn.Command {
	path, err := os.Executable()
	if err != nil {
		panic(err)
	}
	return spawn.Command{Path: path, Kind: kind, Env: []string{"ROLE=" + role, "GORACE=atexit_sleep_ms=0"}, StartTimeout: time.Minute}
}

func closeSoon(t *testing.T, p *spawn.Process) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	return p.Close(ctx)
}

func TestStartAndClose(t *testing.T) {
	t.Setenv("TMPDIR", shortDir(t))
	p, err := spawn.Start(t.Context(), command("serve"))
	if err != nil {
		t.Fatal(err)
	}
	if p.Conn() == nil {
		t.Error("there is no connection")
	}
	if err := closeSoon(t, p); err != nil {
		t.Errorf("Close: %v", err)
	}
	if err := closeSoon(t, p); err != nil {
		t.Errorf("second Close: %v", err)
	}
	p.Kill()
	left, err := os.ReadDir(os.TempDir())
	if err != nil || len(left) > 0 {
		t.Errorf("left over in the directory for sockets: %v, %v", left, err)
	}
}

// shortDir returns a directory whose path leaves room for that of a socket.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "spawn")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func TestKill(t *testing.T) {
	p, err := spawn.Start(t.Context(), command("serve"))
	if err != nil {
		t.Fatal(err)
	}
	p.Kill()
	<-p.Done()
	if !errors.Is(p.Err(), spawn.ErrKilled) {
		t.Errorf("Err = %v", p.Err())
	}
}

func TestCloseKillsHangingProcess(t *testing.T) {
	p, err := spawn.Start(t.Context(), command("stays"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Close(ctx); !errors.Is(err, spawn.ErrKilled) {
		t.Errorf("Close = %v", err)
	}
}

func TestStartFailures(t *testing.T) {
	t.Setenv("TMPDIR", shortDir(t))
	var starts sync.WaitGroup // concurrently, since each may wait a second for last words
	for role, want := range map[string]error{
		"garbage": spawn.ErrHandshake, "endless": spawn.ErrHandshake, "netrpc": spawn.ErrHandshake,
		"open": spawn.ErrHandshake, "nobody": spawn.ErrHandshake, "quit": spawn.ErrHandshake,
		"versions": spawn.ErrVersion,
	} {
		starts.Go(func() {
			if _, err := spawn.Start(t.Context(), command(role)); !errors.Is(err, want) {
				t.Errorf("%s: %v, want %v", role, err, want)
			}
		})
	}
	starts.Wait()
	var exit *spawn.ExitError
	if _, err := spawn.Start(t.Context(), command("exit")); !errors.As(err, &exit) || exit.Error() != "exit status 3: no such disk" {
		t.Errorf("exit: %v", err)
	}
	other := command("serve")
	other.Kind = "other"
	if _, err := spawn.Start(t.Context(), other); !errors.As(err, &exit) {
		t.Errorf("another kind of plug-in: %v", err)
	}
	if left, err := os.ReadDir(os.TempDir()); err != nil || len(left) > 0 {
		t.Errorf("left over in the directory for sockets: %v, %v", left, err)
	}
}

func TestStartIsBounded(t *testing.T) {
	c := command("silent")
	c.StartTimeout = time.Millisecond
	if _, err := spawn.Start(t.Context(), c); !errors.Is(err, spawn.ErrStartTimeout) {
		t.Errorf("a plug-in that is silent: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := spawn.Start(ctx, command("silent")); !errors.Is(err, context.Canceled) {
		t.Errorf("a context that has ended: %v", err)
	}
}

func TestCheck(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte("#!/bin/false\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		path: "not executable", filepath.Dir(path): "a folder, not", path + "x": "no such file",
	} {
		if err := spawn.Check(path, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Check(%s) = %v, want %q", path, err, want)
		}
	}
	if err := os.Chmod(path, 0o700); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte("#!/bin/false\n"))
	if err := spawn.Check(path, sum[:]); err != nil {
		t.Error(err)
	}
	sum[0]++
	_, err := spawn.Start(t.Context(), spawn.Command{Path: path, SHA256: sum[:], Kind: kind})
	if !errors.Is(err, spawn.ErrChecksum) {
		t.Errorf("Start with another checksum: %v", err)
	}
	var exit *spawn.ExitError
	if _, err := spawn.Start(t.Context(), spawn.Command{Path: path, Kind: kind}); err == nil || !errors.As(err, &exit) && !strings.Contains(err.Error(), "no such file") {
		t.Errorf("Start of what fails: %v", err)
	}
}

func TestOutput(t *testing.T) {
	var mu sync.Mutex
	var got []string
	c := command("talks")
	c.Output = func(stream string, line []byte) {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, stream+": "+string(line))
	}
	p, err := spawn.Start(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if err := closeSoon(t, p); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	for _, want := range []string{"stderr: early", "stderr: late"} {
		if !slices.Contains(got, want) {
			t.Errorf("output %q, want %q among it", got, want)
		}
	}
}

// TestOutputIsBound: the number of lines beyond the limit is reported before Done is
// closed.
func TestOutputIsBound(t *testing.T) {
	var mu sync.Mutex
	var lines, dropped uint64
	var limits []string
	c := command("chatters")
	c.Output = func(string, []byte) {
		mu.Lock()
		defer mu.Unlock()
		lines++
	}
	c.Logs = spawn.Logs{Lines: 1, Dropped: func(n uint64, limit string) {
		mu.Lock()
		defer mu.Unlock()
		dropped += n
		limits = append(limits, limit)
	}}
	p, err := spawn.Start(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if err := closeSoon(t, p); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if lines == 0 || dropped == 0 || lines+dropped < 20 || limits[0] != "logs.lines_per_second (1)" {
		t.Errorf("of 20 lines and more there were %d, and %d were told to be dropped, by %q", lines, dropped, limits)
	}
}
