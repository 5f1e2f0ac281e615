//go:build !race

package component_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/airhost/airhost/internal/component"
	"github.com/airhost/airhost/internal/wasm"
)

// leb encodes a number, named a name, and vector a vector of definitions.
func leb(n int) string { return string(binary.AppendUvarint(nil, uint64(n))) }

func named(name string) string { return leb(len(name)) + name }

func vector(defs []string) string { return leb(len(defs)) + strings.Join(defs, "") }

// each returns n definitions, of which each has its number.
func each(n int, def func(i int) string) []string {
	defs := make([]string, n)
	for i := range defs {
		defs[i] = def(i)
	}
	return defs
}

func numbered(i int) string { return named(fmt.Sprintf("a%d", i)) }

const (
	coreHeader = "\x00asm\x01\x00\x00\x00"
	noParams   = "\x40\x00\x01\x00" // the type of a function without parameters and result
)

// coreModule is a core module with a function f, and what an export section has besides.
func coreModule(exports ...string) string {
	exports = append(exports, "\x01f\x00\x00")
	return coreHeader + section(1, "\x01\x60\x00\x00") + section(3, "\x01\x00") + section(5, "\x01\x00\x01") +
		section(7, vector(exports)) + section(10, "\x01\x02\x00\x0b")
}

// liftedF makes an instance of a core module and lifts its function f, as function 0.
var liftedF = section(1, coreModule()) + section(2, "\x01\x00\x00\x00") + section(6, "\x01\x00\x00\x01\x00\x01f") +
	section(7, "\x01"+noParams) + section(8, "\x01\x00\x00\x00\x00\x00")

// chain is the types of instances of which each exports the last one in these ways.
func chain(n int, exports ...string) string {
	types := []string{"\x42\x00"}
	for i := range n {
		types = append(types, "\x42"+leb(1+len(exports))+"\x02\x03\x02\x01"+leb(i)+strings.Join(exports, ""))
	}
	return section(7, vector(types))
}

