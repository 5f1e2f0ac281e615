package wasi

import (
	"fmt"
	"maps"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/wit"
)

const (
	pollIn    = "wasi:io/poll"
	streams   = "wasi:io/streams"
	monoClock = "wasi:clocks/monotonic-clock"
	httpTypes = "wasi:http/types"
)

// scenarios call all functions that a guest can call without ending.
var scenarios = map[string]func(g *fake){
	"clocks": testClocks, "random": testRandom, "environment": testEnvironment, "streams": testStreams, "pollables": testPollables,
	"nowhere": testNowhere, "fields": testFields, "requests": testRequests, "responses": testResponses, "bodies": testBodies, "keyvalue": testKeyValue,
	"exchange": testExchange, "failures": testFailures, "error codes": testErrorCodes, "config": testConfig,
}

// absent are the resources that no guest has.
var absent = []string{
	"terminal-input", "terminal-output", "descriptor", "directory-entry-stream", "tcp-socket", "udp-socket",
	"incoming-datagram-stream", "outgoing-datagram-stream", "resolve-address-stream", "incoming-request", "response-outparam",
}

// TestFunctions: each function of WASI 0.2 does its work in a scenario, or needs a resource
// that no guest has and ends a guest that calls it.
func TestFunctions(t *testing.T) {
	seen := map[string]bool{}
	grants := &Grants{Arguments: []string{"a", "bc"}, Environment: []core.ConfigPair{{Key: "K", Value: "v"}, {Key: "L", Value: ""}}}
	for _, name := range slices.Sorted(maps.Keys(scenarios)) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				defer func(was time.Time) { began = was }(began)
				began = time.Now().Add(-time.Minute) // by the clock of this test
				g := newFake(t, grants)
				scenarios[name](g)
				maps.Copy(seen, g.seen)
			})
		})
	}
	for _, in := range wit.Interfaces() {
		for _, f := range in.Funcs {
			_, called := seen[f.Interface+" "+f.Name]
			switch needs := needsAbsent(f); {
			case f.Interface == "wasi:cli/exit":
			case !called && !needs:
				t.Errorf("%s %s is in no scenario", f.Interface, f.Name)
			case called && needs:
				t.Errorf("%s %s works without the resource that it needs", f.Interface, f.Name)
			}
		}
	}
}

func needsAbsent(f *wit.Func) bool {
	return slices.ContainsFunc(f.Params, func(p *wit.Type) bool { return slices.Contains(absent, p.Resource) })
}

// TestUnknownHandles: each function that takes a resource ends a guest that has none, for
// each wrong handle.
func TestUnknownHandles(t *testing.T) {
	for _, in := range wit.Interfaces() {
		for _, f := range in.Funcs {
			if len(f.Params) == 0 || f.Params[0].Resource == "" {
				continue
			}
			for _, handle := range []uint32{0, 1, 7, math.MaxUint32} {
				g := newFake(t, nil)
				g.call("wasi:cli/stdin", "get-stdin") // handle 1
				text := fmt.Sprintf("the handle %d to %s", handle, f.Interface)
				if handle == 1 && f.Params[0].Resource == "input-stream" {
					continue
				}
				g.ended(text, f.Interface, f.Name, handle)
			}
		}
	}
}

// TestBadAreas: each function checks the place of its result before it does anything.
func TestBadAreas(t *testing.T) {
	for _, in := range wit.Interfaces() {
		for _, f := range in.Funcs {
			if !f.InMemory || len(f.Params) > 0 && f.Params[0].Resource != "" {
				continue
			}
			args := make([]any, len(f.Core.Params))
			for i := range args {
				args[i] = 0
			}
			if f.Name == "resolve-addresses" || f.Name == "poll" {
				continue // they need a handle
			}
			for _, bad := range []uint32{1<<20 - f.Result.Size + f.Result.Align, -f.Result.Align, 1<<20 + 8} {
				args[len(args)-1] = bad
				g := newFake(t, &Grants{Arguments: []string{"a"}})
				g.ended("is outside of the memory", f.Interface, f.Name, args...)
				want(t, f.Name+": what it allocated", g.top, heap)
			}
			args[len(args)-1] = area + f.Result.Align/2
			if g := newFake(t, nil); f.Result.Align > 1 {
				g.ended("is not aligned", f.Interface, f.Name, args...)
			}
		}
	}
}

