package corpus

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"
)

// script is a script of the specification's test suite, in the format of wast2json.
type script struct {
	Commands []command
	dir      string // directory of its modules
	host     bool   // missing imports come from the host
}

// command is one command of a script. Type tells which of the other fields are set.
type command struct {
	Type       string
	Line       int
	Name       string
	Filename   string
	ModuleType string `json:"module_type"` // "text" if there is no binary
	As         string
	Action     action
	Expected   []constant
	Text       string // the message of the expected trap
}

// action calls an exported function or reads an exported global.
type action struct {
	Type, Module, Field string
	Args                []constant
}

// constant is a value, or a pattern of values in expected results.
type constant struct {
	Type  string
	Lane  string `json:"lane_type"`
	Value any    // a text, a list of texts for a vector, or nil for any reference
}

func readScript(t testing.TB, path, dir string) *script {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s := &script{dir: dir}
	if err := json.Unmarshal(text, s); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return s
}

// lane is one part of a vector, or a whole scalar.
type lane struct {
	text string
	bits int
	// float tells whether text may be a pattern of NaNs.
	float bool
}

// lanes returns the parts of a value, the lowest first.
func (c constant) lanes() []lane {
	width := map[string]int{"i8": 8, "i16": 16, "i32": 32, "f32": 32}
	of := func(typ, text string) lane {
		bits := width[typ]
		if bits == 0 {
			bits = 64
		}
		return lane{text, bits, strings.HasPrefix(typ, "f") && typ != "funcref"}
	}
	if list, ok := c.Value.([]any); ok {
		var all []lane
		for _, text := range list {
			all = append(all, of(c.Lane, text.(string)))
		}
		return all
	}
	text, _ := c.Value.(string)
	return []lane{of(c.Type, text)}
}

// slots returns the value in the engines' form: 64 bits, or 128 for a vector. A
// reference to host data is its number plus one; 0 is null.
func (c constant) slots() []uint64 {
	var slots []uint64
	filled := 64
	for _, l := range c.lanes() {
		if filled == 64 {
			slots, filled = append(slots, 0), 0
		}
		slots[len(slots)-1] |= c.number(l) << filled
		filled += l.bits
	}
	return slots
}

func (c constant) number(l lane) uint64 {
	if l.text == "null" || l.text == "" {
		return 0
	}
	n, err := strconv.ParseUint(l.text, 10, 64)
	if err != nil {
		signed, wrong := strconv.ParseInt(l.text, 10, 64)
		if wrong != nil {
			panic(fmt.Sprintf("a constant %q", l.text))
		}
		n = uint64(signed) & (math.MaxUint64 >> (64 - l.bits))
	}
	if c.Type == "externref" {
		n++
	}
	return n
}

// fits takes the slots of one value and reports whether the pattern allows it. It
// returns the remaining slots.
func (c constant) fits(slots []uint64) (rest []uint64, ok bool) {
	ok = true
	filled := 0
	for _, l := range c.lanes() {
		if filled == 64 {
			slots, filled = slots[1:], 0
		}
		if len(slots) == 0 {
			return nil, false
		}
		ok = ok && c.laneFits(l, slots[0]>>filled&(math.MaxUint64>>(64-l.bits)))
		filled += l.bits
	}
	return slots[1:], ok
}

func (c constant) laneFits(l lane, got uint64) bool {
	switch {
	case c.Value == nil: // any reference fits
		return true
	case c.Type == "funcref" && l.text != "null":
		return got != 0
	case l.float && strings.HasPrefix(l.text, "nan:"):
		quiet, sign := uint64(0x7fc00000), uint64(1)<<(l.bits-1)
		if l.bits == 64 {
			quiet = 0x7ff8000000000000
		}
		if l.text == "nan:canonical" {
			return got&^sign == quiet
		}
		return got&quiet == quiet
	}
	return got == c.number(l)
}

// returned reports whether a command's results are the expected ones.
func (c command) returned(got []uint64) bool {
	for _, want := range c.Expected {
		rest, ok := want.fits(got)
		if !ok {
			return false
		}
		got = rest
	}
	return len(got) == 0
}

// args returns the arguments of the command's call.
func (c command) args() []uint64 {
	var all []uint64
	for _, arg := range c.Action.Args {
		all = append(all, arg.slots()...)
	}
	return all
}

// trap returns the kind of trap for the script's message.
func (c command) trap() string {
	switch c.Text {
	case "call stack exhausted":
		return trapStack
	case "undefined element", "undefined", "out of bounds table access":
		return trapTable
	case "indirect call":
		return trapSignature
	case "out of bounds memory access", "indirect call type mismatch", "integer overflow",
		"invalid conversion to integer", "integer divide by zero", "unreachable":
		return c.Text
	}
	if strings.HasPrefix(c.Text, "uninitialized") {
		return trapTable
	}
	return "?" + c.Text
}
