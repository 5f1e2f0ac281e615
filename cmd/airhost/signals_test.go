package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/airhost/airhost/internal/config"
	"github.com/airhost/airhost/internal/parts"
	"github.com/airhost/airhost/internal/service"
)

// watched is a program in a process of its own, with its log.
type watched struct {
	*exec.Cmd
	t     *testing.T
	mu    sync.Mutex // guards the fields below
	log   bytes.Buffer
	waits []wait
}

// wait is a call that is made once the log has a text.
type wait struct {
	text string
	do   func()
}

func airhost(t *testing.T, args ...string) *watched {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("there are no such signals")
	}
	w := &watched{Cmd: exec.CommandContext(t.Context(), os.Args[0], args...), t: t}
	w.Env = append(os.Environ(), asAirhost+"=1", "XDG_CACHE_HOME="+t.TempDir())
	w.Stderr = w
	return w
}

func (w *watched) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.log.Write(b)
	for len(w.waits) > 0 && strings.Contains(w.log.String(), w.waits[0].text) {
		w.waits[0].do()
		w.waits = w.waits[1:]
	}
	return len(b), nil
}

// when calls do once the log has the text, after the calls of earlier uses of when.
func (w *watched) when(text string, do func()) { w.waits = append(w.waits, wait{text, do}) }

func (w *watched) send(s os.Signal) func() {
	return func() {
		if err := w.Process.Signal(s); err != nil {
			w.t.Error(err)
		}
	}
}

// lacks checks that the log does not say any of the texts.
func (w *watched) lacks(texts ...string) {
	w.t.Helper()
	for _, text := range texts {
		if strings.Contains(w.log.String(), text) {
			w.t.Errorf("the log says %q:\n%s", text, &w.log)
		}
	}
}

// ends runs the program, and checks its exit code and the texts in its log.
func (w *watched) ends(code int, says ...string) {
	w.t.Helper()
	if err := w.Run(); err != nil && !errors.As(err, new(*exec.ExitError)) {
		w.t.Fatal(err)
	}
	if got := w.ProcessState.ExitCode(); got != code || len(w.waits) > 0 {
		w.t.Errorf("exit code %d, want %d, and %d things to wait for left; the log:\n%s", got, code, len(w.waits), &w.log)
	}
	for _, text := range says {
		if !strings.Contains(w.log.String(), text) {
			w.t.Errorf("the log does not say %q:\n%s", text, &w.log)
		}
	}
}

const running = `msg="airhost is running`

// onPath returns the path of a program that this test's executable is linked as.
func onPath(t *testing.T, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Skip(err) // the system may have no links
	}
	return path
}

// onePlugin writes a configuration with one component that is a process.
func onePlugin(t *testing.T, program string) string {
	t.Helper()
	path := onPath(t, program)
	return writeFile(t, "airhost.yaml", fmt.Sprintf("components:\n- id: shop/plugin\n  source: %s\n  engine: process\n  limits: {handler_time: 1m, start_time: 10m}\n", path))
}

// TestHangup: a SIGHUP makes run apply its file again; to a call it means nothing.
func TestHangup(t *testing.T) {
	w := airhost(t, "run", writeFile(t, "airhost.yaml", oneEcho))
	w.when(running, w.send(syscall.SIGHUP))
	w.when(`msg="the file was applied: nothing to change"`, w.send(syscall.SIGTERM))
	w.ends(exitDone, "msg=stopped")
}

// TestStopWhileStarting: a start that a signal cuts off is not a mistake in the file.
func TestStopWhileStarting(t *testing.T) {
	for signal, says := range map[os.Signal]string{
		os.Interrupt:    "airhost: stopped by SIGINT while starting\n",
		syscall.SIGTERM: "airhost: stopped by SIGTERM while starting\n",
	} {
		file := onePlugin(t, "dawdler")
		w := airhost(t, "run", file)
		w.when("dawdling", w.send(signal))
		w.ends(exitDone, says)
		w.lacks("level=ERROR", "did not start", "cut off")
		w = airhost(t, "call", file, "shop/plugin", "--data", "x")
		w.when("dawdling", w.send(signal))
		w.ends(exitFailed, says)
		w = airhost(t, "check", file)
		w.when("dawdling", w.send(signal))
		w.ends(exitFailed, "while checking")
	}
}

// TestStopWhileReloading: a signal cuts off the change that a reload makes, and the host ends as
// always.
func TestStopWhileReloading(t *testing.T) {
	dawdler, err := os.ReadFile(onePlugin(t, "dawdler"))
	if err != nil {
		t.Fatal(err)
	}
	for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		file := writeFile(t, "airhost.yaml", oneEcho)
		w := airhost(t, "run", file)
		w.when(running, func() {
			if err := os.WriteFile(file, []byte(oneEcho+strings.TrimPrefix(string(dawdler), "components:\n")), 0o600); err != nil {
				t.Error(err)
			}
			w.send(syscall.SIGHUP)()
		})
		w.when("dawdling", w.send(signal))
		w.ends(exitDone, "msg=stopped")
		w.lacks("did not start", "was left behind")
	}
}

// TestMistakesBeforeTheStopAreSaid: a signal cuts off the starts of components, and does
// not hide mistakes that were found before.
func TestMistakesBeforeTheStopAreSaid(t *testing.T) {
	broken, err := filepath.Abs("testdata/guests/truncated.wasm")
	if err != nil {
		t.Fatal(err)
	}
	dawdler, err := os.ReadFile(onePlugin(t, "dawdler"))
	if err != nil {
		t.Fatal(err)
	}
	file := writeFile(t, "airhost.yaml", strings.Replace(string(dawdler), "components:\n",
		"components:\n- {id: shop/broken, source: "+broken+", engine: wazero}\n", 1)+"  capabilities: {send: [shop/broken]}\n")
	w := airhost(t, "run", file)
	w.when("dawdling", w.send(syscall.SIGTERM))
	w.ends(exitDone, "truncated.wasm: malformed WebAssembly", "airhost: stopped by SIGTERM while starting\n")
}

