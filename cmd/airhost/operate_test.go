package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/airhost/airhost/admin"
	"github.com/airhost/airhost/internal/golden"
)

// outcome is that of a command that a test runs.
type outcome struct {
	code           int
	stdout, stderr string
}

func runArgs(args ...string) outcome {
	code, stdout, stderr := runs(args...)
	return outcome{code, stdout, stderr}
}

// TestTables: the outputs of the commands for a reader, with text of guests that a terminal
// would obey.
func TestTables(t *testing.T) {
	f := newFakeHost(t)
	f.applied, f.cluster = changes(), fakeCluster()
	f.events = []admin.Event{
		{Number: 1, Time: fakeTime, Kind: "deployed", Component: "shop/orders"},
		{Number: 2, Time: fakeTime, Kind: "rolled-back", Component: "shop/orders", Reason: "start: \x1b[31m"},
		{Number: 3, Time: fakeTime, Kind: "health", Component: "shop/orders", Health: "degraded"},
		{Number: 4, Time: fakeTime, Kind: "failed", Component: "shop/orders", Required: true, Reason: "trap: unreachable"},
		{Number: 5, Time: fakeTime, Kind: "host-gone", Host: "b\x1b", Reason: "it stops"},
	}
	f.logs = []admin.LogEntry{
		{Number: 1, Time: fakeTime, Level: "info", Message: "airhost is running", Attrs: map[string]any{"components": 3, "file": "my shop.yaml", "all": []int{1}}},
		{Number: 2, Time: fakeTime, Level: "error", Message: "clear\x1b[2J", Component: "shop/orders", Attrs: map[string]any{"from": "guest", "a\x07": "\x07", "none": ""}},
	}
	for name, args := range map[string][]string{
		"ps": {"ps"}, "ps-cluster": {"ps", "--cluster"}, "dead-letters": {"dead-letters"}, "list": {"dead-letters", "list"}, "log-level": {"log-level"}, "events": {"events"}, "logs": {"logs"},
		"apply": {"apply", "--dry-run"}, "show": {"dead-letters", "show", "3"}, "show-binary": {"dead-letters", "show", "12"},
	} {
		at := 1
		if len(args) > 1 && args[0] == "dead-letters" {
			at = 2
		}
		args = slices.Insert(args, at, f.file)
		got := runArgs(args...)
		if got.code != exitDone || got.stderr != "" {
			t.Errorf("%q: exit code %d, standard error %s", args, got.code, got.stderr)
		}
		golden.Check(t, "operate/"+name+".txt", got.stdout)
		if i := strings.IndexFunc(got.stdout, func(r rune) bool { return r != '\n' && printable(string(r)) != string(r) }); i >= 0 {
			t.Errorf("%q: not printable: %+.20q", args, got.stdout[i:])
		}
	}
}

func changes() *admin.Applied {
	return &admin.Applied{DryRun: true, Changes: []admin.Change{
		{ID: "shop/new", Action: "add"},
		{ID: "shop/old", Action: "remove"},
		{ID: "shop/orders", Action: "replace", Differences: []admin.Difference{{Path: "limits.memory", Old: "32MiB", New: "64MiB"}, {Path: "config.key", New: "…"}}},
		{ID: "gateway", Action: "update", Differences: []admin.Difference{{Path: "gateway.http.listen", Old: "a:1\x1b", New: ""}}},
	}}
}

