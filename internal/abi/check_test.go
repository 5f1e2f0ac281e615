package abi_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/airhost/airhost/internal/abi"
	"github.com/airhost/airhost/internal/wasm"
)

// guest returns a module that meets the contract.
func guest(t *testing.T, name string) *wasm.Module {
	t.Helper()
	code, err := os.ReadFile("../../core/enginetest/testdata/" + name + ".wasm")
	if err != nil {
		t.Fatal(err)
	}
	m, err := wasm.Parse(code)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestCheckAcceptsGuests(t *testing.T) {
	for _, name := range []string{"actor", "responder", "hostile"} {
		if problems := abi.Check(guest(t, name)); problems != nil {
			t.Errorf("%s: got %q", name, problems)
		}
	}
}

// without removes an export.
func without(name string) func(*wasm.Module) {
	return func(m *wasm.Module) {
		m.Exports = slices.DeleteFunc(m.Exports, func(e wasm.Export) bool { return e.Name == name })
	}
}

// as makes an export refer to something else.
func as(name string, kind wasm.Kind, index uint32) func(*wasm.Module) {
	return func(m *wasm.Module) {
		without(name)(m)
		m.Exports = append(m.Exports, wasm.Export{Name: name, Kind: kind, Index: index})
	}
}

// typed gives an exported function another type.
func typed(name string, params ...wasm.ValueType) func(*wasm.Module) {
	return func(m *wasm.Module) {
		m.Types = append(m.Types, wasm.FuncType{Params: params})
		m.Functions = append(m.Functions, uint32(len(m.Types)-1))
		m.Code = append(m.Code, wasm.Code{Expr: []byte{0x00, 0x0b}})
		as(name, wasm.KindFunc, uint32(m.Len(wasm.KindFunc)-1))(m)
	}
}

// imported adds an import of a function without parameters and results.
func imported(module, name string) func(*wasm.Module) {
	return func(m *wasm.Module) {
		m.Types = append(m.Types, wasm.FuncType{})
		m.Imports = append(m.Imports, wasm.Import{Module: module, Name: name, Type: uint32(len(m.Types) - 1)})
		for i := range m.Exports {
			if m.Exports[i].Kind == wasm.KindFunc {
				m.Exports[i].Index++ // imports are counted first
			}
		}
	}
}

func TestCheckNamesEachShortfall(t *testing.T) {
	const handle = "airhost:core/component-lifecycle@0.1.0#handle-message"
	for _, c := range []struct {
		what  string
		spoil func(*wasm.Module)
		want  string
	}{
		{"no memory", without(abi.Memory), "export memory is missing: the module must export its memory under this name"},
		{"memory is a function", as(abi.Memory, wasm.KindFunc, 0), "export memory is a func, want a memory"},
		{"no realloc", without(abi.Realloc), "export cabi_realloc (i32, i32, i32, i32) -> i32 is missing"},
		{"no handle-message", without(abi.HandleMessage), "export " + handle + " (i32, i32, i32, i32) -> i32 is missing"},
		{"handle-message of wrong type", typed(abi.HandleMessage, wasm.I32), "export " + handle + " has type (i32) -> (), want (i32, i32, i32, i32) -> i32"},
		{"handle-callback of wrong type", typed(abi.HandleCallback, wasm.I32), "has type (i32) -> (), want (i64, i32, i32, i32) -> i32"},
		{"post-return of wrong type", typed(abi.PostHandleMessage), "has type () -> (), want (i32) -> ()"},
		{"realloc is a memory", as(abi.Realloc, wasm.KindMemory, 0), "export cabi_realloc is a memory, want a function (i32, i32, i32, i32) -> i32"},
		{"half of management", typed(abi.Shutdown), "component-management is exported as a whole or not at all"},
		{"save alone", typed(abi.Save), "export " + abi.Restore + " is missing: component-state is exported as a whole or not at all"},
		{"restore alone", typed(abi.Restore, wasm.I32, wasm.I32), "export " + abi.Save + " is missing: component-state is exported as a whole or not at all"},
		{"save of wrong type", typed(abi.Save, wasm.I64), "export " + abi.Save + " has type (i64) -> (), want () -> i32"},
		{"restore of wrong type", typed(abi.Restore), "export " + abi.Restore + " has type () -> (), want (i32, i32) -> i32"},
		{"post-return of save of wrong type", typed(abi.PostSave), "export " + abi.PostSave + " has type () -> (), want (i32) -> ()"},
		{"two versions", as("airhost:core/component-lifecycle@0.1.4#handle-message", wasm.KindFunc, 1), "export " + handle + " is there twice: want one version of it"},
		{"64-bit memory", func(m *wasm.Module) { m.Memories[0].Is64 = true }, "it uses 64-bit memories or tables, which are not supported: build for wasm32"},
		{"shared memory", func(m *wasm.Module) { m.Memories[0] = wasm.Limits{Min: 2, Max: 2, HasMax: true, Shared: true} }, "it uses threads, which are not supported: build without atomics and shared memory"},
		{"two memories", func(m *wasm.Module) { m.Memories = append(m.Memories, m.Memories[0]) }, "it uses several memories, which are not supported: build with one"},
		{"unknown import", imported("env", "abort"), `import "env" "abort" cannot be satisfied: a guest may import from airhost:core/host-services@0.1.0, airhost:timers/timers@0.1.0, airhost:functions/host-functions@0.1.0, airhost:pubsub/pubsub@0.1.0, wasi_snapshot_preview1 and WASI 0.2`},
		{"unknown service", imported(abi.HostServices, "send-response"), `import airhost:core/host-services@0.1.0 "send-response" is unknown`},
		{"service of wrong type", imported(abi.HostServices, "log"), "import airhost:core/host-services@0.1.0 log has type () -> (), want (i32, i32, i32) -> ()"},
		{"another version", imported("airhost:core/host-services@9.0.0", "log"), "the host offers airhost:core/host-services@0.1.0"},
		{"timers of wrong type", imported(abi.Timers, "after"), "import airhost:timers/timers@0.1.0 after has type () -> (), want (i64, i32, i32, i32) -> ()"},
		{"timers of a later minor version and wrong type", imported("airhost:timers/timers@0.1.12", "cancel"), "import airhost:timers/timers@0.1.12 cancel has type () -> (), want (i64) -> i32"},
		{"another version of timers", imported("airhost:timers/timers@0.2.0", "after"), "the host offers airhost:timers/timers@0.1.0"},
		{"call of wrong type", imported(abi.Functions, "call"), "import airhost:functions/host-functions@0.1.0 call has type () -> (), want (i32, i32, i32, i32, i32) -> ()"},
		{"another name for call", imported(abi.Functions, "calls"), `import airhost:functions/host-functions@0.1.0 "calls" is unknown, did you mean call?`},
		{"another version of functions", imported("airhost:functions/host-functions@0.2.0", "call"), "the host offers airhost:functions/host-functions@0.1.0"},
		{"functions of another package", imported("my:own/host-functions@0.1.0", "call"), "the host offers airhost:functions/host-functions@0.1.0"},
		{"publish of wrong type", imported(abi.PubSub, "publish"), "import airhost:pubsub/pubsub@0.1.0 publish has type () -> (), want (i32, i32, i32, i32, i32) -> ()"},
		{"another name for publish", imported(abi.PubSub, "publsh"), `import airhost:pubsub/pubsub@0.1.0 "publsh" is unknown, did you mean publish?`},
		{"another version of pubsub", imported("airhost:pubsub/pubsub@0.2.0", "publish"), "the host offers airhost:pubsub/pubsub@0.1.0"},
		{"pubsub of another package", imported("my:own/pubsub@0.1.0", "publish"), "the host offers airhost:pubsub/pubsub@0.1.0"},
		{"another name in WASI 0.2", imported("wasi:io/poll@0.2.7", "[method]pollable.blok"), `import wasi:io/poll@0.2.7 "[method]pollable.blok" is unknown, did you mean [method]pollable.block?`},
		{"WASI 0.2 of wrong type", imported("wasi:io/poll@0.2.7", "poll"), "import wasi:io/poll@0.2.7 poll has type () -> (), want (i32, i32, i32) -> ()"},
		{"an unstable interface of WASI", imported("wasi:clocks/timezone@0.2.0", "display"), "stable interfaces of WASI 0.2, so build for"},
		{"WASI 0.3", imported("wasi:io/poll@0.3.0", "poll"), "so build for WASI preview 1 or 0.2"},
		{"a draft of WASI 0.2", imported("wasi:io/poll@0.2.0-rc-2023-11-10", "poll"), "so build for WASI preview 1 or 0.2"},
		{"imported memory", func(m *wasm.Module) {
			m.Imports = append(m.Imports, wasm.Import{Module: "env", Name: "memory", Kind: wasm.KindMemory})
		}, `import "env" "memory" cannot be satisfied`},
		{"service that is a memory", func(m *wasm.Module) {
			m.Imports = append(m.Imports, wasm.Import{Module: abi.HostServices, Name: "log", Kind: wasm.KindMemory})
		}, "import airhost:core/host-services@0.1.0 log is a memory, want a function (i32, i32, i32) -> ()"},
	} {
		t.Run(c.what, func(t *testing.T) {
			m := guest(t, "responder")
			c.spoil(m)
			m, err := wasm.Parse(m.Encode())
			if err != nil {
				t.Fatal(err)
			}
			if problems := abi.Check(m); !strings.Contains(strings.Join(problems, "\n"), c.want) {
				t.Errorf("got %q\nwant %q", problems, c.want)
			}
		})
	}
}

// A missing or unknown name is reported together with the name that the module has
// instead.
func TestCheckNamesNearExports(t *testing.T) {
	const handle = "airhost:core/component-lifecycle@0.1.0#handle-message (i32, i32, i32, i32) -> i32 is missing"
	renamed := func(from, to string) func(*wasm.Module) {
		return func(m *wasm.Module) {
			for i := range m.Exports {
				if m.Exports[i].Name == from {
					m.Exports[i].Name = to
				}
			}
		}
	}
	both := func(spoils ...func(*wasm.Module)) func(*wasm.Module) {
		return func(m *wasm.Module) {
			for _, spoil := range spoils {
				spoil(m)
			}
		}
	}
	requests := imported(abi.HostServices, abi.SendRequest)
	for spelling := range strings.FieldsSeq(`airhost:core/component-lifecycle@0.1.0#handle_message
		airhost:core/component-lifecycle@0.2.0#handle-message airhost:core/component-lifecycle#handle-message
		airhost:core/message-handler#handle-message airhost:core/component-lifecycle@0.1.0#handle-mesage
		handle-message handle_message handleMessage handle-massage HANDLE_MESSAGE my:own/component-lifecycle@0.1.0#handle-message`) {
		m := guest(t, "responder")
		renamed(abi.HandleMessage, spelling)(m)
		want := "export " + handle + `: it exports "` + spelling + `"`
		if problems := abi.Check(m); len(problems) != 1 || problems[0] != want {
			t.Errorf("%s: got %q\nwant %q", spelling, problems, want)
		}
	}
	for _, c := range []struct {
		what  string
		spoil func(*wasm.Module)
		want  string
	}{
		{"memory", renamed(abi.Memory, "mem"), `under this name: it exports "mem"`},
		{"realloc", renamed(abi.Realloc, "cabi-realloc"), `is missing: it exports "cabi-realloc"`},
		{"callback", both(requests, typed("handle_calback")), `without which the send-request that it imports is refused: it exports "handle_calback"`},
		{"callback that nobody needs", typed("airhost:core/component-lifecycle@0.1.0#handle-calback"), `#handle-calback" is not in the contract, did you mean ` + abi.HandleCallback + "?"},
		{"post-return", typed("cabi_post_airhost:core/component-lifecycle@0.1.0#handle_message"), `did you mean ` + abi.PostHandleMessage + "?"},
		{"management", both(typed(abi.Initialize, wasm.I32, wasm.I32), typed(abi.Health), typed("airhost:core/component-management@0.1.0#shut-down")), `export ` + abi.Shutdown + ` is missing: component-management is exported as a whole or not at all: it exports "airhost:core/component-management@0.1.0#shut-down"`},
		{"state of another version", typed("airhost:state/component-state@0.2.0#save"), `export "airhost:state/component-state@0.2.0#save" is not in the contract, did you mean ` + abi.Save + "?"},
		{"state of another name", typed("airhost:state/component-stat@0.1.0#restore"), `export "airhost:state/component-stat@0.1.0#restore" is not in the contract, did you mean ` + abi.Restore + "?"},
		{"state of another package", typed("airhost:core/component-state@0.1.0#save"), `did you mean ` + abi.Save + "?"},
		{"post-return of state", typed("cabi_post_airhost:state/component-stat@0.1.0#save"), `did you mean ` + abi.PostSave + "?"},
		{"one function of state", both(typed(abi.Save), typed("airhost:state/component-state@0.1.0#restor")), `export ` + abi.Restore + ` is missing: component-state is exported as a whole or not at all: it exports "airhost:state/component-state@0.1.0#restor"`},
		{"a package that is not there", typed("airhost:stats/counts@0.1.0#count"), `export "airhost:stats/counts@0.1.0#count" is not in the contract`},
		{"nothing like it", typed("airhost:core/component-lifecycle@0.1.0#frobnicate"), `#frobnicate" is not in the contract`},
		{"import", imported(abi.HostServices, "send_mesage"), `"send_mesage" is unknown, did you mean send-message?`},
		{"import of timers", imported(abi.Timers, "cancel-timer"), `"cancel-timer" is unknown`},
		{"import of timers misspelt", imported(abi.Timers, "aftr"), `"aftr" is unknown, did you mean after?`},
		{"timers of another package", imported("my:own/timers@0.1.0", "after"), "the host offers " + abi.Timers},
		{"import of WASI", imported(abi.WASI, "fd-write"), `"fd-write" is unknown, did you mean fd_write?`},
		{"import without a version", imported("airhost:core/host-services", "log"), "the host offers " + abi.HostServices},
		{"import of another WASI", imported("wasi_unstable", "fd_write"), "so build for WASI preview 1"},
		{"command", typed("_start"), "it is a command (it exports _start and no _initialize), want a reactor: build with go build -buildmode=c-shared"},
	} {
		m := guest(t, "responder")
		c.spoil(m)
		if problems := strings.Join(abi.Check(m), "\n"); !strings.Contains(problems, c.want) {
			t.Errorf("%s: got %s\nwant %s", c.what, problems, c.want)
		}
	}
	reactor := guest(t, "responder")
	both(typed("_start"), typed(abi.Start))(reactor)
	if problems := abi.Check(reactor); problems != nil {
		t.Errorf("a reactor with _start: got %q", problems)
	}
}

// TestVersions: a guest for 0.1.x meets the contract, and its names become those of 0.1.0.
func TestVersions(t *testing.T) {
	m := guest(t, "actor")
	want := m.Encode()
	for i := range m.Exports {
		m.Exports[i].Name = strings.Replace(m.Exports[i].Name, "@0.1.0#", fmt.Sprintf("@0.1.%d#", i), 1)
	}
	before := m.Encode()
	if problems := abi.Check(m); problems != nil {
		t.Errorf("got %q", problems)
	}
	if hint := abi.Hint(m); hint != "" {
		t.Errorf("got the hint %q", hint)
	}
	if !slices.Equal(m.Encode(), before) {
		t.Error("the check has changed the module")
	}
	abi.Resolve(m)
	if !slices.Equal(m.Encode(), want) {
		t.Errorf("got the exports %v", m.Exports)
	}
	for _, name := range []string{
		"memory", "airhost:core/x@0.2.0#f", "airhost:core/x@0.10.0#f", "airhost:core/x@0.1#f", "airhost:core/x@0.1.0-rc1#f", "my:core/x@0.1.3#f",
		"airhost:core/x#f@0.1.3", "cabi_post_my:airhost:x@0.1.3#f",
	} {
		if got := abi.ExportName(name); got != name {
			t.Errorf("%s becomes %s", name, got)
		}
	}
}

func TestHint(t *testing.T) {
	m := guest(t, "responder")
	if hint := abi.Hint(m); hint != "" {
		t.Errorf("got %q for a pure responder", hint)
	}
	imported(abi.HostServices, abi.SendRequest)(m)
	if hint := abi.Hint(m); hint != "it imports send-request, which is refused without an export handle-callback" {
		t.Errorf("got %q for one that may not send the requests that it imports", hint)
	}
}

func TestImportNames(t *testing.T) {
	for name, want := range map[string]string{
		"fd_write": "fd_write", "fd_write [v2]": "fd_write", "fd_write[v2]": "fd_write", "fd_write[ v2]": "fd_write", "fd_write [v12]": "fd_write",
		"[v2]": "", "fd_write [v]": "fd_write [v]", "fd_write [v2] ": "fd_write [v2] ", "[method]x.y": "[method]x.y", "fd_write [v-2]": "fd_write [v-2]",
	} {
		if got := abi.ImportName(name); got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
}

func TestModuleNames(t *testing.T) {
	for name, want := range map[string]string{
		"airhost:timers/timers@0.1.0": abi.Timers, "airhost:timers/timers@0.1.7": abi.Timers, "airhost:core/host-services@0.1.12": abi.HostServices,
		"airhost:timers/timers@0.2.0": "airhost:timers/timers@0.2.0", "airhost:timers/timers@0.1": "airhost:timers/timers@0.1",
		"airhost:timers/timers@0.1.x": "airhost:timers/timers@0.1.x", "my:own/timers@0.1.7": "my:own/timers@0.1.7", abi.WASI: abi.WASI,
		"wasi:io/poll@0.2": "wasi:io/poll@0.2.0", "wasi:io/poll@0.2.0": "wasi:io/poll@0.2.0", "wasi:io/poll@0.2.12": "wasi:io/poll@0.2.0",
		"wasi:config/store@0.2.0-draft": "wasi:config/store@0.2.0-draft", "wasi:config/store@0.2.0-rc.1": "wasi:config/store@0.2.0-draft",
		"wasi:config/runtime@0.2.0-draft": "wasi:config/store@0.2.0-draft", "wasi:config/runtime@0.2.0-rc.1": "wasi:config/runtime@0.2.0-rc.1",
		"wasi:io/poll@0.3.0": "wasi:io/poll@0.3.0", "wasi:io/poll@0.2.0-rc": "wasi:io/poll@0.2.0-rc", "wasi:io/poll": "wasi:io/poll",
	} {
		if got := abi.ModuleName(name); got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
}

// TestNearNamesAreBounded: the search for near names takes no longer for a module
// with 100,000 wrong names.
func TestNearNamesAreBounded(t *testing.T) {
	m := &wasm.Module{Types: make([]wasm.FuncType, 1), Functions: []uint32{0}}
	for i := range 100_000 {
		name := fmt.Sprintf("airhost:core/component-lifecycle@0.1.0#handle-message%d", i)
		m.Exports = append(m.Exports, wasm.Export{Name: name})
		m.Imports = append(m.Imports, wasm.Import{Module: abi.WASI, Name: name})
	}
	if n := testing.AllocsPerRun(1, func() { abi.Check(m) }); n > 1_000_000 {
		t.Errorf("%v allocations", n)
	}
}

// If a module exported an import, it could call host functions by another name,
// outside of a call.
func TestCheckRefusesImportsThatAreExported(t *testing.T) {
	m := guest(t, "actor")
	for i, imp := range m.Imports {
		if imp.Name == abi.SelfID { // it has the type of a post-return
			as(abi.PostHandleMessage, wasm.KindFunc, uint32(i))(m)
		}
	}
	want := "is a function that the module imports, want one of its own"
	if problems := abi.Check(m); len(problems) != 1 || !strings.Contains(problems[0], want) {
		t.Errorf("got %q\nwant one that %s", problems, want)
	}
}

func TestCheckNamesAFewOfManyProblems(t *testing.T) {
	m := guest(t, "responder")
	for i := range 1000 {
		imported("env", fmt.Sprint(i))(m)
	}
	problems := abi.Check(m)
	if n := len(problems); n != 21 || problems[20] != "and 980 more" {
		t.Errorf("got %d problems, the last %q\nwant 20 and a count", n, problems[n-1])
	}
}

func TestWASIIsWhole(t *testing.T) {
	funcs := abi.WASIImports()
	if len(funcs) != 48 {
		t.Errorf("got %d functions, want 46 and two of the adapter", len(funcs))
	}
	for _, f := range funcs {
		want := 1
		if f.Name == "proc_exit" {
			want = 0
		}
		if len(f.Type.Results) != want {
			t.Errorf("%s: got %s", f.Name, f.Type)
		}
	}
}

// TestProblemsAreBounded: the report is short and escaped for any names and types.
func TestProblemsAreBounded(t *testing.T) {
	long := strings.Repeat("\x1b", 1<<16)
	m := &wasm.Module{Types: []wasm.FuncType{{Params: slices.Repeat([]wasm.ValueType{wasm.I64}, 1000)}}}
	for range 1000 {
		m.Imports = append(m.Imports,
			wasm.Import{Module: abi.HostServices, Name: "log"}, wasm.Import{Module: abi.HostServices, Name: long}, wasm.Import{Module: long, Name: long})
	}
	problems := abi.Check(m)
	if len(problems) != 21 || problems[20] != "and 2,983 more" {
		t.Errorf("%d problems, the last is %q", len(problems), problems[len(problems)-1])
	}
	for _, problem := range problems {
		if len(problem) > 2<<10 || strings.Contains(problem, "\x1b") {
			t.Errorf("%d bytes: %.200q", len(problem), problem)
		}
	}
}
