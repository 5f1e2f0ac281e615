package abi_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/abi"
)

// memory returns 64 bytes with 32-bit words at the given addresses, and a text at
// 48.
func memory(words map[int]uint32) []byte {
	mem := make([]byte, 64)
	copy(mem[48:], "a text")
	for at, word := range words {
		binary.LittleEndian.PutUint32(mem[at:], word)
	}
	return mem
}

func TestLiftResponse(t *testing.T) {
	mem := memory(map[int]uint32{16: 0, 20: 48, 24: 6})
	response, failure, err := abi.LiftResponse(mem, 16)
	if string(response) != "a text" || failure != nil || err != nil {
		t.Errorf("got %q, %v, %v", response, failure, err)
	}
	if len(response) != cap(response) {
		t.Error("the response can be appended to, over what follows in the guest's memory")
	}
}

func TestLiftState(t *testing.T) {
	mem := memory(map[int]uint32{16: 0, 20: 48, 24: 6, 32: 0, 36: 60, 40: 5})
	if state, failure, err := abi.LiftState(mem, 16); string(state) != "a text" || failure != nil || err != nil {
		t.Errorf("got %q, %v, %v", state, failure, err)
	}
	for area, want := range map[uint32]string{32: "the state of 5 bytes", 18: "the result area of " + abi.Save} {
		if _, _, err := abi.LiftState(mem, area); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("area %d: got %v, want an error with %q", area, err, want)
		}
	}
}

func TestLiftErrors(t *testing.T) {
	for c := core.CaseInvalidMessage; c.Valid(); c++ {
		mem := memory(map[int]uint32{16: 1, 20: uint32(c), 24: 48, 28: 6})
		want := core.ComponentError{Case: c, Text: "a text"}
		if _, failure, err := abi.LiftResponse(mem, 16); err != nil || *failure != want {
			t.Errorf("response: got %v, %v", failure, err)
		}
		if failure, err := abi.LiftOutcome(mem, 16, abi.Initialize); err != nil || *failure != want {
			t.Errorf("outcome: got %v, %v", failure, err)
		}
	}
}

// The bytes after a discriminant are padding. Guests need not clear them.
func TestLiftIgnoresPadding(t *testing.T) {
	mem := memory(map[int]uint32{16: 0xffffff01, 20: 0xffffff02, 24: 48, 28: 6})
	if _, failure, err := abi.LiftResponse(mem, 16); err != nil || failure.Case != core.CaseFailed {
		t.Errorf("got %v, %v", failure, err)
	}
}

func TestLiftClipsErrorTexts(t *testing.T) {
	mem := append(memory(map[int]uint32{16: 1, 20: 2, 24: 64, 28: 30_000}), strings.Repeat("☃", 10_000)...)
	_, failure, err := abi.LiftResponse(mem, 16)
	if err != nil || len(failure.Text) > abi.MaxErrorText || !utf8.ValidString(failure.Text) {
		t.Errorf("got %d bytes, %v\nwant at most %d of whole characters", len(failure.Text), err, abi.MaxErrorText)
	}
}

func TestLiftNamesViolations(t *testing.T) {
	cases := map[string]struct {
		words map[int]uint32
		area  uint32
		want  string
	}{
		"area out of range": {nil, 64, "result area"},
		"area ends outside": {nil, 52, "result area"},
		"area overflows":    {nil, 0xfffffff8, "result area"},
		"area unaligned":    {nil, 18, "aligned to 4"},
		"discriminant":      {map[int]uint32{16: 2}, 16, "discriminant 2"},
		"case":              {map[int]uint32{16: 1, 20: 3}, 16, "case 3"},
		"response outside":  {map[int]uint32{16: 0, 20: 60, 24: 5}, 16, "the response of 5 bytes"},
		"response overflow": {map[int]uint32{16: 0, 20: 0xffffffff, 24: 0xffffffff}, 16, "the response"},
		"text outside":      {map[int]uint32{16: 1, 24: 64, 28: 1}, 16, "the error text"},
		"text no UTF-8":     {map[int]uint32{16: 1, 24: 48, 28: 4, 48: 0xffffffff}, 16, "not UTF-8"},
	}
	for what, c := range cases {
		_, _, err := abi.LiftResponse(memory(c.words), c.area)
		if v := new(abi.Violation); !errors.As(err, &v) || !strings.Contains(v.Text, c.want) {
			t.Errorf("%s: got %v\nwant a violation that says %q", what, err, c.want)
		}
	}
}

func TestLiftSend(t *testing.T) {
	mem := memory(nil)
	target, message, err := abi.LiftSend(mem, 48, 1, 50, 4, abi.SendMessage)
	if string(target) != "a" || string(message) != "text" || err != nil {
		t.Errorf("got %q, %q, %v", target, message, err)
	}
	mem[48] = 0xff
	for what, args := range map[string][4]uint32{
		"target outside":  {64, 1, 0, 0},
		"target no UTF-8": {48, 1, 0, 0},
		"message outside": {0, 0, 0xffffffff, 2},
	} {
		_, _, err := abi.LiftSend(mem, args[0], args[1], args[2], args[3], abi.SendMessage)
		if !errors.As(err, new(*abi.Violation)) {
			t.Errorf("%s: got %v, want a violation", what, err)
		}
	}
}