// TestJSONOfHost: --output json has admin's own field names, and a stream an object a line.
func TestJSONOfHost(t *testing.T) {
	f := newFakeHost(t)
	f.applied = changes()
	f.events = []admin.Event{{Number: 1, Kind: "deployed"}, {Number: 2, Kind: "ended", Reason: "\u009b2J"}}
	f.logs = []admin.LogEntry{{Number: 1}, {Number: 2}}
	var components []admin.Component
	unmarshal(t, &components, "ps", f.file)
	if len(components) != 3 || components[0].LastError != f.components[0].LastError {
		t.Errorf("ps: %+v", components)
	}
	var cluster admin.Cluster
	if got := runArgs("ps", f.file, "--cluster"); got.code != exitFailed || !strings.Contains(got.stderr, "this host has no cluster: host.broker is not nats") {
		t.Errorf("ps --cluster of a host without one: %+v", got)
	}
	f.cluster = fakeCluster()
	unmarshal(t, &cluster, "ps", "--cluster", f.file)
	if len(cluster.Hosts) != 6 || cluster.Hosts[4].Error == "" || cluster.Hosts[1].State.Components[0].ID != "shop/stock" {
		t.Errorf("ps --cluster: %+v", cluster)
	}
	var letters []map[string]any
	unmarshal(t, &letters, "dead-letters", f.file)
	if len(letters) != 2 || letters[0]["to"] != "shop/orders" || letters[0]["pattern"] != "fire-and-forget" || letters[0]["payload"] != nil {
		t.Errorf("dead-letters: %v", letters)
	}
	var letter admin.DeadLetter
	unmarshal(t, &letter, "dead-letters", "show", f.file, "3")
	if string(letter.Payload) != "hello\n" {
		t.Errorf("show: %+v", letter)
	}
	var applied admin.Applied
	unmarshal(t, &applied, "apply", f.file)
	if len(applied.Changes) != 4 {
		t.Errorf("apply: %+v", applied)
	}
	var levels admin.LogLevels
	unmarshal(t, &levels, "log-level", f.file, "warn")
	if levels.Level != "warn" {
		t.Errorf("log-level: %+v", levels)
	}
	var done map[string]any
	unmarshal(t, &done, "restart", f.file, "shop/orders")
	if done["id"] != "shop/orders" {
		t.Errorf("restart: %v", done)
	}
	for _, command := range []string{"events", "logs"} {
		got := runArgs(command, f.file, "--output", "json")
		lines := strings.Split(strings.TrimSpace(got.stdout), "\n")
		if len(lines) != 2 || !json.Valid([]byte(lines[1])) || !strings.Contains(lines[1], `"number":2`) || strings.Contains(got.stdout, "\u009b") {
			t.Errorf("%s: %+v", command, got)
		}
	}
}

func unmarshal(t *testing.T, into any, args ...string) {
	t.Helper()
	got := runArgs(append(args, "--output", "json")...)
	if err := json.Unmarshal([]byte(got.stdout), into); err != nil || got.code != exitDone {
		t.Errorf("%q: exit code %d, %v\n%s%s", args, got.code, err, got.stdout, got.stderr)
	}
}

// TestHostIsFound: by --host, AIRHOST_HOST and FILE, in this order, with a token for TCP.
func TestHostIsFound(t *testing.T) {
	f := newFakeHost(t)
	other, _ := noHost(t)
	t.Setenv(hostVariable, f.socket)
	if got := runArgs("ps"); got.code != exitDone {
		t.Errorf("by the variable: %+v", got)
	}
	if got := runArgs("ps", other); got.code != exitDone {
		t.Errorf("the variable, and not FILE: %+v", got)
	}
	if got := runArgs("ps", "--host", other); got.code != exitFailed {
		t.Errorf("--host, and not the variable: %+v", got)
	}
	t.Setenv(hostVariable, "")

	address, token := f.tcpHost()
	if got := runArgs("ps", "--host", address, "--token-file", token); got.code != exitDone {
		t.Errorf("by TCP: %+v", got)
	}
	if got := runArgs("ps", "--host", address); got.code != exitFailed || !strings.Contains(got.stderr, "wants its token") || !strings.Contains(got.stderr, "--token-file") {
		t.Errorf("without a token: %+v", got)
	}
	if got := runArgs("ps", "--host", address, "--token-file", "none"); got.code != exitUsage || !strings.Contains(got.stderr, "none") {
		t.Errorf("no file with the token: %+v", got)
	}
	named := writeFile(t, "named.yaml", "host: {admin: '"+address+"', admin_token_file: "+token+"}\n"+oneEcho)
	if got := runArgs("ps", named); got.code != exitDone {
		t.Errorf("by host.admin: %+v", got)
	}
	if got := runArgs("ps", named, "--host", address); got.code != exitDone {
		t.Errorf("the token of FILE: %+v", got)
	}
	t.Setenv(tokenVariable, token)
	if got := runArgs("ps", "--host", address); got.code != exitDone {
		t.Errorf("the token of the variable: %+v", got)
	}
}

