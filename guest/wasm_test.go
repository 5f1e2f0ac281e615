package guest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/airhost/airhost/guest"
	"github.com/airhost/airhost/guest/guesttest"
	"github.com/airhost/airhost/internal/abi"
)

const (
	lifecycle  = "airhost:core/component-lifecycle@0.1.0#"
	management = "airhost:core/component-management@0.1.0#"
	services   = "airhost:core/host-services@0.1.0"
	component  = "airhost:state/component-state@0.1.0#"
	timers     = "airhost:timers/timers@0.1.0"
	calls      = "airhost:functions/host-functions@0.1.0"
	pubsub     = "airhost:pubsub/pubsub@0.1.0"
)

// probeModule returns the probe, built and compiled once for all tests. The compiled
// code stays in the cache because no test closes it.
var probeModule = sync.OnceValues(func() (wazero.CompiledModule, error) {
	code, err := probeCode()
	if err != nil {
		return nil, err
	}
	return newRuntime(context.Background()).CompileModule(context.Background(), code)
})

// cache holds the compiled code.
var cache = wazero.NewCompilationCache()

func newRuntime(ctx context.Context) wazero.Runtime {
	return wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().WithCompilationCache(cache))
}

var probeCode = sync.OnceValues(func() ([]byte, error) {
	if err := dependOn("*_wasip1.go", "internal/probe/wasm/*.go"); err != nil {
		return nil, err
	}
	return build("./internal/probe/wasm")
})

// build returns a module that is built from a package main.
func build(main string) ([]byte, error) {
	dir, err := os.MkdirTemp("", "airhost-guest")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	file := filepath.Join(dir, "guest.wasm")
	if err := dependOn("*_wasip1.go", "state/*.go", "internal/probe/wasm/*.go"); err != nil {
		return nil, err
	}
	command := exec.Command("go", "build", "-buildmode=c-shared", "-o", file, main)
	command.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
	if report, err := command.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, report)
	}
	return os.ReadFile(file)
}

// dependOn opens files that no package of the tests contains: go test reuses a result
// only while the files that the test opened stay the same.
func dependOn(patterns ...string) error {
	for _, pattern := range patterns {
		files, err := filepath.Glob(pattern)
		for _, file := range files {
			_, statErr := os.Stat(file)
			err = errors.Join(err, statErr)
		}
		if err != nil || len(files) == 0 {
			return fmt.Errorf("%s: %d files, %w", pattern, len(files), err)
		}
	}
	return nil
}

// wasmGuest calls a module by the canonical ABI, in the simplest way.
type wasmGuest struct {
	t      *testing.T
	host   *guesttest.Host
	module api.Module
	stderr *bytes.Buffer
	churns int // number of rounds of churn
}

// newWasmGuest starts the probe. The guest's garbage collector runs as often as it can,
// so that memory which is not kept alive is lost. The clocks are real: with wazero's
// default clocks, which go on only when they are read, the guest's collector stops.
func newWasmGuest(t *testing.T, host *guesttest.Host) *wasmGuest {
	t.Helper()
	if _, err := probeModule(); err != nil {
		t.Fatal(err)
	}
	code, err := probeCode()
	if err != nil {
		t.Fatal(err)
	}
	runtime := newRuntime(t.Context())
	t.Cleanup(func() { _ = runtime.Close(context.Background()) })
	wasi_snapshot_preview1.MustInstantiate(t.Context(), runtime)
	g := &wasmGuest{t: t, host: host, stderr: new(bytes.Buffer)}
	g.provide(runtime)
	config := wazero.NewModuleConfig().WithStartFunctions("_initialize").
		WithSysNanotime().WithSysWalltime().WithEnv("GOGC", "1").WithStderr(g.stderr)
	if g.module, err = runtime.InstantiateWithConfig(t.Context(), code, config); err != nil {
		t.Fatal(err)
	}
	return g
}

