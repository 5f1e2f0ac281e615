package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/airhost/airhost/internal/abi"
	"github.com/airhost/airhost/internal/bombs"
	"github.com/airhost/airhost/internal/parts"
	"github.com/airhost/airhost/internal/wasm"
)

// runs runs the program in this process.
func runs(args ...string) (code int, stdout, stderr string) {
	var out, err bytes.Buffer
	code = run(args, strings.NewReader(""), &out, &err)
	return code, out.String(), err.String()
}

// guestFile writes a guest that has one more function, and a configuration for each
// engine.
func guestFile(t *testing.T, change func(*wasm.Module)) (module string, configurations []string) {
	t.Helper()
	m := bombs.Kinds()[0].Make(1)
	change(m)
	return moduleFile(t, m.Encode())
}

func moduleFile(t *testing.T, code []byte) (module string, configurations []string) {
	t.Helper()
	module = filepath.Join(t.TempDir(), "guest.wasm")
	if err := os.WriteFile(module, code, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, engine := range wasmEngines() {
		configurations = append(configurations, writeFile(t, engine+".yaml", fmt.Sprintf("components:\n- {id: a/b, source: %s, engine: %s}\n", module, engine)))
	}
	return module, configurations
}

// wasmEngines returns the engines of this build that run WebAssembly.
func wasmEngines() []string {
	var all []string
	for _, e := range parts.Engines {
		if e.Runs == parts.WebAssembly && e.LeftOut == "" {
			all = append(all, e.Name)
		}
	}
	return all
}

// withCode adds a function of the given code.
func withCode(code ...byte) func(*wasm.Module) {
	return func(m *wasm.Module) {
		m.Functions, m.Code = append(m.Functions, 1), append(m.Code, wasm.Code{Expr: code})
	}
}

// TestSameVerdictEverywhere: inspect, check and call report an unsupported or malformed
// module in the same words, on each engine.
func TestSameVerdictEverywhere(t *testing.T) {
	gc := []byte("\x00asm\x01\x00\x00\x00\x01\x03\x01\x5f\x00")
	for _, c := range []struct {
		name   string
		change func(*wasm.Module)
		want   string
	}{
		{"legacy exceptions", withCode(0x06, 0x40, 0x19, 0x0b, 0x0b), "it uses exceptions (legacy), which are not supported: build without them (clang++ -fno-exceptions"},
		{"exceptions", withCode(0x1f, 0x40, 0, 0x0b, 0x0b), "it uses exceptions, which are not supported"},
		{"relaxed SIMD", withCode(0xfd, 0x93, 0x02, 0x0b), "it uses relaxed SIMD instructions, which are not supported"},
		{"64-bit memory", func(m *wasm.Module) { m.Memories[0].Is64 = true }, "it uses 64-bit memories or tables, which are not supported"},
		{"recursive types", func(m *wasm.Module) { m.Types = append(m.Types, wasm.FuncType{Rec: 1}) }, "it uses garbage-collected types, which are not supported"},
		{"structures", nil, "it uses garbage-collected types, which are not supported"},
		{"unknown instruction", withCode(0x27, 0x0b), "malformed WebAssembly at offset"},
		{"command", func(m *wasm.Module) {
			m.Exports = append(m.Exports, wasm.Export{Name: "_start", Index: 2})
		}, "it is a command (it exports _start and no _initialize)"},
	} {
		module, configurations := moduleFile(t, gc)
		if c.change != nil {
			module, configurations = guestFile(t, c.change)
		}
		if code, stdout, stderr := runs("inspect", module); code == exitDone || !strings.Contains(stdout+stderr, c.want) {
			t.Errorf("inspect, %s: exit code %d\n%s%s", c.name, code, stdout, stderr)
		}
		for _, file := range configurations {
			for _, args := range [][]string{{"check", file}, {"call", file, "a/b", "--data", "x"}} {
				if code, _, stderr := runs(append(args, "--cache", "")...); code != exitUsage || !strings.Contains(stderr, c.want) {
					t.Errorf("%s, %s: exit code %d\n%s", args, c.name, code, stderr)
				}
			}
		}
	}
}

// TestRefusedImportsAreMarked: inspect reports the imports that the host refuses, and
// check reports that the component cannot send requests.
func TestRefusedImportsAreMarked(t *testing.T) {
	module, configurations := guestFile(t, func(m *wasm.Module) {
		i32, i64 := wasm.I32, wasm.I64
		m.Types = append(m.Types, wasm.FuncType{Results: []wasm.ValueType{i32}}, wasm.FuncType{Params: []wasm.ValueType{i32, i32, i32, i32, i64, i32}}, wasm.FuncType{Params: []wasm.ValueType{i32, i32, i32, i32, i32}}, wasm.FuncType{Params: []wasm.ValueType{i32}, Results: []wasm.ValueType{i32}})
		m.Imports = []wasm.Import{
			{Module: abi.HostServices, Name: abi.SendRequest, Type: uint32(len(m.Types) - 3)},
			{Module: abi.PubSub, Name: abi.Publish, Type: uint32(len(m.Types) - 2)},
			{Module: abi.WASI, Name: "fd_close [v2]", Type: uint32(len(m.Types) - 1)},
			{Module: abi.WASI, Name: "fd_sync", Type: uint32(len(m.Types) - 1)},
			{Module: "wasi:cli/stdout@0.2.6", Name: "get-stdout", Type: uint32(len(m.Types) - 4)},
			{Module: "wasi:sockets/instance-network@0.2.6", Name: "instance-network", Type: uint32(len(m.Types) - 4)},
			{Module: "wasi:sockets/tcp@0.2.6", Name: "[method]tcp-socket.is-listening", Type: uint32(len(m.Types) - 1)},
		}
		for i := range m.Exports[1:] {
			m.Exports[i+1].Index += uint32(len(m.Imports))
		}
	})
	code, stdout, stderr := runs("inspect", module)
	for _, want := range []string{
		"send-request  func (i32, i32, i32, i32, i64, i32) -> ()  refused without capabilities.request\n",
		"publish  func (i32, i32, i32, i32, i32) -> ()  refused without capabilities.publish\n",
		"fd_close [v2]  func (i32) -> i32\n",
		"fd_sync        func (i32) -> i32  refused without capabilities.files\n",
		"get-stdout  func () -> i32\n",
		"instance-network  func () -> i32\n",
		"[method]tcp-socket.is-listening  func (i32) -> i32  refused: there are no sockets\n",
		"  ! it imports send-request, which is refused without an export handle-callback\nit meets the contract\n",
	} {
		if code != exitDone || !strings.Contains(stdout, want) {
			t.Errorf("exit code %d, want %q in\n%s%s", code, want, stdout, stderr)
		}
	}
	for _, file := range configurations {
		if code, stdout, stderr := runs("check", file, "--cache", ""); code != exitDone || !strings.Contains(stdout, "ok, but it imports send-request, which is refused") {
			t.Errorf("check: exit code %d\n%s%s", code, stdout, stderr)
		}
	}
}

// TestInspectEscapesJSON: inspect --json escapes the characters that terminals obey
// or hide, as the log does, and its output stays JSON.
func TestInspectEscapesJSON(t *testing.T) {
	const name = "a\x1b[2J\u202eb\u200b\u0085\U000e0041c"
	module, _ := guestFile(t, func(m *wasm.Module) { m.Exports = append(m.Exports, wasm.Export{Name: name, Index: 1}) })
	_, stdout, _ := runs("inspect", "--json", module)
	if i := strings.IndexFunc(stdout, func(r rune) bool { return r != '\n' && printable(string(r)) != string(r) }); i >= 0 {
		t.Errorf("not printable: %+.20q", stdout[i:])
	}
	var r moduleReport
	if err := json.Unmarshal([]byte(stdout), &r); err != nil || r.Exports[len(r.Exports)-1].Name != name {
		t.Errorf("got %v and %+q, want %+q", err, r.Exports, name)
	}
}
