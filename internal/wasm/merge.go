package wasm

import (
	"math"
	"slices"
)

// mergeGap is the largest gap between two data segments that are merged, in bytes. The
// gap is filled with zeros, which take less memory than an engine takes for a segment
// in each instance.
const mergeGap = 64

// MergeData merges data segments that follow each other in memory. Go's linker begins a
// new segment after every few zeros. It makes tens of thousands of segments, which
// wazero keeps for each instance. The initial memory of an instance stays the same. If
// the module's code may name segments, nothing changes.
func (m *Module) MergeData() {
	if m.DataCount != nil {
		return
	}
	r := &reader{data: m.Data.Raw, end: len(m.Data.Raw)}
	out := merger{}
	for range m.Data.Count {
		start := r.pos
		offset, content, ok := r.plainData()
		if !ok {
			r.pos = start
			r.dataSegment()
			out.keep(m.Data.Raw[start:r.pos])
			continue
		}
		out.add(offset, content)
	}
	out.flush()
	m.Data = Segments{out.count, out.raw}
}

// plainData reads a data segment whose offset is a constant.
func (r *reader) plainData() (offset uint64, content []byte, ok bool) {
	if r.u32("flags of a data segment") != 0 || r.byte("an offset") != opI32Const {
		return 0, nil, false
	}
	offset = uint64(uint32(r.sleb(32, "an offset")))
	if r.byte("an end") != opEnd {
		return 0, nil, false
	}
	content = r.take(uint64(r.u32("size of a data segment")), "a data segment")
	return offset, content, true
}

// merger makes segments.
type merger struct {
	count uint32
	raw   []byte

	open    bool
	from    uint64 // the offset of the open segment in memory
	content []byte
	written []area // to which earlier segments may have written
}

// area is a range of memory.
type area struct{ from, end uint64 }

// maxAreas bounds the areas that are compared with each gap. Programs have a few.
const maxAreas = 64

func (g *merger) end() uint64 { return g.from + uint64(len(g.content)) }

func (g *merger) add(offset uint64, content []byte) {
	end := g.end()
	follows := offset == end || offset > end && offset-end <= mergeGap && g.free(area{end, offset})
	if !g.open || !follows {
		g.flush()
		g.open, g.from, g.content = true, offset, nil
	} else {
		g.content = append(g.content, make([]byte, offset-end)...)
	}
	g.content = append(g.content, content...)
}

// free reports whether no earlier segment has written to a gap, so that zeros may be
// written there.
func (g *merger) free(gap area) bool {
	return !slices.ContainsFunc(g.written, func(s area) bool { return s.from < gap.end && gap.from < s.end })
}

func (g *merger) wrote(s area) {
	if g.written = append(g.written, s); len(g.written) > maxAreas {
		g.written = []area{{0, math.MaxUint64}}
	}
}

// keep adds a segment unchanged. It may write to any address.
func (g *merger) keep(raw []byte) {
	g.flush()
	g.count, g.raw = g.count+1, append(g.raw, raw...)
	g.wrote(area{0, math.MaxUint64})
}

func (g *merger) flush() {
	if !g.open {
		return
	}
	g.wrote(area{g.from, g.end()})
	g.count++
	g.raw = appendU32(append(AppendSigned(append(g.raw, 0, 0x41), int64(int32(g.from))), opEnd), uint32(len(g.content)))
	g.raw = append(g.raw, g.content...)
	g.open = false
}