func (g *wasmGuest) provide(runtime wazero.Runtime) {
	g.provideTimers(runtime)
	g.provideFunctions(runtime)
	g.providePubSub(runtime)
	g.provideKeyValue(runtime)
	host := runtime.NewHostModuleBuilder(services)
	export := func(name string, f any) { host.NewFunctionBuilder().WithFunc(f).Export(name) }
	export("send-message", func(target, targetSize, message, size, area uint32) {
		g.refuse(area, 4, g.host.Send(string(g.read(target, targetSize)), g.read(message, size)))
	})
	export("send-request", func(target, targetSize, request, size uint32, millis uint64, area uint32) {
		id, err := g.host.Request(string(g.read(target, targetSize)), g.read(request, size), millisOf(millis))
		g.module.Memory().WriteUint64Le(area+8, uint64(id))
		g.refuse(area, 8, err)
	})
	export("cancel-request", func(id uint64, area uint32) {
		g.refuse(area, 4, g.host.Cancel(guest.RequestID(id)))
	})
	export("self-id", func(area uint32) { g.writeString(area, g.host.SelfID()) })
	export("log", func(level, text, size uint32) { g.host.Log(guest.LogLevel(level), string(g.read(text, size))) })
	export("current-time", func() uint64 { return uint64(g.host.Now().UnixNano()) })
	if _, err := host.Instantiate(g.t.Context()); err != nil {
		g.t.Fatal(err)
	}
}

func (g *wasmGuest) provideTimers(runtime wazero.Runtime) {
	host := runtime.NewHostModuleBuilder(timers)
	host.NewFunctionBuilder().WithFunc(func(millis uint64, payload, size, area uint32) {
		id, err := g.host.After(millisOf(millis), g.read(payload, size))
		g.module.Memory().WriteUint64Le(area+8, uint64(id))
		g.refuse(area, 8, err)
	}).Export("after")
	host.NewFunctionBuilder().WithFunc(func(id uint64) uint32 {
		if g.host.CancelTimer(guest.TimerID(id)) {
			return 1
		}
		return 0
	}).Export("cancel")
	if _, err := host.Instantiate(g.t.Context()); err != nil {
		g.t.Fatal(err)
	}
}

func (g *wasmGuest) provideFunctions(runtime wazero.Runtime) {
	host := runtime.NewHostModuleBuilder(calls)
	host.NewFunctionBuilder().WithFunc(func(name, nameSize, argument, size, area uint32) {
		result, err := g.host.Call(string(g.read(name, nameSize)), g.read(argument, size))
		memory := g.module.Memory()
		if err != nil {
			memory.WriteByte(area, 1)
			memory.WriteByte(area+4, byte(err.(*guest.CallError).Case))
			g.writeString(area+8, err.(*guest.CallError).Text)
			return
		}
		memory.WriteByte(area, 0)
		g.writeString(area+4, string(result))
		g.churn()
	}).Export("call")
	if _, err := host.Instantiate(g.t.Context()); err != nil {
		g.t.Fatal(err)
	}
}

func (g *wasmGuest) providePubSub(runtime wazero.Runtime) {
	host := runtime.NewHostModuleBuilder(pubsub)
	host.NewFunctionBuilder().WithFunc(func(topic, topicSize, message, size, area uint32) {
		g.refuse(area, 4, g.host.Publish(string(g.read(topic, topicSize)), g.read(message, size)))
	}).Export("publish")
	if _, err := host.Instantiate(g.t.Context()); err != nil {
		g.t.Fatal(err)
	}
}

func (g *wasmGuest) refuse(area, payload uint32, err error) {
	memory := g.module.Memory()
	memory.WriteByte(area, 0)
	if err != nil {
		refusal := err.(*guest.MessagingError)
		memory.WriteByte(area, 1)
		memory.WriteByte(area+payload, byte(refusal.Case))
		g.writeString(area+payload+4, refusal.Text)
	}
}

func (g *wasmGuest) writeString(area uint32, text string) {
	at := g.lower([]byte(text))
	g.module.Memory().WriteUint32Le(area, uint32(at[0]))
	g.module.Memory().WriteUint32Le(area+4, uint32(at[1]))
}

func (g *wasmGuest) try(name string, args ...uint64) (uint64, error) {
	results, err := g.module.ExportedFunction(name).Call(g.t.Context(), args...)
	return append(results, 0)[0], err
}

func (g *wasmGuest) call(name string, args ...uint64) uint64 {
	g.t.Helper()
	result, err := g.try(name, args...)
	if err != nil {
		g.t.Fatalf("%s: %v\n%s", name, err, g.stderr)
	}
	return result
}

// lower copies b into the guest and returns its pointer and length.
func (g *wasmGuest) lower(b []byte) []uint64 {
	at := g.call("cabi_realloc", 0, 0, 1, uint64(len(b)))
	if at == 0 || at%8 != 0 {
		g.t.Errorf("cabi_realloc(%d) = %d", len(b), at)
	}
	if !g.module.Memory().Write(uint32(at), b) {
		g.t.Fatalf("cabi_realloc(%d) gave %d, out of memory", len(b), at)
	}
	return []uint64{at, uint64(len(b))}
}

