package enginetest

import (
	"bytes"
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/airhost/airhost/core"
)

// RunWasm runs the tests of promises that only engines for WebAssembly make: limits, a
// guest's start, WASI, and protection from guests that attack the host. It uses only New
// of the harness.
func RunWasm(t *testing.T, h Harness) {
	h.Actor, h.Responder = ActorWasm(), ResponderWasm()
	runAll(t, h, slices.Concat(wasmPromises, wasiPromises, wasi2Promises, httpPromises, wordsPromises, hostilePromises, orderPromises, wasmStatePromises))
}

var wasmPromises = []promise{
	{"enforces", "an engine for WebAssembly keeps each limit", testEnforces},
	{"refused-modules", "code that is not a core module, or is damaged, is a ModuleError", testRefusedModules},
	{"declared-sizes", "a module that declares more than its limits is a LimitError", testDeclaredSizes},
	{"memory-limit", "memory grows up to its limit", testMemoryLimit},
	{"table-limit", "a table grows up to its limit", testTableLimit},
	{"versioned-imports", "an import with a version at its name's end, or of a later minor version, is the function", testVersionedImports},
	{"fuel", "a call that uses up its fuel ends the instance, and each call has its own", testFuel},
	{"stack", "a guest that uses up its stack is a TrapError of kind TrapStack", testStack},
	{"start-order", "the start function runs first, then _initialize, then all else, each once", testStartOrder},
	{"start-trap", "a guest that traps while it starts makes Instantiate fail", testStartTrap},
	{"start-interrupt", "a guest that does not end while it starts can be interrupted", testStartInterrupt},
	{"start-sends", "a guest that sends messages while it starts is refused", testStartSends},
	{"handler-time", "a guest that runs without end is ended by its handler time, without its host", testHandlerTime},
	{"call-time", "the time of a function is no running time, and counts for the wall time", testCallTime},
	{"start-time", "a guest that does not end while it starts is ended by its start time, without its host", testStartTime},
	{"collect", "a guest that does not end holds up no garbage collection", testCollect},
}

func testEnforces(t *trial) {
	want(t, "the limits that it enforces", t.theActor().Traits().Enforces, core.LimitSet(core.AllLimits))
}

func testRefusedModules(t *trial) {
	actor := ActorWasm().Code
	modules := map[string][]byte{
		"an empty file":       {},
		"a component":         []byte("\x00asm\x0d\x00\x01\x00"),
		"a header":            actor[:8],
		"a module cut short":  actor[:len(actor)/2],
		"a module cut by one": actor[:len(actor)-1],
	}
	for what, code := range modules {
		_, err := t.engineUnderTest().Compile(t.Context(), core.Source{Code: code}, core.Limits{})
		t.wantModuleError("compile "+what, err)
	}
	for at := 8; at < len(actor); at += 61 {
		damaged := bytes.Clone(actor)
		damaged[at] ^= 0x55
		// It may still be a valid module; the test does not run it.
		c, err := t.engineUnderTest().Compile(t.Context(), core.Source{Code: damaged}, core.Limits{})
		if err != nil {
			t.wantModuleError("compile a damaged module", err)
			continue
		}
		t.must("close a damaged module", c.Close(t.Context()))
	}
}

// deepestOfActor is the nesting of blocks in the first function of testdata/actor.wasm
// that has nested blocks.
const deepestOfActor = 3

func testDeclaredSizes(t *trial) {
	table := []byte("\x00asm\x01\x00\x00\x00\x04\x07\x01\x70\x00\x80\x80\x80\x40")
	_, err := t.engineUnderTest().Compile(t.Context(), core.Source{Code: table}, core.Limits{})
	t.wantModuleError("compile 17 bytes with a table of 2^27 elements", err)

	_, err = t.engineUnderTest().Compile(t.Context(), wasmGuest("table"), core.Limits{TableElements: 9})
	t.wantLimitError("compile a table of 10 elements where 9 are allowed", err, "limits.table_elements", 10, 9)
	_, err = t.engineUnderTest().Compile(t.Context(), wasmGuest("actor"), core.Limits{Nesting: 1})
	t.wantLimitError("compile blocks nested deeper than 1", err, "limits.nesting", deepestOfActor, 1)
	_, err = t.engineUnderTest().Compile(t.Context(), ResponderWasm(), core.Limits{Memory: 64 << 10})
	t.wantLimitError("compile a memory of 2 pages where 1 is allowed", err, "limits.memory", 2<<16, 1<<16)
	_, err = t.engineUnderTest().Compile(t.Context(), ResponderWasm(), core.Limits{Memory: 1})
	var limit *core.LimitError
	if !errors.As(err, &limit) {
		t.broken("compile with memory of 1 byte: got %v\nwant a LimitError", err)
	}
}

func (t *trial) wantLimitError(what string, err error, name string, got, most uint64) {
	t.Helper()
	var limit *core.LimitError
	if !errors.As(err, &limit) || limit.Limit != name || limit.Got != got || limit.Max != most {
		t.broken("%s: got %v\nwant a LimitError of %s, %d above %d", what, err, name, got, most)
	}
}