func testClocks(g *fake) {
	g.call("wasi:clocks/wall-clock", "now")
	want(g, "seconds", g.u64(area), 1_700_000_000)
	want(g, "nanoseconds", g.u32(area+8), 123_456_789)
	g.call("wasi:clocks/wall-clock", "resolution")
	want(g, "resolution", g.u64(area)+uint64(g.u32(area+8)), 1000)
	want(g, "resolution", g.call(monoClock, "resolution"), 1000)
	before := g.call(monoClock, "now")
	time.Sleep(time.Second)
	want(g, "a second", g.call(monoClock, "now")-before, uint64(time.Second))
}

func testRandom(g *fake) {
	for _, in := range []string{"", "insecure-"} {
		module := "wasi:random/random"
		if in != "" {
			module = "wasi:random/insecure"
		}
		if a, b := g.call(module, "get-"+in+"random-u64"), g.call(module, "get-"+in+"random-u64"); a == b {
			g.Errorf("got %x twice", a)
		}
		g.call(module, "get-"+in+"random-bytes", 100_000)
		first := g.text(area)
		g.call(module, "get-"+in+"random-bytes", 100_000)
		if second := g.text(area); len(first) != 100_000 || first == second || strings.Contains(second, strings.Repeat("\x00", 8)) {
			g.Errorf("got %d bytes, equal: %v", len(first), first == second)
		}
		g.call(module, "get-"+in+"random-bytes", 0)
		want(g, "no bytes", g.u32(area+4), 0)
	}
	g.call("wasi:random/insecure-seed", "insecure-seed")
	if g.u64(area) == g.u64(area+8) {
		g.Error("a seed of two equal halves")
	}
}

func testEnvironment(g *fake) {
	g.call("wasi:cli/environment", "get-environment")
	want(g, "environment", fmt.Sprint(g.texts(area, 2)), "[K v L ]")
	g.call("wasi:cli/environment", "get-arguments")
	want(g, "arguments", fmt.Sprint(g.texts(area, 1)), "[a bc]")
	none := newFake(g.T, nil)
	none.call("wasi:cli/environment", "get-environment")
	want(g, "an environment without a grant", none.u32(area+4), 0)
	none.call("wasi:cli/environment", "get-arguments")
	want(g, "arguments without a grant", none.u32(area+4), 0)
	g.memory[area] = 7
	g.call("wasi:cli/environment", "initial-cwd")
	want(g, "initial-cwd", g.u8(area), 0)
	for _, name := range []string{"stdin", "stdout", "stderr"} {
		g.memory[area] = 7
		g.call("wasi:cli/terminal-"+name, "get-terminal-"+name)
		want(g, "a terminal", g.u8(area), 0)
	}
}

func testStreams(g *fake) {
	in := g.call("wasi:cli/stdin", "get-stdin")
	for _, name := range []string{"read", "blocking-read", "skip", "blocking-skip"} {
		g.memory[area] = 7
		g.call(streams, "[method]input-stream."+name, in, 10)
		closedAt(g, name)
	}
	ready := g.call(streams, "[method]input-stream.subscribe", in)
	g.call(pollIn, "[method]pollable.block", ready)
	g.ended("children", streams, "[resource-drop]input-stream", in)
	g.call(pollIn, "[resource-drop]pollable", ready)

	out, err := g.call("wasi:cli/stdout", "get-stdout"), g.call("wasi:cli/stderr", "get-stderr")
	g.call(streams, "[method]output-stream.check-write", out)
	want(g, "check-write", g.u8(area), 0)
	want(g, "check-write", g.u64(area+8), maxPermit)
	g.call(streams, "[method]output-stream.write", out, "one")
	want(g, "write", g.u8(area), 0)
	g.call(streams, "[method]output-stream.blocking-write-and-flush", err, "two")
	g.call(streams, "[method]output-stream.write-zeroes", out, 2)
	g.call(streams, "[method]output-stream.blocking-write-zeroes-and-flush", err, 3)
	g.call(streams, "[method]output-stream.flush", out)
	g.call(streams, "[method]output-stream.blocking-flush", out)
	want(g, "the log", g.log.String(), "1:one 2:two 1:\x00\x00 2:\x00\x00\x00 ")
	for _, name := range []string{"splice", "blocking-splice"} {
		g.call(streams, "[method]output-stream."+name, out, in, 10)
		closedAt(g, name)
	}
	g.call(streams, "[resource-drop]input-stream", in)
	ready = g.call(streams, "[method]output-stream.subscribe", out)
	want(g, "an output stream is ready", g.call(pollIn, "[method]pollable.ready", ready), 1)
	g.call(pollIn, "[resource-drop]pollable", ready)
	g.call(streams, "[resource-drop]output-stream", out)
}

