//go:build !race

package component_test

import (
	"encoding/binary"
	"runtime"
	"strings"
	"testing"

	"github.com/airhost/airhost/internal/component"
)

// TestMemory: decoding takes at most 64 times the memory of the input, and so does all
// that follows up to a factor, whatever the input has most of. The race detector takes memory
// of its own.
func TestMemory(t *testing.T) {
	const n = 50_000
	nested := header
	for range 50 {
		nested = header + section(4, nested)
	}
	for what, data := range map[string]string{
		"types":             header + many(7, n, "\x7f"),
		"sections of types": header + strings.Repeat(section(7, "\x01\x7f"), n),
		"built-ins":         header + many(8, n, "\x05"),
		"options":           header + many(8, 10, "\x01\x00\x00"+string(binary.AppendUvarint(nil, n))+strings.Repeat("\x06", n)),
		"core instances":    header + many(2, n, "\x01\x00"),
		"instances":         header + many(5, n, "\x01\x00"),
		"types of handles":  header + section(7, "\x01\x3f\x7f\x00") + many(7, n, "\x69\x00"),
		"tuples":            header + section(7, "\x01\x6f"+string(binary.AppendUvarint(nil, n))+strings.Repeat("\x7f", n)),
		"labels":            header + section(7, "\x01\x6d"+string(binary.AppendUvarint(nil, n))+strings.Repeat("\x00", n)),
		"instance types":    header + many(7, n, "\x42\x00"),
		"declarations":      header + section(7, "\x01\x41"+string(binary.AppendUvarint(nil, n))+strings.Repeat("\x01\x7f", n)),
		"aliases":           header + section(7, "\x01\x73") + many(6, n, "\x03\x02\x00\x00"),
		"customs":           header + strings.Repeat(section(0, "\x00"), n),
		"components":        header + strings.Repeat(section(4, header), n/8),
		"modules":           header + strings.Repeat(section(1, "\x00asm\x01\x00\x00\x00"), n/8),
		"nested":            header + strings.Repeat(section(4, nested), 20),
		"instantiations":    header + section(4, header+many(7, n/2, "\x7f")) + many(5, n, "\x00\x00\x00"),
		"core types":        header + many(3, n, "\x60\x00\x00"),
		"a count alone":     header + section(7, "\xff\xff\xff\xff\x0f"),
	} {
		in := []byte(data)
		if got := grown(func() { _, _ = component.Decode(in) }); got > 64*len(in)+1<<20 {
			t.Errorf("%s: decoding %d bytes allocates %d, %d times as much", what, len(in), got, got/len(in))
		}
		if got := grown(func() { open(t, in) }); got > 200*len(in)+4<<20 {
			t.Errorf("%s: opening %d bytes allocates %d, %d times as much", what, len(in), got, got/len(in))
		}
	}
}

// grown returns the bytes that a function allocates, those that it gives back included.
func grown(f func()) int {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return int(after.TotalAlloc - before.TotalAlloc)
}
