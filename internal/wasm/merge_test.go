package wasm

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// written is the memory after the segments of a random module.
func written(t *testing.T, data Segments) []byte {
	memory := make([]byte, 1<<14)
	r := &reader{data: data.Raw, end: len(data.Raw)}
	for range data.Count {
		offset, content, ok := r.plainData()
		if !ok || r.err != nil {
			t.Fatal("got a segment that is not plain:", r.err)
		}
		copy(memory[offset:], content)
	}
	if r.left() != 0 {
		t.Fatal("got bytes after the last segment")
	}
	return memory
}

func TestMergedDataIsTheSame(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var before, after uint32
	for range 2000 {
		var m Module
		at := int64(random.IntN(500))
		for range random.IntN(2 * maxAreas) {
			content := bytes.Repeat([]byte{byte(1 + random.IntN(255))}, random.IntN(30))
			m.Data.Raw = appendU32(append(AppendSigned(append(m.Data.Raw, 0, 0x41), at), opEnd), uint32(len(content)))
			m.Data.Raw = append(m.Data.Raw, content...)
			m.Data.Count++
			if at += int64(len(content) + random.IntN(2*mergeGap)); random.IntN(32) == 0 {
				at = int64(random.IntN(500))
			}
		}
		merged := m
		merged.MergeData()
		if !bytes.Equal(written(t, merged.Data), written(t, m.Data)) {
			t.Fatalf("merged segments write something else: %x, want as %x", merged.Data.Raw, m.Data.Raw)
		}
		before, after = before+m.Data.Count, after+merged.Data.Count
	}
	if after > before*3/4 {
		t.Errorf("got %d segments of %d, want fewer", after, before)
	}
}

func TestDataIsLeftAsItIs(t *testing.T) {
	named := uint32(2)
	for name, m := range map[string]Module{
		"code may name segments":              {DataCount: &named, Data: Segments{2, []byte{0, 0x41, 0, 0x0b, 1, 'a', 0, 0x41, 1, 0x0b, 1, 'b'}}},
		"passive, of a global, with an index": {Data: Segments{3, []byte{1, 1, 'a', 0, 0x23, 0, 0x0b, 1, 'b', 2, 0, 0x41, 9, 0x0b, 1, 'c'}}},
		// Zeros must not overwrite the bytes of an earlier segment.
		"after an unknown place": {Data: Segments{3, []byte{0, 0x23, 0, 0x0b, 1, 'a', 0, 0x41, 0, 0x0b, 1, 'b', 0, 0x41, 2, 0x0b, 1, 'c'}}},
	} {
		want := m.Data
		m.MergeData()
		if m.Data.Count != want.Count || !bytes.Equal(m.Data.Raw, want.Raw) {
			t.Errorf("%s: got %d segments, %x, want %d, %x", name, m.Data.Count, m.Data.Raw, want.Count, want.Raw)
		}
	}
}