// bombs are small files that ask for much, with the limit at which they end, or "" if there
// is a result.
var bombs = map[string]struct{ data, limit string }{
	"types with two of the last type": {chain(60, "\x04\x00\x01a\x05\x00", "\x04\x00\x01b\x05\x00"), "checks of types"},
	"many definitions":                {strings.Repeat(many(8, 100_000, "\x05"), 11), "parts (definitions"},
	"many modules":                    {strings.Repeat(section(1, coreHeader), 10_001), "core modules and components in it"},
	"types in types":                  {chain(30_000, "\x04\x00\x01a\x05\x00"), "nested more than 100 deep"},
	"types in types, by name":         {chain(30_000, "\x04\x00\x01a\x03\x00\x00"), "nested more than 100 deep"},
	"instances in instances": {section(4, header) + strings.Join(each(9000, func(i int) string {
		return section(4, header+section(6, "\x01\x04\x02\x01"+leb(i))+section(5, "\x01\x00\x00\x00"))
	}), "") + section(5, "\x01\x00"+leb(9000)+"\x00"), "instances of components in each other"},
	"instances with many exports": {section(4, header+section(7, "\x01"+noParams)+
		section(11, vector(each(2000, func(i int) string { return "\x00" + numbered(i) + "\x03\x00\x00" })))) +
		many(5, 2000, "\x00\x00\x00"), "definitions in all its instances"},
	"a module with many exports, given often": {section(1, coreModule(each(10_000, func(i int) string { return numbered(i) + "\x00\x00" })...)) +
		section(4, header+section(3, "\x01\x50"+leb(10_001)+"\x01\x60\x00\x00"+
			strings.Join(each(10_000, func(i int) string { return "\x03" + numbered(i) + "\x00\x00" }), ""))+section(10, "\x01\x00\x01m\x00\x11\x00")) +
		many(5, 10_000, "\x00\x00\x01\x01m\x00\x11\x00"), "checks of types"},
	"a function of many texts, lowered often": {section(7, "\x01\x40"+vector(each(30_000, func(i int) string { return numbered(i) + "\x73" }))+"\x01\x00") +
		section(10, "\x01\x00\x01f\x01\x00") + section(1, coreModule("\x01m\x02\x00")) + section(2, "\x01\x00\x00\x00") +
		section(6, "\x01\x00\x02\x01\x00\x01m") + many(8, 30_000, "\x01\x00\x00\x02\x00\x03\x00"), ""},
	"an instance that is exported often": {liftedF + section(5, "\x01\x01"+vector(each(400, func(i int) string { return "\x00" + numbered(i) + "\x01\x00" }))) +
		section(11, vector(each(400, func(i int) string { return "\x00" + numbered(i) + "\x05\x00\x00" }))), "functions that it exports"},
	"an instance that is exported by long names": {liftedF + section(5, "\x01\x01"+vector(each(400, func(i int) string { return "\x00" + numbered(i) + "\x01\x00" }))) +
		section(11, vector(each(20, func(i int) string {
			return "\x00" + named(strings.Repeat("a", 9000)+fmt.Sprint(i)) + "\x05\x00\x00"
		}))), "bytes of names of functions that it exports"},
	"an interface that is imported often": {section(7, "\x01\x42"+leb(1001)+"\x01\x40"+vector(each(8, func(i int) string {
		return named(fmt.Sprintf("%s%d", strings.Repeat("a", 90), i)) + "\x73"
	}))+"\x01\x00"+strings.Join(each(1000, func(i int) string { return "\x04\x00" + numbered(i) + "\x01\x00" }), "")) +
		section(10, vector(each(1000, func(i int) string { return "\x00" + numbered(i) + "\x05\x00" }))), "0 core modules"},
	"post-returns without memory, of another module": {section(1, coreModule()) + section(2, "\x02\x00\x00\x00\x00\x00\x00") +
		section(6, "\x02\x00\x00\x01\x00\x01f\x00\x00\x01\x01\x01f") + section(7, "\x01"+noParams) +
		section(8, "\x02\x00\x00\x00\x01\x05\x01\x00\x00\x00\x01\x01\x05\x00\x00") +
		section(11, vector(each(30_000, func(i int) string { return "\x00" + numbered(i) + "\x01" + leb(i&1) + "\x00" }))), ""},
	"tables that many modules fill": {section(1, coreHeader+section(4, "\x01\x70\x00"+leb(100_000))+section(7, "\x01\x01t\x01\x00")) +
		section(1, coreHeader+section(1, "\x01\x60\x00\x00")+section(2, "\x02\x01t\x01t\x01\x70\x00"+leb(100_000)+"\x01f\x01f\x00\x00")+
			section(9, "\x01\x00\x41\x00\x0b"+leb(100_000)+strings.Repeat("\x00", 100_000))) +
		section(1, coreModule()) + section(2, "\x01\x00\x02\x00") + many(2, 400, "\x00\x00\x00") +
		section(2, vector(each(400, func(i int) string { return "\x00\x01\x02\x01f\x12\x00\x01t\x12" + leb(i+1) }))), "bytes of the modules of all core instances"},
}

// TestBombs: a small file that asks for much work or memory is refused, or has its result
// with little of both.
func TestBombs(t *testing.T) {
	for what, b := range bombs {
		data := []byte(header + b.data)
		var err error
		got := grown(func() { err = result(data) })
		switch {
		case b.limit == "" && err != nil:
			t.Errorf("%s: %v", what, err)
		case b.limit != "" && (err == nil || !strings.Contains(err.Error(), b.limit)):
			t.Errorf("%s: %v, want %s", what, err, b.limit)
		case got > 500*len(data)+24<<20:
			t.Errorf("%s: %d bytes take %d, %d times as much", what, len(data), got, got/len(data))
		}
	}
}

// result reads a component in all ways, and returns the first error.
func result(data []byte) error {
	b, err := component.Open(data)
	if err != nil {
		return err
	}
	b.Types.CheckContract()
	for _, item := range b.Info().Imports {
		_ = item.Functions[:min(len(item.Functions), 1)]
	}
	m, err := b.Core()
	if err != nil {
		return err
	}
	_, err = wasm.Parse(m.Encode())
	return err
}

// TestLongNames: an error has no more than the beginning of a name in the file.
func TestLongNames(t *testing.T) {
	long := named(strings.Repeat("a", 90_000))
	export := "\x00" + long + "\x03\x00\x00"
	data := header + section(7, "\x01"+noParams) + section(11, "\x02"+export+export)
	_, err := component.Open([]byte(data))
	var invalid *component.InvalidError
	if !errors.As(err, &invalid) || !strings.Contains(err.Error(), "conflicts with the name") || len(err.Error()) > 500 {
		t.Errorf("two exports of one long name: %.600v", err)
	}
}
