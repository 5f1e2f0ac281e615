package wasi

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/abi"
	"github.com/airhost/airhost/internal/wit"
)

// fake is a guest that is only memory.
type fake struct {
	*testing.T
	in     *Instance
	memory []byte
	top    uint32 // the end of its heap
	notes  uint32 // the end of the texts for arguments
	log    strings.Builder
	slept  time.Duration
	time   uint64
	checks int // calls of GoOn

	sleepless   bool // its waits end at once
	refuses     bool // it must not call now
	interruptAt int  // the call of GoOn that ends it, or 0
	onRealloc   func()
	reallocs    func(align, size uint32) (uint32, error) // or nil
	seen        map[string]bool                          // the functions that have returned
}

// Places in the fake's memory: of results, of arguments, and its heap.
const (
	area  = 1 << 10
	notes = 64 << 10
	heap  = 256 << 10
)

func newFake(t *testing.T, grants *Grants) *fake {
	g := &fake{T: t, memory: make([]byte, 1<<20), top: heap, notes: notes, time: 1_700_000_000_123_456_789, seen: map[string]bool{}}
	g.in = New(g, grants)
	return g
}

var (
	errInterrupted = &core.TrapError{Kind: core.TrapHandler, Text: "interrupted"}
	errNoMemory    = errors.New("its cabi_realloc trapped")
)

func (g *fake) Memory() []byte { return g.memory }

func (g *fake) Realloc(align, size uint32) (uint32, error) {
	if g.onRealloc != nil {
		g.onRealloc()
	}
	if g.reallocs != nil {
		return g.reallocs(align, size)
	}
	at := wit.AlignTo(g.top, align)
	if uint64(at)+uint64(size) > uint64(len(g.memory)) {
		return 0, errNoMemory
	}
	g.top = at + size
	return at, nil
}

func (g *fake) Calling(function string) {
	if g.refuses {
		panic(&core.TrapError{Kind: core.TrapABI, Text: "it called " + function + " from cabi_realloc"})
	}
}

func (g *fake) GoOn() {
	if g.checks++; g.checks == g.interruptAt {
		panic(errInterrupted)
	}
}

// Wait does not wait, and makes the clock that decides about pollables seem later.
func (g *fake) Wait(d time.Duration, ends []<-chan struct{}) bool {
	if g.sleepless {
		return false
	}
	began := time.Now()
	defer func() { g.slept += time.Since(began) }()
	if len(ends) == 0 {
		time.Sleep(d)
		return false
	}
	select {
	case <-ends[0]:
		return true
	case <-time.After(d):
		return false
	}
}

func (g *fake) Now() uint64 { return g.time }

func (g *fake) Write(fd uint32, b []byte) { fmt.Fprintf(&g.log, "%d:%s ", fd, b) }

// try calls a function, and returns its core result or the reason why the guest ended.
func (g *fake) try(in, name string, args ...any) (result uint64, end error) {
	g.Helper()
	module := in
	if in != abi.WASI {
		module = abi.ModuleOf(in)
	}
	do := Find(module, name)
	if do == nil {
		g.Fatalf("there is no %s %s", in, name)
	}
	stack := make([]uint64, 0, 17)
	for _, a := range args {
		switch a := a.(type) {
		case string:
			stack = append(stack, uint64(g.note([]byte(a))), uint64(len(a)))
		case []byte:
			stack = append(stack, uint64(g.note(a)), uint64(len(a)))
		case int:
			stack = append(stack, uint64(a))
		case uint32:
			stack = append(stack, uint64(a))
		case uint64:
			stack = append(stack, a)
		default:
			g.Fatalf("argument %T", a)
		}
	}
	stack = append(stack, area)[:17] // more than it needs, as an engine may have
	defer func() {
		if cause := recover(); cause != nil {
			var isError bool
			if end, isError = cause.(error); !isError || !ends(end) {
				panic(cause)
			}
		}
	}()
	do(g.in, stack)
	g.seen[in+" "+name] = true
	return stack[0], nil
}

// ends reports whether an error ends a guest by its own fault.
func ends(err error) bool {
	return errors.As(err, new(*core.TrapError)) || errors.As(err, new(*abi.Violation)) || errors.Is(err, errNoMemory)
}

// call is try for a guest that goes on.
func (g *fake) call(in, name string, args ...any) uint64 {
	g.Helper()
	result, end := g.try(in, name, args...)
	if end != nil {
		g.Fatalf("%s %s: %v", in, name, end)
	}
	return result
}

// ended is try for a guest that ends, for a reason with this text.
func (g *fake) ended(want, in, name string, args ...any) {
	g.Helper()
	_, end := g.try(in, name, args...)
	if end == nil || !strings.Contains(end.Error(), want) {
		g.Errorf("%s %s: got %v, want an end with %q", in, name, end, want)
	}
}

// note keeps an argument in memory.
func (g *fake) note(b []byte) uint32 {
	if int(g.notes)+len(b) > heap {
		g.notes = notes
	}
	at := g.notes
	g.notes = wit.AlignTo(at+uint32(copy(g.memory[at:], b)), 8)
	return at
}

// words keeps numbers in memory.
func (g *fake) words(numbers ...uint32) uint32 {
	var b []byte
	for _, n := range numbers {
		b = binary.LittleEndian.AppendUint32(b, n)
	}
	return g.note(b)
}

func (g *fake) u8(at uint32) uint8   { return g.memory[at] }
func (g *fake) u16(at uint32) uint16 { return binary.LittleEndian.Uint16(g.memory[at:]) }
func (g *fake) u32(at uint32) uint32 { return binary.LittleEndian.Uint32(g.memory[at:]) }
func (g *fake) u64(at uint32) uint64 { return binary.LittleEndian.Uint64(g.memory[at:]) }

// text returns the string or list of bytes. Its address and size are at this address.
func (g *fake) text(at uint32) string {
	ptr, n := g.u32(at), g.u32(at+4)
	return string(g.memory[ptr : ptr+n])
}

// texts returns a list of strings, or of tuples of so many.
func (g *fake) texts(at uint32, ofTuple int) (list []string) {
	ptr, n := g.u32(at), g.u32(at+4)
	for i := range n * uint32(ofTuple) {
		list = append(list, g.text(ptr+8*i))
	}
	return list
}

func want[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func (g *fake) put(at uint32, v uint64) { binary.LittleEndian.PutUint64(g.memory[at:], v) }
