package abi_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"testing"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/abi"
)

// heap is a guest's memory. It moves at each allocation.
type heap struct {
	mem  []byte
	next uint32
	fail error
	give func(align, size uint32) uint32 // replaces the correct allocation
}

func newHeap() *heap { return &heap{mem: make([]byte, 256), next: 100} }

func (h *heap) Memory() []byte { return h.mem }

func (h *heap) Realloc(align, size uint32) (uint32, error) {
	if h.fail != nil {
		return 0, h.fail
	}
	old := h.mem
	h.mem = append(bytes.Clone(old), make([]byte, 64)...)
	for i := range old {
		old[i] = 0xee // stale: reading it is an error
	}
	if h.give != nil {
		return h.give(align, size), nil
	}
	at := (h.next + align - 1) &^ (align - 1)
	h.next = at + size
	return at, nil
}

// word returns the 32-bit number at an address.
func (h *heap) word(at uint32) uint32 { return binary.LittleEndian.Uint32(h.mem[at:]) }

// text returns the string for the pointer and length at an address.
func (h *heap) text(at uint32) string { return string(h.mem[h.word(at):][:h.word(at+4)]) }

func TestLowerNothing(t *testing.T) {
	h := &heap{fail: errors.New("nothing is to be allocated")}
	if ptr, size, err := abi.LowerString(h, ""); ptr != 1 || size != 0 || err != nil {
		t.Errorf("no text: got %d, %d, %v, want 1", ptr, size, err)
	}
	if ptr, err := abi.LowerState(h, nil); ptr != 1 || err != nil {
		t.Errorf("no state: got %d, %v, want 1", ptr, err)
	}
	if ptr, err := abi.LowerPairs(h, nil); ptr != 4 || err != nil {
		t.Errorf("no pairs: got %d, %v, want 4", ptr, err)
	}
}

func TestLowerStringReplacesInvalidUTF8(t *testing.T) {
	h := newHeap()
	ptr, size, err := abi.LowerString(h, "a\xffb")
	if err != nil || string(h.mem[ptr:][:size]) != "a\uFFFDb" {
		t.Errorf("got %q, %v", h.mem[ptr:][:size], err)
	}
}

func TestLowerState(t *testing.T) {
	h := newHeap()
	ptr, err := abi.LowerState(h, []byte("a\xff\x00b"))
	if err != nil || string(h.mem[ptr:][:4]) != "a\xff\x00b" {
		t.Errorf("got %q, %v", h.mem[ptr:][:4], err)
	}
	h.give = func(uint32, uint32) uint32 { return uint32(len(h.mem)) - 3 }
	if _, err := abi.LowerState(h, []byte("four")); err == nil {
		t.Error("a place that ends outside of memory is taken")
	}
}

func TestLowerPairs(t *testing.T) {
	h := newHeap()
	list, err := abi.LowerPairs(h, []core.ConfigPair{{Key: "one", Value: "1"}, {Key: "", Value: "☃"}})
	if err != nil || list%4 != 0 {
		t.Fatalf("got %#x, %v", list, err)
	}
	got := fmt.Sprint(h.text(list), "=", h.text(list+8), " ", h.text(list+16), "=", h.text(list+24))
	if got != "one=1 =☃" {
		t.Errorf("got %q", got)
	}
}

func TestLowerResult(t *testing.T) {
	for _, c := range core.MessagingErrorCases() {
		h := newHeap()
		refusal := &core.MessagingError{Case: c}
		if c.HasText() {
			refusal.Text = "why"
		}
		if err := abi.LowerResult(h, 16, refusal, abi.SendMessage); err != nil {
			t.Fatal(err)
		}
		if h.mem[16] != 1 || h.mem[20] != byte(c) || h.text(24) != refusal.Text {
			t.Errorf("%v: got %x", c, h.mem[16:32])
		}
	}
	h := newHeap()
	h.mem[16] = 0xff
	if err := abi.LowerResult(h, 16, nil, abi.SendMessage); err != nil || h.mem[16] != 0 {
		t.Errorf("ok: got %d, %v", h.mem[16], err)
	}
}

func TestLowerID(t *testing.T) {
	h := newHeap()
	if err := abi.LowerID(h, 16, 1<<63+7, nil, abi.SendRequest); err != nil {
		t.Fatal(err)
	}
	if h.mem[16] != 0 || binary.LittleEndian.Uint64(h.mem[24:]) != 1<<63+7 {
		t.Errorf("ok: got %x", h.mem[16:40])
	}
	if err := abi.LowerID(h, 16, 0, errors.New("no broker"), abi.After); err != nil {
		t.Fatal(err)
	}
	if h.mem[16] != 1 || h.mem[24] != byte(core.CaseUnavailable) || h.text(28) != "no broker" {
		t.Errorf("error: got %x", h.mem[16:40])
	}
}