// TestNoHost: each reason why there is no host says how to go on.
func TestNoHost(t *testing.T) {
	file, socket := noHost(t)
	off := writeFile(t, "off.yaml", "host: {admin: off}\n"+oneEcho)
	stale := filepath.Join(t.TempDir(), "stale.sock")
	listener, err := net.Listen("unix", stale)
	if err != nil {
		t.Fatal(err)
	}
	listener.(*net.UnixListener).SetUnlinkOnClose(false)
	listener.Close()
	for _, test := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"ps", file}, exitFailed, "airhost: no host answers at " + socket + ": start one with `airhost run " + file + "`\n"},
		{[]string{"ps", "--host", stale}, exitFailed, "airhost: no host answers at " + stale + ": start one with `airhost run FILE`\n"},
		{[]string{"ps", off}, exitUsage, "has host.admin: off, so its host takes no commands"},
		{[]string{"ps"}, exitUsage, "airhost: no host is named: give the FILE that it was started with (it ends in .yaml or .yml), --host ADDRESS, or the variable AIRHOST_HOST\n"},
		{[]string{"ps", "--host", "http://localhost:1"}, exitUsage, "want the path of a socket, or host:port"},
		{[]string{"ps", filepath.Join(t.TempDir(), "typo.yaml")}, exitUsage, "typo.yaml: no such file"},
		{[]string{"ps", "shop"}, exitUsage, `unexpected argument "shop"`},
		{[]string{"ps", file, "--output", "xml"}, exitUsage, `--output is "xml", want table or json`},
	} {
		if got := runArgs(test.args...); got.code != test.code || !strings.Contains(got.stderr, test.want) || got.stdout != "" {
			t.Errorf("%q: %+v, want %d and …%s…", test.args, got, test.code, test.want)
		}
	}
}

// TestPermissionOfSocket tells the user whose host it is.
func TestPermissionOfSocket(t *testing.T) {
	o := &operation{program: &program{}, client: admin.NewClient(filepath.Join(t.TempDir(), "host.sock"), "")}
	err := o.explain(t.Context(), errors.Join(admin.ErrUnreachable, os.ErrPermission))
	if err == nil || !strings.Contains(err.Error(), "no permission to talk to the host at ") || !strings.Contains(err.Error(), "run the command as ") {
		t.Errorf("got %v", err)
	}
}

// TestControl: restart, undeploy and log-level ask the host for the right thing, and an id that
// it does not have gets the nearest one.
func TestControl(t *testing.T) {
	f := newFakeHost(t)
	for _, test := range []struct {
		args           []string
		code           int
		stdout, stderr string
		asked          string
	}{
		{[]string{"restart", f.file, "shop/orders"}, exitDone, "restarted shop/orders\n", "", "POST /v1/components/shop/orders/restart"},
		{[]string{"undeploy", f.file, "shop/echo"}, exitDone, "undeployed shop/echo\n", "", "DELETE /v1/components/shop/echo"},
		{[]string{"restart", f.file, "shop/ordres"}, exitUsage, "", "has no component shop/ordres, did you mean shop/orders?", ""},
		{[]string{"undeploy", f.file, "x/y"}, exitUsage, "", "it has: shop/audit, shop/echo, shop/orders", ""},
		{[]string{"restart", f.file, "orders"}, exitUsage, "", "ID: ", ""},
		{[]string{"restart", f.file}, exitUsage, "", "missing ID", ""},
		{[]string{"log-level", f.file, "warn"}, exitDone, "host: warn\nshop/orders: debug\n", "", `PUT /v1/log-level {"level":"warn"}`},
		{[]string{"log-level", f.file, "trace", "shop/echo"}, exitDone, "shop/echo: trace\n", "", `PUT /v1/log-level {"level":"trace","component":"shop/echo"}`},
		{[]string{"log-level", f.file, "default", "shop/ecoh"}, exitUsage, "", "did you mean shop/echo?", ""},
		{[]string{"log-level", f.file, "loud"}, exitUsage, "", `LEVEL is "loud", want trace, debug, info, warn, error (`, ""},
		{[]string{"log-level", f.file, "default"}, exitUsage, "", "default is for a component", ""},
		{[]string{"log-level", f.file, "info", "a/b", "c/d"}, exitUsage, "", `unexpected argument "c/d", want at most LEVEL and ID`, ""},
	} {
		got := runArgs(test.args...)
		if got.code != test.code || !strings.Contains(got.stdout, test.stdout) || !strings.Contains(got.stderr, test.stderr) || test.stderr == "" && got.stderr != "" {
			t.Errorf("%q: %+v, want %d, %q and …%s…", test.args, got, test.code, test.stdout, test.stderr)
		}
		if asked := f.requests(); test.asked != "" && !slices.Contains(asked, test.asked) {
			t.Errorf("%q: the host was asked %q, want %q", test.args, asked, test.asked)
		}
	}
}

