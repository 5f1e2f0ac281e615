package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"github.com/airhost/airhost/internal/hostile"
)

// hostileFiles writes a configuration and, beside it, the guest that attacks.
func hostileFiles(t *testing.T, configuration string) string {
	t.Helper()
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	file := writeFile(t, "airhost.yaml", configuration)
	if err := os.WriteFile(filepath.Join(filepath.Dir(file), "attacker.wasm"), hostile.Guest, 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

// hostileRun runs the program in this process.
func hostileRun(args ...string) (exit int, stdout, stderr string) {
	var out, errs bytes.Buffer
	exit = run(args, strings.NewReader(""), &out, &errs)
	return exit, out.String(), errs.String()
}

// While one guest loops, two others send each other as much as they can.
const underAttack = `
host: {drain_timeout: 100ms}
components:
  - {id: good/echo, source: echo, engine: native}
  - {id: evil/loop, source: attacker.wasm, limits: {handler_time: 500ms}}
  - {id: evil/loops, source: attacker.wasm, config: {peer: evil/loop, send: o}, capabilities: {send: [evil/*]}}
  - {id: evil/b, source: attacker.wasm, config: {peer: evil/a}, capabilities: {send: [evil/*]}}
  - {id: evil/a, source: attacker.wasm, config: {peer: evil/b, send: s}, capabilities: {send: [evil/*]}}
`

func TestHostileNeighborAnswers(t *testing.T) {
	file := hostileFiles(t, underAttack)
	exit, stdout, stderr := hostileRun("call", file, "good/echo", "--data", "good morning", "--log-level", "error")
	if exit != exitDone || stdout != "good morning" {
		t.Errorf("exit code %d, standard output %q, standard error\n%s", exit, stdout, stderr)
	}
}

func TestHostileAnswersAreErrors(t *testing.T) {
	file := hostileFiles(t, `
components:
  - {id: evil/brief, source: attacker.wasm, limits: {handler_time: 50ms}}
  - {id: evil/a, source: attacker.wasm, limits: {handler_time: 10s}}
`)
	for message, want := range map[string]string{
		"o": "trapped: handler-time", "x": "trapped: handler-time", "z": "trapped: stack", "T": "trapped: fault",
		"va": "trapped: abi", "b": "quota.message_size", "cz": "trapped: handler-time",
	} {
		target := "evil/a"
		if strings.Contains(want, "handler-time") {
			target = "evil/brief"
		}
		exit, stdout, stderr := hostileRun("call", file, target, "--data", message)
		if exit != exitFailed || stdout != "" || !strings.Contains(stderr, "airhost: request to "+target+": ") || !strings.Contains(stderr, want) {
			t.Errorf("call with %q: exit code %d, standard output %q, standard error\n%s\nwant 1, nothing, and %s", message, exit, stdout, stderr, want)
		}
	}
}

func TestHostileLogsAreEscaped(t *testing.T) {
	file := hostileFiles(t, "components:\n  - {id: evil/a, source: attacker.wasm}\n")
	raw := func(r rune) bool { return !unicode.IsPrint(r) }
	for _, format := range []string{formatText, formatJSON} {
		_, _, stderr := hostileRun("call", file, "evil/a", "--data", "L\x03\x00\x00\x00", "--log-format", format)
		if !strings.Contains(stderr, "forged") {
			t.Errorf("%s: the guest's text is not in the log:\n%q", format, stderr)
		}
		for line := range strings.Lines(stderr) {
			if strings.ContainsFunc(strings.TrimSuffix(line, "\n"), raw) || strings.HasPrefix(line, " forged") {
				t.Errorf("%s: a line is not escaped: %q", format, line)
			}
		}
	}
}

// TestHostileFloodIsTold: the log counts the lines that were dropped and names the
// limit, and its summary counts them again.
func TestHostileFloodIsTold(t *testing.T) {
	file := hostileFiles(t, "components:\n  - {id: evil/a, source: attacker.wasm, limits: {handler_time: 1m}, logs: {lines_per_second: 100}}\n")
	_, _, stderr := hostileRun("call", file, "evil/a", "--data", "L\x88\x13\x00\x00")
	logged, dropped := strings.Count(stderr, "forged"), 0
	for line := range strings.Lines(stderr) {
		if _, rest, ok := strings.Cut(line, `level=WARN msg="log lines were dropped" component=evil/a dropped=`); ok {
			var n int
			if _, err := fmt.Sscanf(rest, "%d limit=\"logs.lines_per_second (100)\"", &n); err != nil {
				t.Errorf("%v: %s", err, line)
			}
			dropped += n
		}
	}
	if logged == 0 || dropped == 0 || logged+dropped != 5000 || !strings.Contains(stderr, fmt.Sprint(" log_lines_dropped=", dropped)) {
		t.Errorf("of 5,000 lines %d are in the log, and %d are told to be dropped:\n%s", logged, dropped, stderr[max(0, len(stderr)-1000):])
	}
}

// TestHostileModulesAreRefused checks a file with all modules that no engine may
// load.
func TestHostileModulesAreRefused(t *testing.T) {
	file := hostileFiles(t, "")
	configuration := "components:\n  - {id: good/echo, source: echo, engine: native}\n"
	var names []string
	for i, attack := range hostile.Attacks() {
		if attack.End != hostile.Refused {
			continue
		}
		name := fmt.Sprintf("bad-%d.wasm", i)
		names = append(names, name)
		configuration += fmt.Sprintf("  - {id: evil/m%d, source: %s}\n", i, name)
		if err := os.WriteFile(filepath.Join(filepath.Dir(file), name), attack.Guest(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(file, []byte(configuration), 0o644); err != nil {
		t.Fatal(err)
	}
	exit, stdout, stderr := hostileRun("check", file)
	if exit != exitUsage || strings.Count(stdout, " ok\n") != 1 {
		t.Errorf("exit code %d, want 2; standard output\n%s", exit, stdout)
	}
	for _, name := range names {
		if !strings.Contains(stderr, name+": ") {
			t.Errorf("nothing is said about %s:\n%s", name, stderr)
		}
	}
}

const failsForGood = `
components:
  - {id: good/echo, source: echo, engine: native}
  - {id: evil/b, source: attacker.wasm, restart: {policy: temporary}}
  - {id: evil/a, source: attacker.wasm, config: {peer: evil/b, send: t}, capabilities: {send: [evil/*]}}
`

// TestHostileFailureIsSaid runs a real process in which a component fails for
// good. The program must report this, go on, and stop at a signal.
func TestHostileFailureIsSaid(t *testing.T) {
	file := hostileFiles(t, failsForGood)
	program := exec.CommandContext(t.Context(), os.Args[0], "run", file, "--log-format", "json")
	program.Env = append(os.Environ(), asAirhost+"=1")
	logs, err := program.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := program.Start(); err != nil {
		t.Fatal(err)
	}
	seen := hostileLog(t, program, bufio.NewScanner(logs))
	if err := program.Wait(); err != nil {
		t.Errorf("it ended with %v, want exit code 0", err)
	}
	for _, message := range []string{"component failed", "airhost is running, an interrupt stops it", "dead letter"} {
		if !seen[message] {
			t.Errorf("the log does not say %q: %v", message, seen)
		}
	}
}

// hostileLog interrupts a program that runs although a component has failed, and
// returns its log.
func hostileLog(t *testing.T, program *exec.Cmd, lines *bufio.Scanner) map[string]bool {
	t.Helper()
	seen := map[string]bool{}
	for interrupted := false; lines.Scan(); {
		var record struct{ Msg, Component string }
		if err := json.Unmarshal(lines.Bytes(), &record); err != nil {
			t.Fatalf("a log line is no JSON: %q", lines.Text())
		}
		seen[record.Msg] = true
		if !interrupted && seen["component failed"] && seen["airhost is running, an interrupt stops it"] {
			interrupted = true
			if err := program.Process.Signal(os.Interrupt); err != nil {
				t.Fatal(err)
			}
		}
	}
	return seen
}
