package wasi

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/wit"
)

// TestHandles: the index of a dropped handle is free again, and no handle is dropped twice.
func TestHandles(t *testing.T) {
	g := newFake(t, nil)
	for i := range 3 {
		want(t, "handle", g.call("wasi:cli/stdin", "get-stdin"), uint64(i+1))
	}
	g.call(streams, "[resource-drop]input-stream", 2)
	g.ended("the handle 2 to wasi:io/streams input-stream, which does not exist", streams, "[resource-drop]input-stream", 2)
	g.ended("which is of the resource input-stream", streams, "[resource-drop]output-stream", 1)
	want(t, "the next handle", g.call("wasi:cli/stdout", "get-stdout"), 2)
	g.ended("which is of the resource output-stream: want one of input-stream", streams, "[method]input-stream.read", 2, 1)
	g.call(streams, "[resource-drop]output-stream", 2)
}

// TestHandleFlood: a guest has 4,096 handles, of any kinds, and its end frees all.
func TestHandleFlood(t *testing.T) {
	g := newFake(t, nil)
	stream := g.call("wasi:cli/stdout", "get-stdout")
	for range MaxHandles - 1 {
		g.call(streams, "[method]output-stream.subscribe", stream)
	}
	g.ended("4,096 resources", "wasi:cli/stdin", "get-stdin")
	g.call(pollIn, "[resource-drop]pollable", MaxHandles)
	g.call("wasi:cli/stdin", "get-stdin")
	g.ended("4,096 resources", monoClock, "subscribe-duration", 1)
	want(t, "handles of another guest", newFake(t, nil).call("wasi:cli/stdin", "get-stdin"), 1)
}

// TestChildren: a parent can't be dropped or given away before its children.
func TestChildren(t *testing.T) {
	g := newFake(t, nil)
	request, body, stream := g.request()
	headers := g.call(httpTypes, "[method]outgoing-request.headers", request)
	g.ended("children", "wasi:http/outgoing-handler", "handle", request, 0, 0)
	g.ended("children", httpTypes, "[resource-drop]outgoing-request", request)
	ready := g.call(streams, "[method]output-stream.subscribe", stream)
	g.ended("children", httpTypes, "[resource-drop]outgoing-body", body)
	g.ended("children", streams, "[resource-drop]output-stream", stream)
	g.call(pollIn, "[resource-drop]pollable", ready)
	g.call(streams, "[resource-drop]output-stream", stream)
	g.call(httpTypes, "[resource-drop]outgoing-body", body)
	g.call(httpTypes, "[resource-drop]fields", headers)
	g.call(httpTypes, "[resource-drop]outgoing-request", request)
	for _, h := range g.in.handles.slots {
		if h != nil {
			t.Errorf("left: %+v", h)
		}
	}
}

// TestHeldTexts: the fields and texts of all resources together are bounded.
func TestHeldTexts(t *testing.T) {
	g := newFake(t, nil)
	value := make([]byte, 100<<10)
	for i := range value {
		value[i] = 'x'
	}
	f := g.call(httpTypes, "[constructor]fields")
	for range 10 {
		g.call(httpTypes, "[method]fields.append", f, "v", value)
	}
	g.ended("more than 1 MiB", httpTypes, "[method]fields.append", f, "v", value)

	g = newFake(t, nil)
	f = g.call(httpTypes, "[constructor]fields")
	appended := 0
	for end := error(nil); end == nil; appended++ { // empty ones count too
		_, end = g.try(httpTypes, "[method]fields.append", f, "v", "")
	}
	if appended > maxHeld/fieldSize {
		t.Errorf("%d fields", appended)
	}

	g = newFake(t, nil)
	r := g.call(httpTypes, "[constructor]outgoing-request", g.fields())
	for range 100 { // the last one counts
		want(t, "set-path-with-query", g.call(httpTypes, "[method]outgoing-request.set-path-with-query", r, 1, value), 0)
	}
	want(t, "what it holds", g.in.held, len(value))
}

