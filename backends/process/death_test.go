package process_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/airhost/airhost/backends/process"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/enginetest"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
	"github.com/airhost/airhost/internal/hosttest"
	"github.com/airhost/airhost/plugin"
)

func init() {
	roles["dying"] = func() {
		switch os.Getenv(deathVariable) {
		case "start":
			panic("boom")
		case "after the end":
			defer panic("boom")
		}
		plugin.Serve(dying{})
	}
}

// dying dies at the point that the environment names.
type dying struct{}

const deathVariable = "AIRHOST_TEST_DEATH"

func (dying) Initialize(guest.Host, guest.Config) error {
	dieIn("initialize")
	return nil
}

func (dying) Health() guest.HealthStatus {
	dieIn("health")
	return guest.Healthy
}

func (dying) Shutdown(guest.Host) { dieIn("shutdown") }

func dieIn(call string) {
	if os.Getenv(deathVariable) == call {
		panic("boom")
	}
}

// longPanic is a panic with a text of several lines, much longer than a report may
// be.
type longPanic struct{}

func (longPanic) Error() string { return "boom\n" + strings.Repeat("x", 1<<20) }

func noMap() map[string]int { return nil }

func (dying) HandleMessage(h guest.Host, _ string, message []byte) ([]byte, error) {
	switch string(message) {
	case "panic":
		panic("boom")
	case "long":
		panic(longPanic{})
	case "nil":
		noMap()["boom"] = 1
	case "goexit":
		runtime.Goexit()
	case "goroutine":
		go panic("boom")
		select {}
	case "exit":
		fmt.Fprint(os.NewFile(2, "stderr"), "earlier\nno such disk")
		os.Exit(4)
	case "quietly":
		fmt.Fprintln(os.Stderr, "no license")
		os.Exit(0)
	case "loop":
		fmt.Fprintln(os.Stderr, "waiting for the disk")
		h.Now()
		select {}
	}
	return message, nil
}

func startDying(t *testing.T, death string) (core.Instance, *enginetest.Services) {
	t.Helper()
	c := command("dying")
	c.Env = append(c.Env, deathVariable+"="+death)
	return start(t, c, core.Limits{})
}

// TestLastWords: the reason is never lost, however a component dies.
func TestLastWords(t *testing.T) {
	for message, c := range map[string]struct{ text, details string }{
		"panic":     {"panic: boom", "HandleMessage"},
		"long":      {"panic: boom", "HandleMessage"},
		"nil":       {"panic: assignment to entry in nil map", "HandleMessage"},
		"goexit":    {"panic: the component called runtime.Goexit", "HandleMessage"},
		"goroutine": {"the process ended: exit status 2: panic: boom", "goroutine "},
		"exit":      {"the process ended: exit status 4: no such disk", "earlier\nno such disk"},
		"quietly":   {"the process ended: exit status 0: no license", "no license"},
	} {
		t.Run(message, func(t *testing.T) {
			t.Parallel()
			for range 5 {
				in, _ := startDying(t, "")
				err := in.HandleMessage(victimID, []byte(message), nil)
				trap := new(core.TrapError)
				if !errors.As(err, &trap) || trap.Kind != core.TrapFault || trap.Text != c.text || !strings.Contains(trap.Details, c.details) {
					t.Fatalf("got %v with details %q\nwant %q with %q", err, trap.Details, c.text, c.details)
				}
			}
		})
	}
}

// TestPanicInAnyCall: the reason of a panic is reported in every call.
func TestPanicInAnyCall(t *testing.T) {
	for death, call := range map[string]func(core.Instance) error{
		"initialize": func(in core.Instance) error { return in.Initialize(nil) },
		"health":     health,
		"shutdown":   core.Instance.Shutdown,
	} {
		trap := new(core.TrapError)
		in, _ := startDying(t, death)
		err := call(in)
		if !errors.As(err, &trap) || trap.Text != "panic: boom" || !strings.Contains(trap.Details, "dieIn") {
			t.Errorf("%s: %v, want a panic with its stack", death, err)
		}
	}
}

