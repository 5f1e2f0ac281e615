package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"
)

// asAirhost in the environment makes the test binary behave as the program, for
// tests that need a process to send signals to.
const asAirhost = "AIRHOST_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asAirhost) != "" {
		main()
	}
	time.Local = time.UTC // once: servers that tests start look at the time in the background
	programs := map[string]func(){"airhost": main}
	maps.Copy(programs, extensionPrograms)
	testscript.Main(m, programs)
}

func TestScripts(t *testing.T) {
	guests, err := filepath.Abs("testdata/guests")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		// Every guest lies beside the configuration, as it does for users.
		Setup: func(env *testscript.Env) error {
			env.Setenv("XDG_CACHE_HOME", filepath.Join(env.WorkDir, ".cache"))
			env.Setenv("GORACE", "atexit_sleep_ms=0") // the race detector's second per process
			if err := linkExtensions(env.WorkDir); err != nil {
				return err
			}
			return os.CopyFS(filepath.Join(env.WorkDir, "guests"), os.DirFS(guests))
		},
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       os.Getenv("UPDATE_SCRIPTS") != "",
	})
}

const oneEcho = "components:\n- {id: shop/echo, source: echo, engine: native}\n"

func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestRunStopsOnSignals runs a real process, interrupts it once it says that it
// runs, and expects a graceful end with a summary.
func TestRunStopsOnSignals(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there are no such signals")
	}
	file := writeFile(t, "airhost.yaml", oneEcho)
	for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		t.Run(signal.String(), func(t *testing.T) {
			program := exec.CommandContext(t.Context(), os.Args[0], "run", file, "--log-format", "json")
			program.Env = append(os.Environ(), asAirhost+"=1")
			var stdout bytes.Buffer
			program.Stdout = &stdout
			logs, err := program.StderrPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := program.Start(); err != nil {
				t.Fatal(err)
			}
			messages := interruptWhenRunning(t, program, signal, logs)
			if err := program.Wait(); err != nil {
				t.Errorf("it ended with %v, want exit code 0", err)
			}
			if last := messages[len(messages)-1]; last != "stopped" {
				t.Errorf("the last log line is %q, want the summary; all: %q", last, messages)
			}
			if stdout.Len() > 0 {
				t.Errorf("standard output has %q, want nothing", stdout.String())
			}
		})
	}
}

// interruptWhenRunning returns the messages of the whole log.
func interruptWhenRunning(t *testing.T, program *exec.Cmd, signal os.Signal, logs interface{ Read([]byte) (int, error) }) (messages []string) {
	t.Helper()
	for lines := bufio.NewScanner(logs); lines.Scan(); {
		var record struct{ Msg string }
		if err := json.Unmarshal(lines.Bytes(), &record); err != nil {
			t.Fatalf("a log line is no JSON: %q", lines.Text())
		}
		messages = append(messages, record.Msg)
		if strings.HasPrefix(record.Msg, "airhost is running") {
			if err := program.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
		}
	}
	return messages
}

// TestCallAddsNothing sends bytes of all kinds through call, and checks that the host
// leaves nothing behind.
func TestCallAddsNothing(t *testing.T) {
	defer goleak.VerifyNone(t)
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	file := writeFile(t, "airhost.yaml", oneEcho)
	for _, message := range []string{"", "hello", "two\nlines\n", "\x00\xff\x1b[31m", strings.Repeat("x", 100_000)} {
		var stdout, stderr bytes.Buffer
		code := run([]string{"call", file, "shop/echo"}, strings.NewReader(message), &stdout, &stderr)
		if code != exitDone || stdout.String() != message {
			t.Errorf("call with %.20q: exit code %d, %.20q, %s", message, code, stdout.String(), stderr.String())
		}
	}
}

