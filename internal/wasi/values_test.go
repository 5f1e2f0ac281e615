package wasi

import (
	"reflect"
	"strings"
	"testing"

	"github.com/airhost/airhost/internal/abi"
	"github.com/airhost/airhost/internal/wit"
)

func functionOf(t *testing.T, in, name string) *wit.Func {
	t.Helper()
	for _, f := range abi.FindWASI2(in + abi.WASI2).Funcs {
		if f.Name == name {
			return f
		}
	}
	t.Fatalf("there is no %s %s", in, name)
	return nil
}

// newCall returns a call in progress.
func newCall(g *fake) *call {
	return &call{Instance: g.in, name: "test", texts: maxTexts, elements: maxElements}
}

// TestValues: values of all kinds go into the memory and out of it unchanged, also those
// that no function returns yet.
func TestValues(t *testing.T) {
	time := func(s, ns uint64) any { return []any{s, ns} }
	v4 := variant{0, []any{uint64(80), []any{uint64(127), uint64(0), uint64(0), uint64(1)}}}
	v6 := variant{1, []any{uint64(80), uint64(7), []any{uint64(1), uint64(2), uint64(3), uint64(4), uint64(5), uint64(6), uint64(7), uint64(8)}, uint64(9)}}
	for _, c := range []struct {
		in, name string
		value    any
	}{
		{"wasi:filesystem/types", "[method]descriptor.stat", ok([]any{variant{3, nil}, uint64(1), uint64(1 << 40), some(time(5, 6)), none, some(time(7, 8))})},
		{"wasi:filesystem/types", "[method]descriptor.get-flags", ok(uint64(0x2a))},
		{"wasi:filesystem/types", "[method]descriptor.get-flags", failed(variant{36, nil})},
		{"wasi:filesystem/types", "[method]descriptor.read", ok([]any{[]byte("abc"), true})},
		{"wasi:filesystem/types", "[method]directory-entry-stream.read-directory-entry", ok(some([]any{variant{6, nil}, "name"}))},
		{"wasi:sockets/udp", "[method]incoming-datagram-stream.receive", ok([]any{[]any{[]byte("x"), v4}, []any{[]byte("yz"), v6}})},
		{"wasi:http/types", "http-error-code", some(variant{14, []any{some(uint64(9)), some("text")}})},
		{"wasi:http/types", "http-error-code", some(variant{22, some([]any{none, some(uint64(1 << 31))})})},
	} {
		g := newFake(t, nil)
		f := functionOf(t, c.in, c.name)
		call := newCall(g)
		call.store(f.Result, area, c.value)
		if got := call.load(f.Result, area); !reflect.DeepEqual(got, c.value) {
			t.Errorf("%s: got %v, want %v", f.Name, got, c.value)
		}
	}
	g := newFake(t, nil)
	newCall(g).store(functionOf(t, "wasi:filesystem/types", "[method]descriptor.stat").Result, area,
		ok([]any{variant{3, nil}, uint64(1), uint64(2), some(time(5, 6)), none, none}))
	want(t, "the type", g.u8(area+8), 3)
	want(t, "the size", g.u64(area+24), 2)
	want(t, "the first time's case", g.u8(area+32), 1)
	want(t, "its nanoseconds", g.u32(area+48), 6)
}

// TestUpperBits: of a core value only the bits of its type are valid.
func TestUpperBits(t *testing.T) {
	open := functionOf(t, "wasi:filesystem/types", "[method]descriptor.open-at")
	call := newCall(newFake(t, nil))
	want(t, "four flags", call.lift(open.Params[3], []uint64{^uint64(0)}), any(uint64(15)))
	limit := functionOf(t, "wasi:sockets/tcp", "[method]tcp-socket.set-hop-limit")
	want(t, "8 bits", call.lift(limit.Params[1], []uint64{0xfff07}), any(uint64(7)))
	status := functionOf(t, "wasi:http/types", "[method]outgoing-response.set-status-code")
	want(t, "16 bits", call.lift(status.Params[1], []uint64{0xdead_beef_0001_0193}), any(uint64(0x193)))
	count := functionOf(t, "wasi:sockets/tcp", "[method]tcp-socket.set-keep-alive-count")
	want(t, "32 bits", call.lift(count.Params[1], []uint64{1<<40 | 5}), any(uint64(5)))
	alive := functionOf(t, "wasi:sockets/tcp", "[method]tcp-socket.set-keep-alive-enabled")
	want(t, "a bool", call.lift(alive.Params[1], []uint64{1 << 40}), any(false))
	g := newFake(t, nil)
	g.call("wasi:cli/stdin", "get-stdin")
	g.call(streams, "[resource-drop]input-stream", uint64(0xdead_beef_0000_0001))
}

// TestNothingIsKept: after a call there is no view of the memory, which may have moved.
func TestNothingIsKept(t *testing.T) {
	g := newFake(t, nil)
	stream := g.call("wasi:cli/stdout", "get-stdout")
	g.call(streams, "[method]output-stream.blocking-write-and-flush", stream, strings.Repeat("x", 100))
	for _, a := range g.in.call.args[:cap(g.in.call.args)] {
		if a != nil {
			t.Errorf("it keeps a %T", a)
		}
	}
}
