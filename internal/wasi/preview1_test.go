package wasi

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/abi"
)

// errnoOf calls a function of preview 1.
func (g *fake) errnoOf(name string, args ...any) errno {
	g.Helper()
	return errno(g.call(abi.WASI, name, args...))
}

// TestPreview1IsWhole: each function returns, or says badf if it needs a file or a socket.
func TestPreview1IsWhole(t *testing.T) {
	for _, f := range abi.WASIImports() {
		args := make([]any, len(f.Type.Params))
		for i := range args {
			args[i] = 3 // no file descriptor
		}
		switch f.Name {
		case "proc_exit":
			newFake(t, nil).ended("it exited with code 3", abi.WASI, f.Name, args...)
			continue
		case "poll_oneoff":
			continue // below
		}
		got := newFake(t, nil).errnoOf(f.Name, args...)
		if Refused(abi.WASI, f.Name) || f.Name[:3] == "fd_" {
			want(t, f.Name, got, badf)
		}
	}
	if Find(abi.WASI, "fd_write") == nil || Find("wasi:io/poll@0.2.0", "pol") != nil || Find("wasi:io/poll@0.3.0", "poll") != nil || Find("env", "x") != nil {
		t.Error("functions are there that should not be, or the other way round")
	}
}

// TestRefused: functions that need files or a network are refused, and no others.
func TestRefused(t *testing.T) {
	for _, c := range []struct {
		module, name string
		refused      bool
	}{
		{abi.WASI, "fd_write", false}, {abi.WASI, "path_open", false},
		{"wasi:filesystem/types@0.2.6", "[method]descriptor.read", false}, {"wasi:filesystem/types@0.2.6", "[resource-drop]descriptor", false},
		{"wasi:filesystem/preopens@0.2.6", "get-directories", false}, {"wasi:sockets/tcp@0.2.0", "[method]tcp-socket.accept", true},
		{"wasi:sockets/tcp-create-socket@0.2.0", "create-tcp-socket", true}, {"wasi:sockets/instance-network@0.2.0", "instance-network", false},
		{"wasi:http/outgoing-handler@0.2.0", "handle", false}, {"wasi:http/types@0.2.0", "[constructor]fields", false},
		{"wasi:io/error@0.2.0", "[method]error.to-debug-string", false}, {"env", "x", false},
	} {
		want(t, c.module+" "+c.name, Refused(c.module, c.name), c.refused)
	}
}

func TestPreview1Texts(t *testing.T) {
	g := newFake(t, &Grants{Arguments: []string{"prog", "-x"}, Environment: []core.ConfigPair{{Key: "K", Value: "v"}}})
	for name, texts := range map[string]string{"args": "prog\x00-x\x00", "environ": "K=v\x00"} {
		want(t, name, g.errnoOf(name+"_sizes_get", area, area+4), success)
		want(t, name+": bytes", g.u32(area+4), uint32(len(texts)))
		want(t, name, g.errnoOf(name+"_get", area+8, area+64), success)
		want(t, name, string(g.memory[area+64:area+64+len(texts)]), texts)
		want(t, name+": the first", g.u32(area+8), area+64)
		want(t, name+" out of range", g.errnoOf(name+"_get", area, len(g.memory)-2), fault)
		want(t, name+" out of range", g.errnoOf(name+"_get", len(g.memory)-2, area), fault)
		want(t, name+" sizes out of range", g.errnoOf(name+"_sizes_get", area, len(g.memory)-2), fault)
	}
	want(t, "the second argument", func() uint32 { g.errnoOf("args_get", area, area+64); return g.u32(area + 4) }(), area+64+5)
	none := newFake(t, nil)
	want(t, "arguments without a grant", none.errnoOf("args_get", 1<<20, 1<<20), success)
	want(t, "sizes without a grant", none.errnoOf("environ_sizes_get", area, area+4), success)
}

// TestPreview1Calls: a guest may call preview 1 from cabi_realloc, as it always could.
func TestPreview1Calls(t *testing.T) {
	g := newFake(t, nil)
	g.refuses = true
	buffers := g.words(g.note([]byte("one")), 3, g.note([]byte("two")), 3)
	want(t, "fd_write", g.errnoOf("fd_write", 2, buffers, 2, area), success)
	want(t, "written", g.u32(area), 6)
	want(t, "the log", g.log.String(), "2:one 2:two ")
	want(t, "fd_write to standard input", g.errnoOf("fd_write", 0, buffers, 2, area), badf)
	want(t, "fd_write out of range", g.errnoOf("fd_write", 1, g.words(1<<20, 1), 1, area), fault)
	want(t, "fd_read", g.errnoOf("fd_read", 0, 0, 0, area), success)
	want(t, "read", g.u32(area), 0)
	want(t, "random_get out of range", g.errnoOf("random_get", 1<<20-1, 2), fault)
	want(t, "clock_time_get", g.errnoOf("clock_time_get", 0, 0, area), success)
	want(t, "time", g.u64(area), g.time)
	want(t, "an unknown clock", g.errnoOf("clock_time_get", 2, 0, area), notsup)
}

func TestPollOneoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newFake(t, nil)
		second := uint64(time.Second)
		copy(g.memory[area:], []byte{7})
		g.memory[area+16] = clockMonotonic
		g.put(area+24, second)
		want(t, "poll_oneoff", g.errnoOf("poll_oneoff", area, area+64, 1, area+128), success)
		want(t, "events", g.u32(area+128), 1)
		want(t, "the event's name", g.u64(area+64), 7)
		want(t, "time asleep", g.slept, time.Second)
		want(t, "poll_oneoff of nothing", g.errnoOf("poll_oneoff", area, area+64, 0, area+128), inval)
		want(t, "poll_oneoff of many", g.errnoOf("poll_oneoff", area, area+64, maxSubscriptions+1, area+128), inval)
		want(t, "poll_oneoff out of range", g.errnoOf("poll_oneoff", 1<<20-8, area, 1, area), fault)
		g.memory[area+8] = 1 // a file descriptor
		want(t, "poll_oneoff of a file", g.errnoOf("poll_oneoff", area, area+64, 1, area+128), success)
		want(t, "its error", errno(g.u16(area+64+8)), badf)
	})
}

// TestBadDescriptor: a program gets a descriptor that nothing takes, and closes it.
func TestBadDescriptor(t *testing.T) {
	g := newFake(t, nil)
	want(t, "opened", g.errnoOf("adapter_open_badfd", 8), success)
	got := g.errnoOf("adapter_open_badfd", 1<<31)
	want(t, "outside of the memory", got, fault)
	want(t, "read", g.errnoOf("fd_read", bad, 0, 0, 16), badf)
	want(t, "closed", g.errnoOf("adapter_close_badfd", bad), success)
	want(t, "another one closed", g.errnoOf("adapter_close_badfd", 3), badf)
}