// TestStopBeforeAnythingStarts: with each engine, and even where the module is no good.
func TestStopBeforeAnythingStarts(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(stopSignal{syscall.SIGTERM})
	for _, e := range parts.Engines {
		if e.LeftOut != "" {
			continue
		}
		engine, source := e.Name, "echo"
		if e.Runs != parts.Go {
			source = os.Args[0]
		}
		name := writeFile(t, "airhost.yaml", fmt.Sprintf("components:\n- {id: shop/b, source: %s, engine: %s}\n", source, engine))
		file, err := config.Load(name, service.Built())
		if err != nil {
			t.Fatal(err)
		}
		p := &program{log: slog.New(slog.DiscardHandler)}
		if _, err := p.start(ctx, service.Config{File: file}); !isStop(err) || exitCode(err) != exitFailed {
			t.Errorf("%s: %v, exit code %d", engine, err, exitCode(err))
		}
	}
}

// TestStopWhileReadingStandardInput: call gives up waiting for its message.
func TestStopWhileReadingStandardInput(t *testing.T) {
	in, open := io.Pipe()
	defer open.Close()
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(stopSignal{syscall.SIGTERM})
	p := &program{stdin: in}
	command := p.callCommand()
	s := &payload{command: command}
	if _, err := s.read(ctx, in); !isStop(err) {
		t.Errorf("%v, want that it was stopped", err)
	}
}

// TestNobodyReadsTheLog: when the log's reader ends, the program goes on. It stops in
// order at a signal, and leaves no temporary folder.
func TestNobodyReadsTheLog(t *testing.T) {
	w := airhost(t, "run", onePlugin(t, "stock"))
	temp := t.TempDir()
	w.Env = append(w.Env, "TMPDIR="+temp)
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	w.Stderr = write
	if err := w.Start(); err != nil {
		t.Fatal(err)
	}
	write.Close()
	w.when(running, func() {
		read.Close()
		w.send(syscall.SIGHUP)() // the log that would report it has no reader
		w.send(syscall.SIGTERM)()
	})
	_, _ = io.Copy(w, read) // it ends with the pipe
	if err := w.Wait(); err != nil {
		t.Errorf("it ended with %v, want exit code 0", err)
	}
	emptied(t, temp)
}

func emptied(t *testing.T, folder string) {
	t.Helper()
	if left, _ := filepath.Glob(filepath.Join(folder, "*")); len(left) > 0 {
		t.Errorf("it has left %q", left)
	}
}

// TestLogCannotBeWritten: a log on a full disk, or into a pipe without a reader from
// the beginning, stops nothing.
func TestLogCannotBeWritten(t *testing.T) {
	read, closed, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	read.Close()
	defer closed.Close()
	logs := []*os.File{closed}
	if full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0); err == nil {
		defer full.Close()
		logs = append(logs, full)
	}
	for _, log := range logs {
		w := airhost(t, "call", onePlugin(t, "stock"), "shop/plugin", "--data", "hello", "--log-level", "trace")
		temp := t.TempDir()
		w.Env = append(w.Env, "TMPDIR="+temp)
		w.Stderr = log
		if out, err := w.Output(); err != nil || string(out) != "hello" {
			t.Errorf("%s: got %q, %v, want the response", log.Name(), out, err)
		}
		emptied(t, temp)
	}
}

// TestLogIsNotTaken: a pipe that is full, and stays so, stops nothing.
func TestLogIsNotTaken(t *testing.T) {
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	defer write.Close()
	file := hostileFiles(t, "components:\n  - {id: evil/a, source: attacker.wasm, limits: {handler_time: 1m}, logs: {lines_per_second: 10000}}\n")
	w := airhost(t, "call", file, "evil/a", "--data-file", writeFile(t, "message", "L\x88\x13\x00\x00"))
	w.Stderr = write
	if err := w.Run(); err != nil {
		t.Errorf("it ended with %v, want exit code 0", err)
	}
}

// TestNobodyReadsTheResponse: a response that is lost is a failure, not a death.
func TestNobodyReadsTheResponse(t *testing.T) {
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	read.Close()
	defer write.Close()
	w := airhost(t, "call", writeFile(t, "airhost.yaml", oneEcho), "shop/echo", "--data", "hello")
	w.Stdout = write
	w.ends(exitFailed, "msg=stopped", "broken pipe")
}

// TestRequiredComponentFails: run ends with 1 if a component has failed that is
// required.
func TestRequiredComponentFails(t *testing.T) {
	for keys, code := range map[string]int{"": exitDone, "required: false, ": exitDone, "required: true, ": exitFailed} {
		w := airhost(t, "run", hostileFiles(t, strings.Replace(failsForGood, "restart: {policy: temporary}", keys+"restart: {policy: temporary}", 1)))
		w.when(`msg="component failed"`, func() {})
		w.when(running, w.send(os.Interrupt))
		says := "msg=stopped"
		if code != exitDone {
			says = "airhost: evil/b, which is required, has failed: trapped: "
		}
		w.ends(code, says)
	}
}

// TestMessagesAreLeft: run ends with 1 if messages were left when the drain was over.
func TestMessagesAreLeft(t *testing.T) {
	w := airhost(t, "run", hostileFiles(t, underAttack))
	w.when(running, w.send(os.Interrupt))
	w.ends(exitFailed, "messages that were not handled: ", `msg="dead letter"`)
}