func (g *wasmGuest) read(at, size uint32) []byte {
	b, ok := g.module.Memory().Read(at, size)
	if !ok || at == 0 {
		g.t.Errorf("the guest points at %d bytes at %d", size, at)
	}
	return b
}

var scribble = bytes.Repeat([]byte{0xee}, 200_000)

// churn allocates and frees memory of the guest, so that memory which the guest has not
// kept alive is collected and overwritten.
func (g *wasmGuest) churn() {
	for range g.churns {
		for _, size := range []uint64{8, 16, 32, 64, 100_000, 200_000} {
			at := g.call("cabi_realloc", 0, 0, 8, size)
			g.module.Memory().Write(uint32(at), scribble[:size])
			g.call("cabi_realloc", at, size, 8, 0)
		}
	}
}

// lift reads a return area, with churn in between, and frees it.
func (g *wasmGuest) lift(name string, area uint32) (response []byte, err error) {
	g.churn()
	word := func(n uint32) uint32 {
		v, _ := g.module.Memory().ReadUint32Le(area + 4*n)
		return v
	}
	if word(0)&0xff != 0 {
		err = &guest.ComponentError{Case: guest.ComponentErrorCase(word(1)), Text: string(g.read(word(2), word(3)))}
	} else if strings.HasSuffix(name, "handle-message") || strings.HasSuffix(name, "save") {
		response = bytes.Clone(g.read(word(1), word(2)))
	}
	g.call("cabi_post_"+name, uint64(area))
	return response, err
}

func (g *wasmGuest) Initialize(_ guest.Host, config guest.Config) error {
	list := uint32(g.call("cabi_realloc", 0, 0, 4, uint64(16*len(config))))
	for i, pair := range config {
		g.writeString(list+uint32(16*i), pair.Key)
		g.writeString(list+uint32(16*i+8), pair.Value)
	}
	_, err := g.lift(management+"initialize", uint32(g.call(management+"initialize", uint64(list), uint64(len(config)))))
	return err
}

func (g *wasmGuest) HandleMessage(_ guest.Host, sender string, message []byte) ([]byte, error) {
	args := append(g.lower([]byte(sender)), g.lower(message)...)
	g.churn()
	return g.lift(lifecycle+"handle-message", uint32(g.call(lifecycle+"handle-message", args...)))
}

func (g *wasmGuest) HandleCallback(_ guest.Host, id guest.RequestID, response []byte, failure error) error {
	tag := uint64(0)
	if failure != nil {
		tag, response = 1, []byte(failure.Error())
	}
	args := append([]uint64{uint64(id), tag}, g.lower(response)...)
	_, err := g.lift(lifecycle+"handle-callback", uint32(g.call(lifecycle+"handle-callback", args...)))
	return err
}

func (g *wasmGuest) Save(guest.Host) ([]byte, error) {
	return g.lift(component+"save", uint32(g.call(component+"save")))
}

func (g *wasmGuest) Restore(_ guest.Host, state []byte) error {
	args := g.lower(state)
	g.churn()
	_, err := g.lift(component+"restore", uint32(g.call(component+"restore", args...)))
	return err
}

func (g *wasmGuest) Health() guest.HealthStatus {
	return guest.HealthStatus(g.call(management + "health"))
}
func (g *wasmGuest) Shutdown(guest.Host) { g.call(management + "shutdown") }

func TestModuleMeetsTheContract(t *testing.T) {
	module, err := probeModule()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		lifecycle + "handle-message":                 "i32 i32 i32 i32 -> i32",
		lifecycle + "handle-callback":                "i64 i32 i32 i32 -> i32",
		management + "initialize":                    "i32 i32 -> i32",
		management + "health":                        "-> i32",
		management + "shutdown":                      "->",
		"cabi_post_" + lifecycle + "handle-message":  "i32 ->",
		"cabi_post_" + lifecycle + "handle-callback": "i32 ->",
		"cabi_post_" + management + "initialize":     "i32 ->",
		component + "save":                           "-> i32",
		component + "restore":                        "i32 i32 -> i32",
		"cabi_post_" + component + "save":            "i32 ->",
		"cabi_post_" + component + "restore":         "i32 ->",
		"cabi_realloc":                               "i32 i32 i32 i32 -> i32",
		"_initialize":                                "->",
	} {
		f := module.ExportedFunctions()[name]
		if f == nil {
			t.Errorf("%s is not exported", name)
		} else if got := signature(f); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
}

