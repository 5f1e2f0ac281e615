package main

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestMessagesIntoRunningHost: call and send go to the host that runs, say nothing more, and end
// with the exit codes of a host of their own.
func TestMessagesIntoRunningHost(t *testing.T) {
	f := newFakeHost(t)
	named := func(args ...string) []string { return append(args, "--host", f.socket) }
	for _, test := range []struct {
		args  []string
		want  outcome
		asked string
	}{
		{[]string{"call", f.file, "shop/orders", "--data", "x"}, outcome{exitDone, "answer to x from shop/orders", ""}, "POST /v1/requests?target=shop%2Forders x"},
		{named("call", "shop/orders", "--data", "y", "--timeout", "2s"), outcome{exitDone, "answer to y from shop/orders", ""}, "POST /v1/requests?target=shop%2Forders&timeout=2s y"},
		{named("call", "other.yaml", "shop/orders", "--data", "z"), outcome{exitDone, "answer to z from shop/orders", ""}, ""},
		{[]string{"send", f.file, "shop/orders", "--data", "x"}, outcome{exitDone, "", ""}, "POST /v1/messages?target=shop%2Forders x"},
		{[]string{"call", f.file, "shop/audit", "--data", "x"}, outcome{exitFailed, "", "airhost: request to shop/audit: unavailable\n"}, ""},
		{[]string{"call", f.file, "shop/odrers", "--data", "x"}, outcome{exitUsage, "", "airhost: the host at " + f.socket + " has no component shop/odrers, did you mean shop/orders?\n"}, ""},
		{[]string{"call", f.file, "file/echo", "--data", "x"}, outcome{exitUsage, "", "airhost: " + f.file + " has file/echo, and the running host does not: `airhost apply " + f.file + "` changes that, and --alone starts a host of its own\n"}, ""},
		{[]string{"call", f.file, "odrers", "--data", "x"}, outcome{exitUsage, "", "airhost: TARGET: invalid component id \"odrers\": want namespace/name, there is no '/'\n"}, ""},
	} {
		got := runArgs(test.args...)
		if got.code != test.want.code || got.stdout != test.want.stdout || got.stderr != test.want.stderr {
			t.Errorf("%q: got %+v, want %+v", test.args, got, test.want)
		}
		if test.asked != "" && !slices.Contains(f.requests(), test.asked) {
			t.Errorf("%q: the host was asked %q, want %q", test.args, f.requests(), test.asked)
		}
	}
	t.Setenv(hostVariable, f.socket)
	if got := runArgs("call", "shop/orders", "--data", "v"); got.stdout != "answer to v from shop/orders" {
		t.Errorf("by the variable: %+v", got)
	}
}

// TestMessagesAlone: without a running host, and with --alone, a host of its own handles the
// message, also for a module that has no file.
func TestMessagesAlone(t *testing.T) {
	f := newFakeHost(t)
	none, _ := noHost(t)
	guest, err := filepath.Abs("testdata/guests/echo.wasm")
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{none, "shop/echo"}, {f.file, "file/echo", "--alone"}, {guest}, {guest, "--engine", "wazero"}} {
		got := runArgs(append([]string{"call", "--data", "x"}, args...)...)
		if got.code != exitDone || got.stdout != "x" || !strings.Contains(got.stderr, "msg=stopped") {
			t.Errorf("%q: %+v", args, got)
		}
	}
	if asked := f.requests(); len(asked) > 0 {
		t.Errorf("the running host was asked %q", asked)
	}
	if got := runArgs("call", guest, "--data", "x"); !strings.Contains(got.stderr, "component=local/echo") {
		t.Errorf("the module's id is not in the log: %s", got.stderr)
	}
	odd := filepath.Join(t.TempDir(), "An Odd Name.wasm")
	code, err := os.ReadFile(guest)
	if err == nil {
		err = os.WriteFile(odd, code, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	if got := runArgs("call", odd, "--data", "x"); got.code != exitDone || !strings.Contains(got.stderr, "component=local/module") {
		t.Errorf("a name that is none of an id: %+v", got)
	}
	off := writeFile(t, "off.yaml", "host: {admin: off}\n"+oneEcho)
	if got := runArgs("call", off, "shop/echo", "--data", "x"); got.code != exitDone || got.stdout != "x" {
		t.Errorf("a file without an admin API: %+v", got)
	}
}

// TestWrongDeliveries: arguments that do not fit each other are wrong usage.
func TestWrongDeliveries(t *testing.T) {
	f := newFakeHost(t)
	none, socket := noHost(t)
	for _, test := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"shop/echo"}, exitUsage, "no host is named: give the FILE"},
		{[]string{"shop/echo", "--host", socket}, exitFailed, "no host answers at " + socket},
		{[]string{"shop/echo", "--alone"}, exitUsage, "missing TARGET"},
		{[]string{none, "shop/echo", "--alone", "--host", f.socket}, exitUsage, "alone host"},
		{[]string{none, "shop/echo", "--engine", "wazero"}, exitUsage, "--engine is for a MODULE.wasm"},
		{[]string{"x.wasm", "--host", f.socket}, exitUsage, "--host is for a TARGET"},
		{[]string{"x.wasm"}, exitUsage, "x.wasm: no such file\n"},
		{[]string{"testdata/guests/wrong.wasm"}, exitUsage, "\ntestdata/guests/wrong.wasm: export cabi_realloc (i32, i32, i32, i32) -> i32 is missing\n"},
		{[]string{"testdata/guests/echo.wasm", "--engine", "wazer"}, exitUsage, "--engine: unknown engine \"wazer\", did you mean \"wazero\"?\n"},
		{[]string{none, "shop/echo", "--token-file", "nowhere"}, exitUsage, "nowhere"},
		{[]string{none}, exitUsage, "missing TARGET"},
	} {
		got := runArgs(append([]string{"call", "--data", "x"}, test.args...)...)
		if got.code != test.code || !strings.Contains(got.stderr, test.want) || got.stdout != "" {
			t.Errorf("%q: %+v, want %d and …%s…", test.args, got, test.code, test.want)
		}
	}
}