// TestLists: the length of a list is checked before anything is made of it.
func TestLists(t *testing.T) {
	g := newFake(t, nil)
	p := g.call(monoClock, "subscribe-duration", 0)
	many := make([]uint32, maxElements+1)
	for i := range many {
		many[i] = uint32(p)
	}
	list := g.words(many...)
	g.call(pollIn, "poll", list, maxElements)
	want(t, "ready", g.u32(area+4), maxElements)
	g.ended("empty list", pollIn, "poll", list, 0)
	g.ended("more than 4,096 elements", pollIn, "poll", list, maxElements+1)
	g.ended("more than 4,096 elements", pollIn, "poll", list, uint64(1<<32-1))
	g.ended("outside of the memory", pollIn, "poll", 1<<20-4, 2)
	g.ended("outside of the memory", pollIn, "poll", uint64(1<<32-4), 2)
	g.ended("is not aligned", pollIn, "poll", list+2, 1)
	g.ended("the handle 9", pollIn, "poll", g.words(9), 1)

	stream := g.call("wasi:cli/stdout", "get-stdout")
	g.call(streams, "[method]output-stream.check-write", stream)
	g.ended("outside of the memory", streams, "[method]output-stream.write", stream, 1<<20-1, 2)
	g.ended("outside of the memory", streams, "[method]output-stream.write", stream, 8, uint64(1<<32-1))
	want(t, "the log", g.log.String(), "")
}

// TestListsOfLists: the contents of lists are bounded as a sum, though they may be the
// same bytes.
func TestListsOfLists(t *testing.T) {
	g := newFake(t, nil)
	f := g.call(httpTypes, "[constructor]fields")
	var parts []uint32
	for range 4000 {
		parts = append(parts, 0, 600) // 2.4 MB in all
	}
	list := g.words(parts...)
	g.ended("more than 1 MiB", httpTypes, "[method]fields.set", f, "v", list, 4000)
	g.ended("outside of the memory", httpTypes, "[method]fields.set", f, "v", g.words(0, 1, 1<<20, 1), 2)
	g.ended("more than 4,096 elements", httpTypes, "[method]fields.set", f, "v", list, 1<<29)
	g.ended("is not UTF-8", httpTypes, "[method]fields.has", f, "\xff")
	huge := newFake(t, nil)
	huge.memory = make([]byte, 4<<20)
	f = huge.call(httpTypes, "[constructor]fields")
	huge.ended("more than 1 MiB", httpTypes, "[method]fields.has", f, 0, 2<<20)
}

// TestWrites: check-write bounds a write, and the functions that write at once take 4,096
// bytes.
func TestWrites(t *testing.T) {
	for _, c := range []struct {
		name    string
		check   bool
		size    int
		allowed bool
	}{
		{"write", false, 1, false}, {"write", true, maxPermit, true}, {"write", true, maxPermit + 1, false},
		{"blocking-write-and-flush", false, 4096, true}, {"blocking-write-and-flush", true, 4097, false},
	} {
		for _, name := range []string{c.name, map[string]string{"write": "write-zeroes", "blocking-write-and-flush": "blocking-write-zeroes-and-flush"}[c.name]} {
			g := newFake(t, nil)
			stream := g.call("wasi:cli/stdout", "get-stdout")
			if c.check {
				g.call(streams, "[method]output-stream.check-write", stream)
			}
			args := []any{stream, make([]byte, c.size)}
			if name != c.name {
				args[1] = c.size
			}
			if c.allowed {
				g.call(streams, "[method]output-stream."+name, args...)
			} else {
				g.ended("bytes by wasi:io/streams output-stream."+name, streams, "[method]output-stream."+name, args...)
			}
			want(t, name+": logged", g.log.Len() > 0, c.allowed)
		}
	}
	g := newFake(t, nil)
	stream := g.call("wasi:cli/stdout", "get-stdout")
	g.call(streams, "[method]output-stream.check-write", stream)
	g.call(streams, "[method]output-stream.write", stream, make([]byte, maxPermit-1))
	g.ended("check-write allowed 1", streams, "[method]output-stream.write", stream, "xx")
	g.ended("18446744073709551615 bytes", streams, "[method]output-stream.write-zeroes", stream, ^uint64(0))
}