// closedAt checks that a result is the error closed of a stream.
func closedAt(g *fake, name string) {
	g.Helper()
	want(g, name+": error", g.u8(area), 1)
	at := uint32(4)
	if strings.Contains(name, "skip") || strings.Contains(name, "splice") {
		at = 8
	}
	want(g, name+": closed", g.u8(area+at), 1)
}

func testPollables(g *fake) {
	later := g.call(monoClock, "subscribe-duration", uint64(2*time.Second))
	never := g.call(monoClock, "subscribe-duration", ^uint64(0))
	now := g.call(monoClock, "subscribe-instant", g.call(monoClock, "now"))
	soon := g.call(monoClock, "subscribe-instant", g.call(monoClock, "now")+uint64(time.Second))
	want(g, "ready now", g.call(pollIn, "[method]pollable.ready", now), 1)
	want(g, "ready later", g.call(pollIn, "[method]pollable.ready", later), 0)
	list := g.words(uint32(never), uint32(later), uint32(now), uint32(soon), uint32(now))
	g.call(pollIn, "poll", list, 5)
	want(g, "ready", fmt.Sprint(g.u32(area+4), g.u32(g.u32(area)), g.u32(g.u32(area)+4)), "2 2 4")
	want(g, "time asleep", g.slept, 0)
	g.call(pollIn, "poll", list, 2)
	want(g, "ready", fmt.Sprint(g.u32(area+4), g.u32(g.u32(area))), "1 1")
	want(g, "time asleep", g.slept, 2*time.Second)
	want(g, "ready after its time", g.call(pollIn, "[method]pollable.ready", soon), 1)
	last := g.call(monoClock, "subscribe-duration", uint64(time.Second))
	g.call(pollIn, "[method]pollable.block", last)
	want(g, "time asleep", g.slept, 3*time.Second)
	g.call(pollIn, "[resource-drop]pollable", later)
	next := g.call(monoClock, "subscribe-duration", uint64(time.Second))
	g.call(pollIn, "poll", g.words(uint32(next), uint32(never)), 2)
	want(g, "ready", fmt.Sprint(g.u32(area+4), g.u32(g.u32(area))), "1 0")
	want(g, "time asleep", g.slept, 4*time.Second)
}

// testNowhere: there are no files and no sockets.
func testNowhere(g *fake) {
	g.call("wasi:filesystem/preopens", "get-directories")
	want(g, "directories", g.u32(area+4), 0)
	network := g.call("wasi:sockets/instance-network", "instance-network")
	refused := func(in, name string, args ...any) {
		g.Helper()
		g.call(in, name, args...)
		want(g, name, fmt.Sprint(g.u8(area), g.u8(area+4)), fmt.Sprint(1, wit.SocketAccessDenied))
	}
	refused("wasi:sockets/ip-name-lookup", "resolve-addresses", network, "localhost")
	refused("wasi:sockets/tcp-create-socket", "create-tcp-socket", 0)
	refused("wasi:sockets/udp-create-socket", "create-udp-socket", 1)
	g.ended("case 2", "wasi:sockets/udp-create-socket", "create-udp-socket", 2)
	g.call("wasi:sockets/network", "[resource-drop]network", network)
}

// TestDocs: docs/components.md tells for each interface whether a guest gets anything of
// it.
func TestDocs(t *testing.T) {
	doc, err := os.ReadFile("../../docs/components.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, in := range wit.Interfaces() {
		if !strings.Contains(string(doc), "`"+in.Name+"`") {
			t.Errorf("docs/components.md does not name %s", in.Name)
		}
	}
}