// TestCommandsOnRealHost runs airhost run in a process and all commands on it.
func TestCommandsOnRealHost(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv(hostVariable, "")
	file := writeFile(t, "airhost.yaml", oneEcho)
	end := startHost(t, file)
	for _, test := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"call", file, "shop/echo", "--data", "hello"}, exitDone, "hello"},
		{[]string{"send", file, "shop/echo", "--data", "hello"}, exitDone, ""},
		{[]string{"ps", file}, exitDone, "shop/echo  native  running"},
		{[]string{"restart", file, "shop/echo"}, exitDone, "restarted shop/echo\n"},
		{[]string{"events", file}, exitDone, "restarted     shop/echo"},
		{[]string{"logs", file, "shop/echo"}, exitDone, "component deployed  component=shop/echo"},
		{[]string{"log-level", file, "debug", "shop/echo"}, exitDone, "host: info\nshop/echo: debug\n"},
		{[]string{"log-level", file, "default", "shop/echo"}, exitDone, "host: info\n"},
		{[]string{"dead-letters", file}, exitDone, "there are no dead letters\n"},
		{[]string{"dead-letters", "drop", file, "--all"}, exitDone, "dropped 0\n"},
		{[]string{"dead-letters", "show", file, "1"}, exitFailed, "1"},
		{[]string{"undeploy", file, "shop/ehco"}, exitUsage, "did you mean shop/echo?"},
		{[]string{"apply", file}, exitDone, "nothing differs\n"},
		{[]string{"events", file, "shop/echo", "--last", "1"}, exitDone, "restarted     shop/echo"},
		{[]string{"events", file, "shop/ehco"}, exitUsage, "did you mean shop/echo?"},
		{[]string{"run", file}, exitUsage, "a host listens on"},
	} {
		if got := runArgs(test.args...); got.code != test.code || !strings.Contains(got.stdout+got.stderr, test.want) {
			t.Errorf("%q: %+v, want %d and %q", test.args, got, test.code, test.want)
		}
	}
	applyChanges(t, file)
	end()
	if got := runArgs("ps", file); got.code != exitFailed || !strings.Contains(got.stderr, "start one with `airhost run "+file+"`") {
		t.Errorf("the host has ended: %+v", got)
	}
}

func applyChanges(t *testing.T, file string) {
	t.Helper()
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(oneEcho + "- {id: shop/new, source: echo, engine: native}\n")
	if got := runArgs("apply", file, "--dry-run"); got.code != exitDone || got.stdout != "+ shop/new\n" {
		t.Errorf("--dry-run: %+v", got)
	}
	if got := runArgs("apply", file); got.code != exitDone || got.stdout != "+ shop/new\n" || !strings.Contains(got.stderr, "shop/new: ") {
		t.Errorf("apply: %+v", got)
	}
	if got := runArgs("undeploy", file, "shop/new"); got != (outcome{exitDone, "undeployed shop/new\n", ""}) {
		t.Errorf("undeploy: %+v", got)
	}
	write("components:\n- {id: shop/echo, source: ecko, engine: native}\n")
	if got := runArgs("apply", file); got.code != exitUsage || !strings.Contains(got.stderr, file+":2:27: components[0].source: ") || !strings.Contains(got.stderr, "^") {
		t.Errorf("mistakes: %+v", got)
	}
}

// startHost runs airhost run until it says that it runs. end stops it.
func startHost(t *testing.T, file string) (end func()) {
	t.Helper()
	program := exec.CommandContext(t.Context(), os.Args[0], "run", file, "--log-format", "json")
	program.Env = append(os.Environ(), asAirhost+"=1")
	logs, err := program.StderrPipe()
	if err == nil {
		err = program.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(logs)
	for lines.Scan() {
		var record struct{ Msg string }
		if json.Unmarshal(lines.Bytes(), &record) == nil && strings.HasPrefix(record.Msg, "airhost is running") {
			break
		}
	}
	rest := make(chan struct{})
	go func() {
		defer close(rest)
		for lines.Scan() { // so that the host is not held up
		}
	}()
	return func() {
		if err := program.Process.Signal(os.Interrupt); err != nil {
			t.Error(err)
		}
		<-rest
		if err := program.Wait(); err != nil {
			t.Errorf("the host ended with %v", err)
		}
	}
}