// wasm makes an instance of one of the guests in testdata.
func (t *trial) wasm(name string, limits core.Limits) (core.Instance, *Services) {
	t.Helper()
	return t.instance(t.component(name, wasmGuest(name), limits), limits)
}

func testMemoryLimit(t *trial) {
	in, _ := t.wasm("hostile", core.Limits{Memory: 1<<20 + 100})
	want(t, "pages after growing until refused", t.ask(in, "g"), bytesOf("\x10\x00\x00\x00"))
	large := make([]byte, 2<<20)
	t.wantTrap("a message that does not fit", in.HandleMessage(other, large, nil), core.TrapFault)
}

func testTableLimit(t *trial) {
	in, _ := t.wasm("table", core.Limits{TableElements: 100})
	want(t, "growing by 90", t.ask(in, "\x5a\x00\x00\x00"), bytesOf("\x0a\x00\x00\x00"))
	want(t, "growing by 1 more", t.ask(in, "\x01\x00\x00\x00"), bytesOf("\xff\xff\xff\xff"))
}

func testVersionedImports(t *trial) {
	in, host := t.wasm("versioned", core.Limits{})
	want(t, "the functions' error numbers", t.ask(in), []byte{0, 0})
	t.asked("services", host, `log info "versioned"`, "now", "cancel timer 5")
}

func testFuel(t *trial) {
	limits := core.Limits{Fuel: 50_000}
	for _, c := range calls {
		in, host := t.wasm("actor", limits)
		for range 1000 {
			t.ask(in, "e", "a message")
		}
		host.Asked = nil
		t.wantTrap(c.name+" without end", c.make(in, 'o'), core.TrapFuel)
		t.refuses(in, host)
	}
	in, _ := t.wasm("actor", core.Limits{Fuel: 1 << 63})
	want(t, "response with more fuel than 63 bits hold", t.ask(in, "eon"), []byte("on"))
}

func testStack(t *trial) {
	in, host := t.actor()
	t.soon("recursion", func() { t.wantTrap("recursion", in.HandleMessage(other, []byte("z"), nil), core.TrapStack) })
	t.refuses(in, host)
}

func testStartOrder(t *trial) {
	in, host := t.wasm("started", core.Limits{})
	want(t, "the count of start and _initialize", t.ask(in), []byte{42})
	t.asked("services", host, `log info "starting"`)
}

func testStartTrap(t *trial) {
	for _, name := range []string{"start-trap", "initialize-trap"} {
		_, err := t.component(name, wasmGuest(name), core.Limits{}).
			Instantiate(t.Context(), core.Environment{ID: self, Host: &Services{}})
		t.wantTrap("instantiate "+name, err, core.TrapFault)
	}
}

func testStartInterrupt(t *trial) {
	for _, name := range []string{"start-loop", "initialize-loop"} {
		c := t.component(name, wasmGuest(name), core.Limits{})
		t.soon("instantiate "+name, func() {
			_, err := c.Instantiate(t.Context(), core.Environment{ID: self, Host: &Services{},
				Starting: func(in core.Instance) { go in.Interrupt() }})
			t.wantTrap("instantiate "+name, err, core.TrapHandler)
		})
	}
}

func testStartSends(t *trial) {
	host := &Services{}
	_, err := t.component("start-sends", wasmGuest("start-sends"), core.Limits{}).
		Instantiate(t.Context(), core.Environment{ID: self, Host: host})
	trap := t.wantTrap("instantiate", err, core.TrapABI)
	if trap != nil && !strings.Contains(trap.Text, "send-message") {
		t.broken("got the text %q\nwant one that names send-message", trap.Text)
	}
	t.asked("services", host)
}

func testHandlerTime(t *trial) {
	limits := core.Limits{HandlerTime: 10 * time.Millisecond, StartTime: 10 * time.Millisecond}
	want(t, "whether it counts running time", t.theActor().Traits().CountsRunningTime, true)
	for _, c := range calls {
		in, host := t.wasm("actor", limits)
		var err error
		t.soon(c.name+" without end", func() { err = c.make(in, 'o') })
		t.wantTrap(c.name+" without end", err, core.TrapHandler)
		t.refuses(in, host)
	}
	in, _ := t.wasm("actor", limits)
	t.wantText(in.HandleMessage(other, []byte("o"), nil), "not done within limits.handler_time (10ms)")
}

// wantText checks the text of a trap.
func (t *trial) wantText(err error, text string) {
	t.Helper()
	if trap := t.wantTrap("the end", err, core.TrapHandler); trap != nil && trap.Text != text {
		t.broken("got the text %q\nwant %q", trap.Text, text)
	}
}

func testStartTime(t *trial) {
	limits := core.Limits{StartTime: 10 * time.Millisecond, HandlerTime: time.Hour}
	for _, name := range []string{"start-loop", "initialize-loop"} {
		_, err := t.component(name, wasmGuest(name), core.Limits{}).
			Instantiate(t.Context(), core.Environment{ID: self, Host: &Services{}, Limits: limits})
		t.wantText(err, "not done within limits.start_time (10ms) in its start function or _initialize")
	}
}