func TestLiftCall(t *testing.T) {
	mem := memory(nil)
	name, argument, err := abi.LiftCall(mem, 48, 1, 50, 4)
	if string(name) != "a" || string(argument) != "text" || err != nil {
		t.Errorf("got %q, %q, %v", name, argument, err)
	}
	mem[48] = 0xff
	for what, args := range map[string][4]uint32{
		"name outside":     {64, 1, 0, 0},
		"name no UTF-8":    {48, 1, 0, 0},
		"argument outside": {0, 0, 0xffffffff, 2},
	} {
		if _, _, err := abi.LiftCall(mem, args[0], args[1], args[2], args[3]); !errors.As(err, new(*abi.Violation)) {
			t.Errorf("%s: got %v, want a violation", what, err)
		}
	}
	long := bytes.Repeat([]byte("☃"), abi.MaxErrorText)
	if name, _, err := abi.LiftCall(long, 0, uint32(len(long)), 0, 0); err != nil || len(name) > abi.MaxErrorText || len(name) < abi.MaxErrorText-3 {
		t.Errorf("a long name: got %d bytes, %v", len(name), err)
	}
}

func TestLiftPublish(t *testing.T) {
	mem := memory(nil)
	topic, message, err := abi.LiftPublish(mem, 48, 1, 50, 4)
	if string(topic) != "a" || string(message) != "text" || err != nil {
		t.Errorf("got %q, %q, %v", topic, message, err)
	}
	mem[48] = 0xff
	for want, args := range map[string][4]uint32{
		"the topic of pubsub/publish of 1 bytes":   {64, 1, 0, 0},
		"the topic of pubsub/publish is not UTF-8": {48, 1, 0, 0},
		"the message of pubsub/publish of 2 bytes": {0, 0, 0xffffffff, 2},
	} {
		if _, _, err := abi.LiftPublish(mem, args[0], args[1], args[2], args[3]); !errors.As(err, new(*abi.Violation)) || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want a violation: %s", err, want)
		}
	}
	if topic, _, err := abi.LiftPublish(make([]byte, 1<<20), 0, 1<<20, 0, 0); err != nil || len(topic) != abi.MaxErrorText {
		t.Errorf("a long topic: got %d bytes, %v", len(topic), err)
	}
}

func TestLiftEnums(t *testing.T) {
	if _, err := abi.LiftHealth(2); err != nil {
		t.Error(err)
	}
	if _, err := abi.LiftHealth(3); err == nil {
		t.Error("health 3 is accepted")
	}
	if _, err := abi.LiftLogLevel(4); err != nil {
		t.Error(err)
	}
	if _, err := abi.LiftLogLevel(256); err == nil { // the level is not cut to 8 bits
		t.Error("level 256 is accepted")
	}
}

// inside checks that a view lies in mem.
func inside(t *testing.T, mem, view []byte) {
	t.Helper()
	if len(view) > len(mem) || len(view) > 0 && !bytes.Contains(mem, view) {
		t.Errorf("a view of %d bytes is outside of %d", len(view), len(mem))
	}
}

func FuzzLift(f *testing.F) {
	f.Add(memory(map[int]uint32{16: 0, 20: 48, 24: 6}), uint32(16), uint32(48), uint32(6))
	f.Add(memory(map[int]uint32{16: 1, 20: 2, 24: 48, 28: 6}), uint32(16), uint32(1), uint32(0xffffffff))
	f.Add(memory(map[int]uint32{16: 7}), uint32(16), uint32(0xffffffff), uint32(0xffffffff))
	f.Add([]byte{}, uint32(0), uint32(0), uint32(0))
	f.Add([]byte{0}, uint32(0xfffffff0), uint32(1), uint32(0))
	f.Fuzz(func(t *testing.T, mem []byte, area, ptr, size uint32) {
		response, failure, err := abi.LiftResponse(mem, area)
		inside(t, mem, response)
		if err != nil && (response != nil || failure != nil) {
			t.Error("a violation comes with a result")
		}
		if failure != nil && (!failure.Case.Valid() || !utf8.ValidString(failure.Text)) {
			t.Errorf("got %#v", failure)
		}
		target, message, _ := abi.LiftSend(mem, ptr, size, size, ptr, abi.SendRequest)
		inside(t, mem, target)
		inside(t, mem, message)
		if !utf8.Valid(target) {
			t.Errorf("got the target %q", target)
		}
		name, argument, _ := abi.LiftCall(mem, ptr, size, size, ptr)
		inside(t, mem, name)
		inside(t, mem, argument)
		topic, published, _ := abi.LiftPublish(mem, ptr, size, size, ptr)
		inside(t, mem, topic)
		inside(t, mem, published)
		_, _ = abi.LiftOutcome(mem, ptr, abi.Initialize)
		_ = abi.CheckResultArea(mem, area, abi.SendMessage)
		_ = abi.CheckIDArea(mem, area, abi.SendRequest)
	})
}