// TestNoMessageFromATerminal gives call a character device that is not the null
// device where a terminal would be.
func TestNoMessageFromATerminal(t *testing.T) {
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skip("no terminal to be had: ", err)
	}
	defer terminal.Close()
	var stdout, stderr bytes.Buffer
	code := run([]string{"call", writeFile(t, "airhost.yaml", oneEcho), "shop/echo"}, terminal, &stdout, &stderr)
	if want := "there is no message: give it by --data or --data-file"; code != exitUsage || !strings.Contains(stderr.String(), want) {
		t.Errorf("exit code %d, standard error %q, want 2 and …%s", code, stderr.String(), want)
	}
}

// TestResponseOnATerminal: there a response is a line of its own. A terminal echoes,
// with \r\n for each line end.
func TestResponseOnATerminal(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skip("this machine has no terminal: ", err)
	}
	defer terminal.Close()
	file, echoed := writeFile(t, "airhost.yaml", oneEcho), bufio.NewReader(terminal)
	for message, want := range map[string]string{"hello": "hello\r\n", "two\nlines\n": "two\r\nlines\r\n", "": "\r\n"} {
		var stderr bytes.Buffer
		code := run([]string{"call", file, "shop/echo", "--data", message}, nil, terminal, &stderr)
		if _, err := terminal.WriteString("$"); err != nil {
			t.Fatal(err)
		}
		if got, err := echoed.ReadString('$'); code != exitDone || err != nil || got != want+"$" {
			t.Errorf("call with %q: exit code %d, got %q, %v, want %q; %s", message, code, got, err, want, stderr.String())
		}
	}
}

func TestSectionsThatAreMalformed(t *testing.T) {
	for _, data := range []string{"", "\xff", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "\x01", "\x01\x05abc", "\x01\x01a\x02\x01b"} {
		if found, err := readProducers([]byte(data)); err == nil {
			t.Errorf("producers %q are read as %v", data, found)
		}
		if found, err := readFeatures([]byte(data)); err == nil {
			t.Errorf("features %q are read as %v", data, found)
		}
	}
	found, err := readProducers([]byte("\x01\x08language\x01\x03C11\x02\x31\x31"))
	if err != nil || len(found) != 1 || found[0] != (producer{"language", "C11", "11"}) {
		t.Errorf("producers are read as %v, %v", found, err)
	}
}

// TestInspectTellsTheOrigin adds custom sections to a module, good and broken
// ones.
func TestInspectTellsTheOrigin(t *testing.T) {
	code, err := os.ReadFile("testdata/guests/imports.wasm")
	if err != nil {
		t.Fatal(err)
	}
	for _, section := range []string{
		"\x09producers\x02\x08language\x01\x03C11\x00\x0cprocessed-by\x01\x05clang\x06\x31\x39.1.7",
		"\x0ftarget_features\x03+\x04simd-\x07threads=\x0bbulk-memory",
		"\x09producers\xff",
		"\x04\x1b[2J",
	} {
		code = append(append(code, 0, byte(len(section))), section...)
	}
	var stdout, stderr bytes.Buffer
	exit := run([]string{"inspect", writeFile(t, "m.wasm", string(code))}, nil, &stdout, &stderr)
	for _, want := range []string{
		"language: C11\n", "processed-by: clang 19.1.7\n", "features\n  bulk-memory, simd\n", "  \"\\x1b[2J\", 0 bytes\n",
		"memory     64 KiB, at most 256 KiB, imported\n", "table      2 elements of funcref, at most 8, imported\n", "start      runs code",
	} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("inspect does not say %q", want)
		}
	}
	if exit != exitFailed || stderr.Len() > 0 || t.Failed() {
		t.Errorf("exit code %d, want 1; standard error %q, standard output\n%s", exit, stderr.String(), stdout.String())
	}
}

func TestBytesText(t *testing.T) {
	for n, want := range map[uint64]string{0: "0 bytes", 1023: "1023 bytes", 1024: "1 KiB", 1536: "1.5 KiB", 64 << 10: "64 KiB", 4 << 30: "4 GiB"} {
		if got := bytesText(n); got != want {
			t.Errorf("bytesText(%d) = %q, want %q", n, got, want)
		}
	}
}