// TestAllocation: the host checks the results of cabi_realloc, and the memory may move.
func TestAllocation(t *testing.T) {
	random := func(size any, reallocs func(align, size uint32) (uint32, error), text string) {
		t.Helper()
		g := newFake(t, nil)
		g.reallocs = reallocs
		g.ended(text, "wasi:random/random", "get-random-bytes", size)
		want(t, "bytes in the host's memory", cap(g.in.call.args) < 64, true)
	}
	random(uint64(4<<30), nil, "4294967296 bytes, which no guest's memory holds")
	random(^uint64(0), nil, "18446744073709551615 bytes")
	random(1<<30, nil, "cabi_realloc trapped")
	at := func(ptr uint32) func(_, _ uint32) (uint32, error) {
		return func(_, _ uint32) (uint32, error) { return ptr, nil }
	}
	random(16, at(0), "cabi_realloc returned 0")
	random(16, at(1<<20-15), "is outside of the memory")
	random(16, at(1<<32-8), "is outside of the memory")

	grants := &Grants{Arguments: []string{"one", "two"}}
	g := newFake(t, grants)
	g.reallocs = at(heap + 2)
	g.ended("not aligned to 4 bytes", "wasi:cli/environment", "get-arguments")

	g = newFake(t, grants)
	g.onRealloc = func() { // memory grows, and so moves
		g.memory = append(make([]byte, 0, 2*len(g.memory)), append(g.memory, 0)...)
	}
	g.call("wasi:cli/environment", "get-arguments")
	want(t, "arguments", fmt.Sprint(g.texts(area, 1)), "[one two]")
}

// TestEmptyLists: a guest allocates its empty lists, too, which it may free.
func TestEmptyLists(t *testing.T) {
	g := newFake(t, &Grants{Arguments: []string{""}})
	g.reallocs = func(_, size uint32) (uint32, error) { return heap + 16*size, nil }
	g.call("wasi:cli/environment", "get-environment")
	want(t, "the empty list", fmt.Sprint(g.u32(area), g.u32(area+4)), fmt.Sprint(heap, 0))
	g.call("wasi:cli/environment", "get-arguments")
	want(t, "the empty string", fmt.Sprint(g.u32(g.u32(area)), g.u32(g.u32(area)+4)), fmt.Sprint(heap, 0))
	g.call("wasi:random/random", "get-random-bytes", 0)
	want(t, "no bytes", fmt.Sprint(g.u32(area), g.u32(area+4)), fmt.Sprint(heap, 0))
}

// TestNested: a guest calls no function of WASI 0.2 from within cabi_realloc.
func TestNested(t *testing.T) {
	g := newFake(t, &Grants{Arguments: []string{"a"}})
	g.onRealloc = func() {
		g.refuses, g.onRealloc = true, nil
		g.ended("wasi:io/poll poll from cabi_realloc", pollIn, "poll", 0, 0)
		for _, in := range wit.Interfaces() {
			for _, f := range in.Funcs {
				g.ended("from cabi_realloc", f.Interface, f.Name)
			}
		}
		g.refuses = false
	}
	g.call("wasi:cli/environment", "get-arguments")
	want(t, "arguments", fmt.Sprint(g.texts(area, 1)), "[a]")
}

// TestInterrupts: a guest that waits, or makes the host work for long, can be ended.
func TestInterrupts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newFake(t, nil)
		g.interruptAt = 100
		never := g.call(monoClock, "subscribe-duration", ^uint64(0))
		g.ended("interrupted", pollIn, "[method]pollable.block", never)
		want(t, "time asleep", g.slept, 99*sleepSlice)
		g.interruptAt = g.checks + 5
		g.ended("interrupted", pollIn, "poll", g.words(uint32(never)), 1)
		g.interruptAt = g.checks + 2
		g.ended("interrupted", "wasi:random/random", "get-random-bytes", 500<<10)
		g.interruptAt = 0
		f := g.fields("name", strings.Repeat("v", 5000))
		g.interruptAt = g.checks + 1
		g.ended("interrupted", httpTypes, "[method]fields.entries", f)
		stream := g.call("wasi:cli/stdout", "get-stdout")
		g.interruptAt = g.checks + 1
		g.ended("interrupted", streams, "[method]output-stream.blocking-write-and-flush", stream, make([]byte, 4096))
	})
}

