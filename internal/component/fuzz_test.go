package component_test

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/airhost/airhost/core/enginetest"
	"github.com/airhost/airhost/internal/component"
	"github.com/airhost/airhost/internal/component/componenttest"
	"github.com/airhost/airhost/internal/wasm"
)

const header = "\x00asm\x0d\x00\x01\x00"

// section encodes a section.
func section(id byte, body string) string {
	return string(append(binary.AppendUvarint([]byte{id}, uint64(len(body))), body...))
}

// many encodes a section of n equal definitions.
func many(id byte, n int, def string) string {
	return section(id, string(binary.AppendUvarint(nil, uint64(n)))+strings.Repeat(def, n))
}

var seeds = []string{
	header,
	header + section(0, "\x02hi"),
	header + section(1, "\x00asm\x01\x00\x00\x00") + section(2, "\x01\x00\x00\x00"),
	header + section(4, header+section(7, "\x01\x73")) + section(5, "\x01\x00\x00\x00"),
	header + section(7, "\x03\x40\x00\x01\x00\x42\x01\x04\x00\x01f\x01\x00\x73") + section(10, "\x01\x00\x01f\x01\x00") + section(8, "\x01\x01\x00\x00\x01\x01"),
	header + section(7, "\x04\x3f\x7f\x00\x69\x00\x68\x00\x6a\x01\x01\x01\x73") + section(11, "\x01\x00\x01r\x03\x00\x00") + section(8, "\x02\x03\x00\x05"),
	header + section(7, "\x01\x41\x03\x01\x73\x03\x00\x01a\x03\x00\x00\x02\x03\x02\x01\x00"),
	header + section(3, "\x01\x50\x02\x01\x60\x00\x00\x03\x01e\x00\x00") + section(6, "\x01\x00\x10\x02\x00\x00"),
}

// open reads a component in all ways, and checks that a module which it gives is one.
func open(t *testing.T, data []byte) {
	t.Helper()
	b, err := component.Open(data)
	if err != nil {
		return
	}
	b.Info()
	b.Types.CheckContract()
	m, err := b.Core()
	if err != nil {
		return
	}
	if _, err := wasm.Parse(m.Encode()); err != nil {
		t.Errorf("the core module is no module: %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Add(componenttest.Wrap(enginetest.ResponderWasm().Code))
	f.Fuzz(func(t *testing.T, data []byte) { open(t, data) })
}

// TestFlips: components that are cut short or have a changed byte give an error or a valid
// module.
func TestFlips(t *testing.T) {
	for _, s := range append(seeds, string(componenttest.Wrap(enginetest.ResponderWasm().Code))) {
		open(t, []byte(s))
		for at := 0; at < len(s); at += 1 + len(s)/500 {
			open(t, []byte(s[:at]))
			for _, flip := range []byte{1, 2, 0x40, 0x80, 0xff} {
				changed := []byte(s)
				changed[at] ^= flip
				open(t, changed)
			}
		}
	}
}

// TestDeepTypes: types that are small in the file and large when they are compared part by
// part are refused, and do not take hours.
func TestDeepTypes(t *testing.T) {
	var types string
	n := 0
	define := func(def string) string { // returns the index as a signed number
		types += def
		n++
		return string([]byte{byte(n-1) | 0x80, 0})
	}
	build := func() string {
		top := define("\x70\x7d")
		for range 24 {
			top = define("\x70" + define("\x6f\x02"+top+top))
		}
		return top
	}
	first, second := build(), build()
	data := header + section(7, string([]byte{byte(n)})+types) + section(11, "\x01\x00\x01t\x03"+first+"\x01\x03\x00"+second)
	_, err := component.Open([]byte(data))
	var limit *component.LimitError
	if !errors.As(err, &limit) || limit.Limit != "checks of types" {
		t.Errorf("types of 2^24 parts: %v, want a LimitError", err)
	}
}

// TestErrors: errors name the offset and the section.
func TestErrors(t *testing.T) {
	for data, want := range map[string]string{
		"":                              "malformed component: at 0x0: expected the header of a component",
		header + "\x0d\x00":             "malformed component: at 0x8: expected a section id below 13, got 13",
		header + section(8, "\x01\x07"): "malformed component: at 0xb, in the canon section: expected a canonical definition, got 0x7",
		header + section(4, header+section(7, "\x01\x3e")):         "malformed component: at 0x15, in the type section: expected a type, got 0x3e",
		header + section(7, "\x01\x70\x05"):                        "invalid component: at 0xb, in the type section: expected a type index below 0, got 5",
		header + section(9, "\x00\x00\x00"):                        "the component uses start functions of components, which are not supported",
		header + section(12, "\x01"):                               "the component uses values, which are not supported: build without the proposal of values",
		header + section(1, "\x00asm\x01\x00\x00\x00\x01\x01\x05"): "malformed component: at 0x14, in the core module section: in a core module: expected 5 types",
	} {
		_, err := component.Open([]byte(data))
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v, want %s", data, err, want)
		}
	}
	deep := []byte(header)
	for range 101 {
		deep = append(append([]byte(header), 4), append(binary.AppendUvarint(nil, uint64(len(deep))), deep...)...)
	}
	if _, err := component.Decode(deep); err == nil || !strings.Contains(err.Error(), "expected at most 100 components and types in each other") {
		t.Errorf("101 nested components: %v", err)
	}
	if component.Is([]byte(header)[:7]) || !component.Is([]byte(header)) || component.Is([]byte("\x00asm\x01\x00\x00\x00")) {
		t.Error("Is takes something for a component that is none, or the other way round")
	}
}