// TestLastWordsOfInterruptedProcess: the details of an interrupted call contain the
// last words of its process.
func TestLastWordsOfInterruptedProcess(t *testing.T) {
	in, services := startDying(t, "")
	services.Calling = func(string) { in.Interrupt() }
	err := in.HandleMessage(victimID, []byte("loop"), nil)
	trap := new(core.TrapError)
	if !errors.As(err, &trap) || trap.Kind != core.TrapHandler || trap.Details != "waiting for the disk" {
		t.Errorf("got %v with details %q, want it interrupted, and its last line", err, trap.Details)
	}
}

// TestPanicAtTheStart: a panic before the component is ready is an error with the
// reason, and one log record has the stack.
func TestPanicAtTheStart(t *testing.T) {
	var logged hosttest.Log
	engine, err := process.New(process.Config{Logger: slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelWarn}))})
	if err != nil {
		t.Fatal(err)
	}
	c := command("dying")
	c.Env = append(c.Env, deathVariable+"=start")
	_, err = engine.Compile(t.Context(), process.Source(c), patient)
	var refused *core.ModuleError
	if !errors.As(err, &refused) || !strings.Contains(err.Error(), "it ended before its handshake: exit status 2: panic: boom") {
		t.Errorf("got %v, want a ModuleError with the panic", err)
	}
	log := logged.String()
	if strings.Count(log, "level=") != 1 || !strings.Contains(log, "level=ERROR") || !strings.Contains(log, "death_test.go") {
		t.Errorf("the log is\n%s\nwant one record with the stack", log)
	}
}

// TestFailsAfterItsShutdown: the log reports a process that fails after it was asked
// to exit.
func TestFailsAfterItsShutdown(t *testing.T) {
	var logged hosttest.Log
	r := newHarness(t, slog.New(slog.NewTextHandler(&logged, nil)))
	c := command("dying")
	c.Env = append(c.Env, deathVariable+"=after the end")
	r.deploy(t, victimID, host.Deployment{Source: process.Source(c), Restart: quickly})
	if err := r.Undeploy(t.Context(), victimID); err != nil {
		t.Error(err)
	}
	if want := `level=ERROR msg="process failed when it was asked to end" component=test/victim reason="exit status 2: panic: boom"`; !strings.Contains(logged.String(), want) {
		t.Errorf("the log is\n%s\nwant %s", logged.String(), want)
	}
}

// TestStatusOfAPanic: a process whose component has panicked exits by itself, with
// the exit status of a Go panic.
func TestStatusOfAPanic(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("it is started by a shell script")
	}
	c := command("dying")
	status := filepath.Join(t.TempDir(), "status")
	script := filepath.Join(t.TempDir(), "plugin")
	if err := os.WriteFile(script, fmt.Appendf(nil, "#!/bin/sh\n%s\necho $? > %s\n", c.Path, status), 0o700); err != nil {
		t.Fatal(err)
	}
	c.Path = script
	in, _ := start(t, c, core.Limits{})
	if err := in.HandleMessage(victimID, []byte("panic"), nil); err == nil || !strings.Contains(err.Error(), "panic: boom") {
		t.Errorf("got %v", err)
	}
	if err := in.Close(); err != nil {
		t.Error(err)
	}
	if got, err := os.ReadFile(status); !bytes.Equal(got, []byte("2\n")) {
		t.Errorf("it ended with status %q, %v, want 2", got, err)
	}
}

// TestEnvironmentIsNoModule: a fault of the environment is not reported as one of
// the source.
func TestEnvironmentIsNoModule(t *testing.T) {
	in, err := compile(t.Context(), command("actor"), patient)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", filepath.Join(t.TempDir(), "missing"))
	var refused *core.ModuleError
	if _, err := compile(t.Context(), command("actor"), patient); !errors.Is(err, process.ErrEnvironment) || errors.As(err, &refused) {
		t.Errorf("Compile: %v, want ErrEnvironment and no ModuleError", err)
	}
	_, err = in.Instantiate(t.Context(), core.Environment{ID: victimID, Host: &enginetest.Services{}})
	if !errors.Is(err, process.ErrEnvironment) || !strings.Contains(err.Error(), "TMPDIR") {
		t.Errorf("Instantiate: %v, want ErrEnvironment that names TMPDIR", err)
	}
}