func TestModuleImports(t *testing.T) {
	module, err := probeModule()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, f := range module.ImportedFunctions() {
		if from, name, _ := f.Import(); from == services || from == timers || from == calls || from == pubsub {
			got[name] = signature(f)
		} else if from != wasi_snapshot_preview1.ModuleName && !strings.HasPrefix(from, abi.KeyValue) { // see TestSameInEveryBuild
			t.Errorf("the module imports %s of %s", name, from)
		}
	}
	want := map[string]string{
		"send-message":   "i32 i32 i32 i32 i32 ->",
		"send-request":   "i32 i32 i32 i32 i64 i32 ->",
		"cancel-request": "i64 i32 ->",
		"self-id":        "i32 ->",
		"log":            "i32 i32 i32 ->",
		"current-time":   "-> i64",
		"after":          "i64 i32 i32 i32 ->",
		"cancel":         "i64 -> i32",
		"call":           "i32 i32 i32 i32 i32 ->",
		"publish":        "i32 i32 i32 i32 i32 ->",
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("imports\n%v, want\n%v", got, want)
	}
}

// TestModuleWithoutTimers: only a component that uses timers, functions or topics imports them,
// so that hosts without them run all others.
func TestModuleWithoutTimers(t *testing.T) {
	code, err := build("../examples/counter/wasm")
	if err != nil {
		t.Fatal(err)
	}
	module, err := newRuntime(t.Context()).CompileModule(t.Context(), code)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range module.ImportedFunctions() {
		if from, name, _ := f.Import(); from == timers || from == calls || from == pubsub {
			t.Errorf("the module imports %s", name)
		}
	}
}

func signature(f api.FunctionDefinition) string {
	words := []string{}
	for _, p := range f.ParamTypes() {
		words = append(words, api.ValueTypeName(p))
	}
	words = append(words, "->")
	for _, r := range f.ResultTypes() {
		words = append(words, api.ValueTypeName(r))
	}
	return strings.Join(words, " ")
}

func TestPanicTraps(t *testing.T) {
	g := newWasmGuest(t, &guesttest.Host{})
	args := append(g.lower([]byte("test/a")), g.lower([]byte("panic at the disco"))...)
	if _, err := g.try(lifecycle+"handle-message", args...); err == nil || !strings.Contains(g.stderr.String(), "at the disco") {
		t.Errorf("a panic: %v, standard error %q", err, g.stderr)
	}
}

func TestForeignMemoryTraps(t *testing.T) {
	g := newWasmGuest(t, &guesttest.Host{})
	message := g.lower([]byte("echo"))
	if _, err := g.try(lifecycle+"handle-message", 8, 0, message[0]+8, 4); err == nil {
		t.Error("an address that cabi_realloc did not give is taken for a message")
	}
}

// TestReallocKeepsWhatFits: realloc of an old buffer keeps the bytes that fit.
func TestReallocKeepsWhatFits(t *testing.T) {
	g := newWasmGuest(t, &guesttest.Host{})
	at := g.lower([]byte("echo, echo"))[0]
	at = g.call("cabi_realloc", at, 10, 1, 100_000)
	at = g.call("cabi_realloc", at, 100_000, 1, 4)
	args := append(g.lower([]byte("test/a")), at, 4)
	response, err := g.lift(lifecycle+"handle-message", uint32(g.call(lifecycle+"handle-message", args...)))
	if err != nil || string(response) != "echo" {
		t.Errorf("response %q, %v", response, err)
	}
}

func TestMemoryIsFlat(t *testing.T) {
	g := newWasmGuest(t, &guesttest.Host{Refusal: &guest.MessagingError{Case: guest.CaseQueueFull, Text: strings.Repeat("x", 1000)}})
	messages := [][]byte{append([]byte("echo "), make([]byte, 10_000)...), []byte("send test/b x"), []byte("error plain")}
	run := func(n int) uint32 {
		for i := range n {
			if _, err := g.HandleMessage(nil, "test/a", messages[i%len(messages)]); err != nil && !errors.Is(err, guest.Failed("plain")) {
				t.Fatal(err)
			}
		}
		return g.module.Memory().Size()
	}
	before := run(300)
	if after := run(3000); after > before+256<<10 {
		t.Errorf("memory grew from %d to %d bytes", before, after)
	}
}