// TestApply: the file goes to the host as an absolute path, progress to standard error, and the
// exit code tells whether all was done.
func TestApply(t *testing.T) {
	f := newFakeHost(t)
	t.Chdir(filepath.Dir(f.file))
	f.steps = []admin.Progress{{ID: "shop/new", Step: "compiling"}, {ID: "shop/new", Step: "compiled", Seconds: 1.23456}, {ID: "shop/new", Step: "failed", Error: "trap"}}
	f.applied = &admin.Applied{Changes: []admin.Change{{ID: "shop/new", Action: "add", Error: "it \x1b trapped"}}}
	got := runArgs("apply", "shop.yaml")
	if want := "shop/new: compiling\nshop/new: compiled in 1.2s\nshop/new: failed\n"; got.code != exitFailed || got.stderr != want {
		t.Errorf("a change fails: %+v, want %q", got, want)
	}
	if want := "+ shop/new\n    failed: \"it \\x1b trapped\"\n"; got.stdout != want {
		t.Errorf("a change fails: got %q, want %q", got.stdout, want)
	}
	if want := `POST /v1/apply {"file":"` + f.file + `"}`; !slices.Contains(f.requests(), want) {
		t.Errorf("the host was asked %q, want %q", f.requests(), want)
	}
	f.steps, f.applied = nil, &admin.Applied{}
	if got := runArgs("apply", "--host", f.socket, "--dry-run"); got != (outcome{exitDone, "nothing differs\n", ""}) {
		t.Errorf("nothing differs: %+v", got)
	}
	if want := `POST /v1/apply {"dry_run":true}`; !slices.Contains(f.requests(), want) {
		t.Errorf("the host was asked %q, want %q", f.requests(), want)
	}
	at := admin.Place{File: "/shop.yaml", Line: 2, Column: 3, Path: "components[0].id", Excerpt: "  x\n  ^"}
	f.refusal = &admin.Error{Code: admin.CodeInvalidConfiguration, Message: "one mistake", Place: &at, Mistakes: []admin.Mistake{{Message: "is wrong", Place: at}}}
	if got := runArgs("apply", f.file); got != (outcome{exitUsage, "", "/shop.yaml:2:3: components[0].id: is wrong\n  x\n  ^\n"}) {
		t.Errorf("a file with mistakes: %+v", got)
	}
	if got := runArgs("apply", f.file, "--log-format", "json"); got.code != exitUsage || !strings.Contains(got.stderr, `"msg":"is wrong","file":"/shop.yaml","line":2`) {
		t.Errorf("a file with mistakes: %+v", got)
	}
}

// TestColours: a terminal gets colours, and NO_COLOR takes them.
func TestColours(t *testing.T) {
	if got := differenceText(changes(), true); !strings.HasPrefix(got, "\x1b[32m+ shop/new\x1b[0m\n\x1b[31m- shop/old\x1b[0m\n\x1b[33m~ shop/orders  replace\x1b[0m\n    limits") {
		t.Errorf("got %q", got)
	}
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skip("no terminal to be had: ", err)
	}
	defer terminal.Close()
	for value, want := range map[string]bool{"": true, "1": false} {
		t.Setenv("NO_COLOR", value)
		if got := coloured(terminal); got != want {
			t.Errorf("NO_COLOR=%q: colours are %v", value, got)
		}
	}
	if coloured(&strings.Builder{}) {
		t.Error("a pipe gets colours")
	}
}