func TestExit(t *testing.T) {
	for _, c := range []struct {
		name       string
		code, want int
	}{{"exit", 0, 0}, {"exit", 1, 1}, {"exit-with-code", 7, 7}, {"exit-with-code", 0x107, 7}} {
		_, end := newFake(t, nil).try("wasi:cli/exit", c.name, c.code)
		var trap *core.TrapError
		if !errors.As(end, &trap) || trap.Kind != core.TrapFault || trap.Text != fmt.Sprintf("it exited with code %d", c.want) {
			t.Errorf("%s %d: got %v", c.name, c.code, end)
		}
	}
}

// FuzzFunctions calls functions with any arguments: a guest goes on, or ends by its own
// fault, and the host keeps its bounds.
func FuzzFunctions(f *testing.F) {
	var all []*wit.Func
	for _, in := range wit.Interfaces() {
		all = append(all, in.Funcs...)
	}
	for i := range all {
		f.Add([]byte{byte(i), 1, 0, byte(i), 1, 8, 16, 3})
	}
	f.Fuzz(func(t *testing.T, script []byte) {
		g := newFake(t, &Grants{Arguments: []string{"a"}, Environment: []core.ConfigPair{{Key: "k", Value: "v"}}})
		g.online()
		g.interruptAt, g.sleepless = 1000, true
		copy(g.memory, script)
		for calls := 0; len(script) > 0 && calls < 200; calls++ {
			fn := all[int(script[0])%len(all)]
			script = script[1:]
			var args []any
			for range fn.Core.Params {
				var b [8]byte
				n := copy(b[:], script[:min(len(script), 2)])
				script = script[n:]
				args = append(args, binary.LittleEndian.Uint64(b[:]))
			}
			if fn.InMemory {
				args[len(args)-1] = uint64(area)
			}
			if _, end := g.try(fn.Interface, fn.Name, args...); end != nil {
				return
			}
		}
		if g.in.held < 0 || g.in.held > maxHeld || len(g.in.handles.slots) > MaxHandles {
			t.Errorf("it holds %d bytes and %d handles", g.in.held, len(g.in.handles.slots))
		}
		if g.in.bodies < 0 || g.in.bodies > maxBodies || len(g.in.sent) > MaxHandles {
			t.Errorf("it holds %d bytes of bodies and %d requests", g.in.bodies, len(g.in.sent))
		}
	})
}

// TestWorkOfCalls: calls that are short by their arguments and long by what they look at check
// the guest's time, in one call or in several.
func TestWorkOfCalls(t *testing.T) {
	g := newFake(t, nil)
	f := g.call(httpTypes, "[constructor]fields")
	for range 1000 {
		g.call(httpTypes, "[method]fields.append", f, "v", "")
	}
	p := g.call(monoClock, "subscribe-duration", 0)
	many := make([]uint32, 1000)
	for i := range many {
		many[i] = uint32(p)
	}
	list := g.words(many...)
	for what, do := range map[string]func(){
		"fields.has":    func() { g.call(httpTypes, "[method]fields.has", f, "w") },
		"fields.delete": func() { g.call(httpTypes, "[method]fields.delete", f, "w") },
		"poll":          func() { g.top = heap; g.call(pollIn, "poll", list, 1000) },
		"40 small texts": func() {
			for range 40 {
				g.call(httpTypes, "[method]fields.has", g.call(httpTypes, "[constructor]fields"), strings.Repeat("w", 110))
			}
		},
	} {
		before := g.checks
		if do(); g.checks == before {
			t.Errorf("%s: the guest's time is not checked", what)
		}
	}
	g.memory = append(g.memory, make([]byte, 2<<20)...)
	g.ended("texts of more than 1 MiB", httpTypes, "[method]fields.append", f, "v", 0, 1<<20+1)
}