func testWallTime(t *trial) {
	in, _ := t.wasm("hostile", core.Limits{HandlerTime: 60 * time.Millisecond, HandlerWallTime: 120 * time.Millisecond})
	t.soon("a sleep of an hour", func() {
		t.wantText(in.HandleMessage(other, []byte("Ws"), nil), "not done within limits.handler_wall_time (120ms)")
	})
}

// testCollect collects garbage during a call. It never returns if the promise is broken:
// the collection stops all goroutines and then waits for the guest, and so no goroutine
// can interrupt the guest.
func testCollect(t *trial) {
	in, host := t.actor()
	host.Calling = func(string) {
		go func() {
			runtime.GC()
			in.Interrupt()
		}()
	}
	t.wantTrap("handle-message", in.HandleMessage(other, []byte("o"), nil), core.TrapHandler)
}

var wasiPromises = []promise{
	{"stderr", "lines of standard error are log lines", testStderr},
	{"stdout", "lines of standard output are log lines", testStdout},
	{"exit", "an exit ends the instance", testExit},
	{"sleep", "a guest that sleeps can be interrupted", testSleep},
	{"wall-time", "a guest's waits count for its handler wall time alone, which ends it without its host", testWallTime},
	{"clock", "the real-time clock is the host's, the monotonic one goes on", testClock},
	{"random", "randomness differs", testRandom},
	{"files", "a guest reads a file of a directory, and the file is closed when the guest ends", testFiles},
	{"nothing", "there are no arguments, no environment, no files, no sockets", testNothing},
}

func testStderr(t *trial) {
	in, host := t.wasm("hostile", core.Limits{})
	t.ask(in, "We", "one\ntwo")
	t.asked("services", host, `log info "one"`)
	t.ask(in, "We", "\n\nno end")
	t.asked("services", host, `log info "two"`)
	t.ask(in, "We", strings.Repeat("x", 10_000), "\n")
	var longest int
	for _, line := range host.Asked {
		longest = max(longest, len(line))
	}
	if len(host.Asked) < 2 || longest > 5000 {
		t.broken("a line of 10,000 bytes: got %d entries of up to %d bytes\nwant several of up to 4 KiB", len(host.Asked), longest)
	}
	host.Asked = nil
	t.ask(in, "We", "last words")
	t.wantTrap("the end", in.HandleMessage(other, []byte("d"), nil), core.TrapABI)
	t.asked("services", host, `log info "last words"`)
}

func testStdout(t *trial) {
	in, host := t.wasm("hostile", core.Limits{})
	t.ask(in, "Wo", "a line\nand")
	t.ask(in, "We", "an error\n")
	t.ask(in, "Wo", " more\n")
	t.asked("services", host, `log info "a line"`, `log info "an error"`, `log info "and more"`)
}

func testExit(t *trial) {
	in, host := t.wasm("hostile", core.Limits{})
	trap := t.wantTrap("proc_exit", in.HandleMessage(other, []byte("Wx"), nil), core.TrapFault)
	if trap != nil && !strings.Contains(trap.Text, "7") {
		t.broken("got the text %q\nwant one with the code 7", trap.Text)
	}
	t.refuses(in, host)
}

func testSleep(t *trial) {
	in, host := t.wasm("hostile", core.Limits{})
	host.Calling = interruptAt(in, "now")
	t.soon("a sleep of an hour", func() {
		t.wantTrap("a sleep of an hour", in.HandleMessage(other, []byte("Ws"), nil), core.TrapHandler)
	})
}

func testClock(t *trial) {
	in, host := t.wasm("hostile", core.Limits{})
	host.Time = 1_700_000_000_123_456_789
	want(t, "real time", t.ask(in, "Wt\x00"), number(host.Time))
	first, second := t.ask(in, "Wt\x01"), t.ask(in, "Wt\x01")
	want(t, "sizes of the monotonic times", [2]int{len(first), len(second)}, [2]int{8, 8})
	slices.Reverse(first)
	slices.Reverse(second)
	if bytes.Compare(first, second) > 0 {
		t.broken("monotonic clock: got %x after %x", second, first)
	}
}

func testRandom(t *trial) {
	in, _ := t.wasm("hostile", core.Limits{})
	if first, second := t.ask(in, "Wr"), t.ask(in, "Wr"); bytes.Equal(first, second) {
		t.broken("got %x twice", first)
	}
}

func testNothing(t *trial) {
	const badf = "\x08\x00\x00\x00"
	const none = "\x00\x00\x00\x00"
	in, _ := t.wasm("hostile", core.Limits{})
	got := t.ask(in, "Wa")
	want(t, "the results of WASI", got, bytesOf(
		none, none, none, // no arguments
		none, none, none, // no environment
		badf, badf, // no directory, and no file in it
		none, none, // standard input has ended
		badf)) // no socket
}