// TestDeadLetters: resend and drop handle the letters that they can, and tell of the others.
func TestDeadLetters(t *testing.T) {
	f := newFakeHost(t)
	for _, test := range []struct {
		args []string
		want outcome
	}{
		{[]string{"resend", f.file, "3", "12", "99"}, outcome{exitFailed, "resent 1\n", "airhost: dead letter 12: it was not kept whole\nairhost: dead letter 99: there is no dead letter 99\n"}},
		{[]string{"resend", f.file, "--all", "--output", "json"}, outcome{exitFailed, "{\n  \"count\": 0,\n  \"failed\": [\n    {\n      \"number\": 12,\n      \"error\": \"it was not kept whole\"\n    }\n  ]\n}\n", ""}},
		{[]string{"show", f.file, "12", "--output", "raw"}, outcome{exitFailed, "", "airhost: dead letter 12: the host has kept only 6 of its 2048 bytes, --output text shows them\n"}},
		{[]string{"show", f.file, "3"}, outcome{exitFailed, "", "airhost: there is no dead letter 3\n"}},
		{[]string{"drop", f.file, "--all"}, outcome{exitDone, "dropped 1\n", ""}},
		{[]string{"drop", f.file, "1"}, outcome{exitFailed, "dropped 0\n", "airhost: dead letter 1: there is no dead letter 1\n"}},
		{[]string{"list", f.file}, outcome{exitDone, "there are no dead letters\n", ""}},
		{[]string{"drop", f.file, "one"}, outcome{exitUsage, "", "airhost: NUMBER is \"one\", want that of a dead letter, as airhost dead-letters lists them\n"}},
	} {
		if got := runArgs(append([]string{"dead-letters"}, test.args...)...); got != test.want {
			t.Errorf("%q: got %+v, want %+v", test.args, got, test.want)
		}
	}
	for _, args := range [][]string{{"drop", f.file}, {"resend", f.file, "1", "--all"}, {"sohw", f.file}, {"show", f.file}} {
		if got := runArgs(append([]string{"dead-letters"}, args...)...); got.code != exitUsage {
			t.Errorf("%q: %+v", args, got)
		}
	}
	f.letters = []admin.DeadLetter{{Number: 1, Size: 3, Payload: []byte("\x00a\n")}}
	if got := runArgs("dead-letters", "show", f.file, "1", "--output", "raw"); got != (outcome{exitDone, "\x00a\n", ""}) {
		t.Errorf("the bytes alone: %+v", got)
	}
}

// TestStreamsSelect: the flags of events and logs select entries at the host.
func TestStreamsSelect(t *testing.T) {
	f := newFakeHost(t)
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"events", f.file}, "GET /v1/events"},
		{[]string{"events", f.file, "--last", "0"}, "GET /v1/events?last=0"},
		{[]string{"logs", f.file, "shop/orders", "--last", "3", "--level", "warn"}, "GET /v1/logs?component=shop%2Forders&last=3&level=warn"},
	} {
		if got := runArgs(test.args...); got != (outcome{}) || !slices.Contains(f.requests(), test.want) {
			t.Errorf("%q: %+v, asked %q, want %q", test.args, got, f.requests(), test.want)
		}
	}
	if got := runArgs("logs", f.file, "shop/ordres"); got.code != exitUsage || !strings.Contains(got.stderr, "did you mean shop/orders?") {
		t.Errorf("an unknown id: %+v", got)
	}
	if got := runArgs("logs", f.file, "shop/ordres", "-f"); !strings.Contains(got.stderr, "did you mean shop/orders?") || !slices.Contains(f.requests(), "GET /v1/logs?component=shop%2Fordres&follow=true&last=10") {
		t.Errorf("an unknown id, which may come: %+v", got)
	}
	f.logs = []admin.LogEntry{{Level: "info", Message: "undeployed", Time: fakeTime}}
	if got := runArgs("logs", f.file, "shop/gone"); got.code != exitDone || got.stdout == "" {
		t.Errorf("an id that the host had: %+v", got)
	}
	f.events = []admin.Event{{Number: 9, Missed: 4, Time: fakeTime, Kind: "ended", Component: "a/b"}}
	want := outcome{exitFailed, "2026-11-29 05:51:55  ended         a/b\n", "airhost: 4 events are missing here: they came faster than this command reads\nairhost: the host has ended the stream: it is stopping\n"}
	if got := runArgs("events", f.file, "-f"); got != want || !slices.Contains(f.requests(), "GET /v1/events?follow=true&last=10") {
		t.Errorf("the host stops: %+v, asked %q", got, f.requests())
	}
	for _, args := range [][]string{{"events", f.file, "--last", "-1"}, {"logs", f.file, "--level", "loud"}, {"logs", f.file, "shop"}, {"events", f.file, "shop"}} {
		if got := runArgs(args...); got.code != exitUsage {
			t.Errorf("%q: %+v", args, got)
		}
	}
}