func TestLowerCall(t *testing.T) {
	for _, c := range core.CallErrorCases() {
		for _, text := range []string{"", "why"} {
			h := newHeap()
			if err := abi.LowerCall(h, 16, []byte("no result"), &core.CallError{Case: c, Text: text}); err != nil {
				t.Fatal(err)
			}
			if h.mem[16] != 1 || h.mem[20] != byte(c) || h.text(24) != text || binary.LittleEndian.Uint32(h.mem[24:]) == 0 {
				t.Errorf("%v, %q: got %x", c, text, h.mem[16:32])
			}
		}
	}
	for _, result := range []string{"", "a \xff result"} {
		h := newHeap()
		h.mem[16] = 0xff
		if err := abi.LowerCall(h, 16, []byte(result), nil); err != nil {
			t.Fatal(err)
		}
		if h.mem[16] != 0 || h.text(20) != result || binary.LittleEndian.Uint32(h.mem[20:]) == 0 {
			t.Errorf("%q: got %x", result, h.mem[16:32])
		}
	}
}

func TestLowerSelfID(t *testing.T) {
	h := newHeap()
	if err := abi.LowerSelfID(h, 16, core.MustComponentID("a/b")); err != nil || h.text(16) != "a/b" {
		t.Errorf("got %q, %v", h.text(16), err)
	}
}

var full = &core.MessagingError{Case: core.CaseQueueFull, Text: "a/b"}

// lowerings are all functions that allocate. At least one needs an alignment of 4.
var lowerings = map[string]func(*heap) error{
	"string":           func(h *heap) error { _, _, err := abi.LowerString(h, "s"); return err },
	"pairs":            func(h *heap) error { _, err := abi.LowerPairs(h, []core.ConfigPair{{Key: "k"}}); return err },
	"result":           func(h *heap) error { return abi.LowerResult(h, 16, full, abi.SendMessage) },
	"id":               func(h *heap) error { return abi.LowerID(h, 16, 0, full, abi.After) },
	"call":             func(h *heap) error { return abi.LowerCall(h, 16, []byte("r"), nil) },
	"call that failed": func(h *heap) error { return abi.LowerCall(h, 16, nil, core.ErrClosed) },
	"self-id":          func(h *heap) error { return abi.LowerSelfID(h, 16, core.MustComponentID("a/b")) },
}

func TestLowerChecksAllocations(t *testing.T) {
	for what, lower := range lowerings {
		for how, give := range map[string]func(align, size uint32) uint32{
			"0":            func(_, _ uint32) uint32 { return 0 },
			"out of range": func(_, _ uint32) uint32 { return 1 << 20 },
			"overflowing":  func(_, size uint32) uint32 { return -size + 1 },
		} {
			h := newHeap()
			h.give = give
			if err := lower(h); !errors.As(err, new(*abi.Violation)) {
				t.Errorf("%s where cabi_realloc gives %s: got %v, want a violation", what, how, err)
			}
		}
		trap := errors.New("the guest trapped")
		if err := lower(&heap{mem: make([]byte, 64), fail: trap}); err != trap {
			t.Errorf("%s where cabi_realloc fails: got %v, want its error", what, err)
		}
	}
	h := newHeap()
	h.give = func(align, _ uint32) uint32 { return 101 * min(align, 2) / 2 }
	if _, err := abi.LowerPairs(h, []core.ConfigPair{{}}); !errors.As(err, new(*abi.Violation)) {
		t.Errorf("pairs where cabi_realloc gives unaligned memory: got %v, want a violation", err)
	}
}

func TestLowerChecksAreas(t *testing.T) {
	for what, err := range map[string]error{
		"result outside":    abi.LowerResult(newHeap(), 250, nil, abi.SendMessage),
		"result unaligned":  abi.CheckResultArea(newHeap().mem, 18, abi.CancelRequest),
		"id outside":        abi.LowerID(newHeap(), 240, 1, nil, abi.After),
		"id unaligned":      abi.CheckIDArea(newHeap().mem, 20, abi.SendRequest),
		"call outside":      abi.LowerCall(newHeap(), 244, nil, nil),
		"call unaligned":    abi.LowerCall(newHeap(), 18, nil, core.ErrCallDenied),
		"self-id outside":   abi.LowerSelfID(newHeap(), 0xfffffffc, core.HostID),
		"self-id unaligned": abi.LowerSelfID(newHeap(), 17, core.HostID),
	} {
		if !errors.As(err, new(*abi.Violation)) {
			t.Errorf("%s: got %v, want a violation", what, err)
		}
	}
}

func FuzzLowerPairs(f *testing.F) {
	f.Add("key", "value", uint32(100), uint32(8))
	f.Add("", "", uint32(0), uint32(0))
	f.Add("k", "\xff", uint32(0xfffffff0), uint32(3))
	f.Fuzz(func(t *testing.T, key, value string, first, step uint32) {
		h := newHeap()
		h.give = func(_, _ uint32) uint32 { first += step; return first }
		pairs := []core.ConfigPair{{Key: key, Value: value}, {Key: value, Value: key}}
		if _, err := abi.LowerPairs(h, pairs); err != nil && !errors.As(err, new(*abi.Violation)) {
			t.Errorf("got %v", err)
		}
	})
}
