package process_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/airhost/airhost/backends/process"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/guest"
	"github.com/airhost/airhost/plugin"
)

func init() {
	roles["dies"] = func() { fmt.Fprintln(os.Stderr, "no such disk"); os.Exit(3) }
	roles["silent"] = func() { select {} }
	roles["babbles"] = func() { fmt.Println("ready!"); select {} }
	roles["future"] = func() { fmt.Println("1|2|unix|/x|grpc|" + strings.Repeat("A", 60)); select {} }
	roles["stays"] = func() { plugin.Serve(echoEnv{}); select {} }
	roles["environment"] = func() { plugin.Serve(echoEnv{}) }
}

// echoEnv returns the process's arguments and environment.
type echoEnv struct{}

func (echoEnv) HandleMessage(guest.Host, string, []byte) ([]byte, error) {
	return fmt.Append(nil, os.Args[1:], os.Environ()), nil
}

// patient allows for the slowest machine.
var patient = core.Limits{StartTime: time.Minute}

func compile(ctx context.Context, c process.Command, limits core.Limits) (core.Component, error) {
	engine, err := newEngine()
	if err != nil {
		return nil, err
	}
	return engine.Compile(ctx, process.Source(c), limits)
}

func TestCompileRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		command process.Command
		want    error
		text    string
	}{
		"dies at start":   {command("dies"), nil, "exit status 3: no such disk"},
		"no handshake":    {command("babbles"), process.ErrHandshake, `"ready!"`},
		"another version": {command("future"), process.ErrVersion, `"2", this host has 1`},
		"silent":          {command("silent"), process.ErrStartTimeout, "within limits.start_time (1ms)"},
		"says not":        {liarCommand("mute"), nil, "not today"},
		"no executable":   {process.Command{Path: "start_test.go"}, nil, "not executable"},
		"no file":         {process.Command{Path: "nowhere"}, nil, "no such file"},
		"nothing":         {process.Command{}, nil, "no executable is named"},
	} {
		limits := patient
		if name == "silent" {
			limits.StartTime = time.Millisecond
		}
		_, err := compile(t.Context(), c.command, limits)
		var refused *core.ModuleError
		if !errors.As(err, &refused) || c.want != nil && !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %v, want a ModuleError with %v and %q", name, err, c.want, c.text)
		}
	}
	engine, _ := newEngine()
	src := source("actor")
	src.SHA256 = bytes.Repeat([]byte{0xab}, sha256.Size)
	if _, err := engine.Compile(t.Context(), src, patient); !errors.Is(err, process.ErrChecksum) || !strings.Contains(err.Error(), "abab") {
		t.Errorf("another checksum: %v, want ErrChecksum with the sum that is wanted", err)
	}
	var refused *core.ModuleError
	if _, err := engine.Compile(t.Context(), core.Source{Value: 1}, core.Limits{}); !errors.As(err, &refused) {
		t.Errorf("a source that is a number: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := compile(ctx, command("actor"), patient); !errors.Is(err, context.Canceled) {
		t.Errorf("Compile with a canceled context: %v", err)
	}
}

// TestReplacedExecutable: each start checks the executable again.
func TestReplacedExecutable(t *testing.T) {
	path := t.TempDir() + "/plugin"
	c := command("actor")
	code, err := os.ReadFile(c.Path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, code, 0o700); err != nil {
		t.Fatal(err)
	}
	c.Path = path
	src, sum := process.Source(c), sha256.Sum256(code)
	src.SHA256 = sum[:]
	engine, err := newEngine()
	if err != nil {
		t.Fatal(err)
	}
	component, err := engine.Compile(t.Context(), src, patient)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Remove(path), os.WriteFile(path, append(code, 0), 0o700)); err != nil {
		t.Fatal(err)
	}
	var trap *core.TrapError
	_, err = component.Instantiate(t.Context(), core.Environment{ID: core.MustComponentID("test/a")})
	if !errors.Is(err, process.ErrChecksum) || !errors.As(err, &trap) {
		t.Errorf("an executable that was replaced: %v", err)
	}
}

func TestEnvironment(t *testing.T) {
	t.Setenv("AIRHOST_TEST_SECRET", "of the host")
	c := command("environment")
	c.Args = []string{"--disk", "a b"}
	c.Env = append(c.Env, "GRANTED=yes")
	in, _ := start(t, c, core.Limits{})
	var response []byte
	if err := in.HandleMessage(core.MustComponentID("test/b"), nil, &response); err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(response, []byte("[--disk a b]")) || !bytes.Contains(response, []byte("GRANTED=yes")) {
		t.Errorf("got %q, want the arguments and GRANTED=yes", response)
	}
	if bytes.Contains(response, []byte("SECRET")) || bytes.Contains(response, []byte("PATH=")) {
		t.Errorf("got %q, with the host's environment", response)
	}
}

func TestLimits(t *testing.T) {
	c := command("environment")
	c.Limits = process.Limits{Memory: 1 << 30, OpenFiles: 100, CPUTime: 1500 * time.Millisecond}
	var logged bytes.Buffer
	engine, _ := process.New(process.Config{Logger: slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	component, err := engine.Compile(t.Context(), process.Source(c), patient)
	if err != nil {
		t.Fatal(err)
	}
	in, err := component.Instantiate(t.Context(), core.Environment{ID: core.MustComponentID("test/a")})
	if err != nil {
		t.Fatal(err)
	}
	if err := in.Close(); err != nil {
		t.Error(err)
	}
	if !strings.Contains(logged.String(), "open_files:") {
		t.Errorf("log: %s, want what holds the limits", logged.String())
	}
}

// TestHangsAtShutdown: a process that does not exit when asked to is killed.
func TestHangsAtShutdown(t *testing.T) {
	in, _ := start(t, command("stays"), core.Limits{})
	if err := in.Shutdown(); err != nil {
		t.Error(err)
	}
	if err := in.Close(); err != nil {
		t.Error(err)
	}
}