// TestFollowEndsWithInterrupt: entries come while the stream is open, and an interrupt is no
// failure.
func TestFollowEndsWithInterrupt(t *testing.T) {
	f := newFakeHost(t)
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	f.open, f.logs = true, []admin.LogEntry{{Number: 1, Time: fakeTime, Level: "warn", Message: "here"}}
	from, to := io.Pipe()
	code := make(chan int, 1)
	go func() {
		var stderr strings.Builder
		code <- run([]string{"logs", f.file, "-f"}, strings.NewReader(""), to, &stderr)
	}()
	line, err := bufio.NewReader(from).ReadString('\n')
	if err != nil || line != "2026-11-29 05:51:55  WARN   here\n" {
		t.Errorf("got %q and %v", line, err)
	}
	interrupt(t)
	if got := <-code; got != exitDone {
		t.Errorf("exit code %d", got)
	}
}

// interrupt sends this process the signal of Ctrl-C.
func interrupt(t *testing.T) {
	t.Helper()
	self, err := os.FindProcess(os.Getpid())
	if err == nil {
		err = self.Signal(os.Interrupt)
	}
	if err != nil {
		t.Skip("no signals here: ", err)
	}
}

// TestCompletion: ids, numbers and levels of the running host; without one the ids of the file.
func TestCompletion(t *testing.T) {
	f := newFakeHost(t)
	file, _ := noHost(t)
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"restart", f.file, ""}, "shop/audit\nshop/echo\nshop/orders\n"},
		{[]string{"restart", file, ""}, "shop/echo\n"},
		{[]string{"restart", "--host", f.socket, ""}, "shop/audit\n"},
		{[]string{"restart", f.file, "shop/echo", ""}, ":4\n"},
		{[]string{"restart", ""}, "yaml\nyml\n:8\n"},
		{[]string{"log-level", f.file, ""}, "trace\ndebug\ninfo\nwarn\nerror\ndefault\n"},
		{[]string{"log-level", f.file, "debug", ""}, "shop/audit\n"},
		{[]string{"logs", f.file, ""}, "shop/audit\n"},
		{[]string{"dead-letters", "resend", f.file, "3", ""}, "12\tto shop/audit: target-not-found\n:4\n"},
		{[]string{"dead-letters", "show", file, ""}, ":4\n"},
		{[]string{"ps", f.file, ""}, ":4\n"},
	} {
		if got := runArgs(append([]string{"__complete"}, test.args...)...); !strings.HasPrefix(got.stdout, test.want) {
			t.Errorf("%q: got %q, want %q", test.args, got.stdout, test.want)
		}
	}
}

// TestCompletionOfSilentHost: a host that does not answer in time leaves the ids of the file.
func TestCompletionOfSilentHost(t *testing.T) {
	file, socket := noHost(t)
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if got := runArgs("__complete", "restart", file, ""); !strings.HasPrefix(got.stdout, "shop/echo\n") {
		t.Errorf("got %q", got.stdout)
	}
}
