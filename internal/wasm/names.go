package wasm

import (
	"cmp"
	"slices"
)

// Subsections of the name section.
const (
	namesModule = iota
	namesFunctions
	namesLocals
	namesLabels
)

// StableNames returns the contents of a name section without the names of labels and
// locals. Added blocks change the numbers of labels, and no engine uses the names of
// locals.
//
// It returns false for a malformed section, and for one in which the module or a
// function has a name of more than 1 KiB. The format says that engines ignore a
// malformed section, but some allocate as much memory as it claims; and the stack of a
// trap repeats a function's name for each of its calls.
func (c *Custom) StableNames() ([]byte, bool) {
	out := make([]byte, 0, len(c.Data))
	valid := true
	complete := eachSubsection(c.Data, func(id byte, whole, body []byte) {
		valid = valid && validNames(id, body)
		if id != namesLabels && id != namesLocals {
			out = append(out, whole...)
		}
	})
	return out, complete && valid
}

// FuncName returns the name of function f in the name section, or "". The guest chooses
// the name: it may be any bytes.
func (m *Module) FuncName(f uint32) (name string) {
	for i := range m.Customs {
		if m.Customs[i].Name != "name" {
			continue
		}
		eachSubsection(m.Customs[i].Data, func(id byte, _, body []byte) {
			if id == namesFunctions && name == "" {
				name = findName(body, f)
			}
		})
	}
	return name
}

func findName(body []byte, f uint32) string {
	r := &reader{data: body, end: len(body)}
	for n := r.count(2, "names"); n > 0 && r.err == nil; n-- {
		index := r.u32("an index")
		name := r.take(uint64(r.u32("length of a name")), "a name")
		if index == f && r.err == nil {
			return string(name)
		}
	}
	return ""
}

// FuncName is a function's name in the name section.
type FuncName struct {
	Index uint32
	Name  string
}

// FuncNames returns the names of functions in the name section, up to a malformed one. The
// guest chooses them, and the indices: they may be any.
func (m *Module) FuncNames() (names []FuncName) {
	for i := range m.Customs {
		if m.Customs[i].Name != "name" {
			continue
		}
		eachSubsection(m.Customs[i].Data, func(id byte, _, body []byte) {
			if id != namesFunctions {
				return
			}
			r := &reader{data: body, end: len(body)}
			for n := r.count(2, "names"); n > 0 && r.err == nil; n-- {
				index := r.u32("an index")
				if name := r.name("a function's name"); r.err == nil {
					names = append(names, FuncName{index, name})
				}
			}
		})
	}
	return names
}

// AddFuncNames appends a name section. Of several names for a function it keeps the
// first: engines refuse them.
func (m *Module) AddFuncNames(names []FuncName) {
	names = slices.Clone(names)
	slices.SortStableFunc(names, func(a, b FuncName) int { return cmp.Compare(a.Index, b.Index) })
	names = slices.CompactFunc(names, func(a, b FuncName) bool { return a.Index == b.Index })
	data := framed(nil, namesFunctions, func(out []byte) []byte {
		out = appendU32(out, uint32(len(names)))
		for _, n := range names {
			out = appendName(appendU32(out, n.Index), n.Name)
		}
		return out
	})
	m.Customs = append(slices.Clip(m.Customs), Custom{Name: "name", Data: data, After: secData})
}

// eachSubsection calls f for each subsection, with and without its head. It reports
// whether the data ends at the end of a subsection.
func eachSubsection(data []byte, f func(id byte, whole, body []byte)) bool {
	r := &reader{data: data, end: len(data)}
	for r.err == nil && r.pos < len(data) {
		start := r.pos
		id := r.byte("subsection id")
		body := r.take(uint64(r.u32("subsection size")), "a subsection")
		if r.err == nil {
			f(id, data[start:r.pos], body)
		}
	}
	return r.err == nil
}

// validNames reports whether a subsection is well formed. It does not check subsections
// that engines do not read.
func validNames(id byte, body []byte) bool {
	r := &reader{data: body, end: len(body)}
	switch id {
	case namesModule:
		r.shortName("the module's name")
	case namesFunctions:
		r.functionNames()
	case namesLocals:
		r.localNames()
	default:
		return true
	}
	return r.err == nil && r.pos == len(body)
}

func (r *reader) functionNames() {
	r.each("names", func() {
		r.funcIndex()
		r.shortName("a function's name")
	})
}

// maxName is the length of the longest name that StableNames accepts, in bytes.
const maxName = 1 << 10

func (r *reader) shortName(what string) {
	if name := r.name(what); len(name) > maxName {
		r.fail(r.pos, "expected %s of at most %d bytes, got %d", what, maxName, len(name))
	}
}

func (r *reader) localNames() {
	r.each("functions with names", func() {
		r.funcIndex()
		r.each("names", func() {
			r.u32("an index")
			r.name("a name")
		})
	})
}

// shiftNames shifts the function indices in the contents of a valid name section.
func shiftNames(data []byte, first uint32) []byte {
	out := make([]byte, 0, len(data)+len(data)/64)
	eachSubsection(data, func(id byte, whole, body []byte) {
		read := map[byte]func(*reader){
			namesFunctions: (*reader).functionNames,
			namesLocals:    (*reader).localNames,
			namesLabels:    (*reader).localNames, // labels have the same form
		}[id]
		if read == nil {
			out = append(out, whole...)
			return
		}
		out = framed(out, id, func(out []byte) []byte {
			return append(out, shiftRead(body, first, read)...)
		})
	})
	return out
}
