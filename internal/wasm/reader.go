package wasm

import (
	"fmt"
	"unicode/utf8"
)

// reader reads one section after the other. It keeps the first failure, which moves pos
// to end. All later reads fail without effect, so that callers check once.
type reader struct {
	data []byte
	pos  int // in data, and the offset in errors
	end  int // of the current section or body
	err  *FormatError

	limit      *LimitError       // the reason for err, if that is a bound
	feature    *UnsupportedError // the reason for err, if that is a feature
	features   FeatureSet        // of all that was read so far
	parameters int               // of all types so far, results included
	elements   int               // of all element segments so far
	names      int               // bytes of all names so far
	used       [KindTag + 1]use  // in constant expressions and element segments
	valueTypes use               // type indices in value types
	funcs      []site            // of function indices, if noteFuncs is true
	noteFuncs  bool
}

// use is the largest index of a kind so far, plus one, and its offset.
type use struct {
	count uint64
	at    int
}

func (u *use) note(index uint32, at int) {
	if uint64(index) >= u.count {
		*u = use{uint64(index) + 1, at}
	}
}

// site is an index and its place in the data.
type site struct {
	start, end int
	index      uint32
}

// funcIndex reads the index of a function that may come later.
func (r *reader) funcIndex() {
	start := r.pos
	i := r.u32("function index")
	r.used[KindFunc].note(i, start)
	if r.noteFuncs {
		r.funcs = append(r.funcs, site{start, r.pos, i})
	}
}

func (r *reader) globalIndex() {
	start := r.pos
	r.used[KindGlobal].note(r.u32("global index"), start)
}

func (r *reader) fail(offset int, format string, args ...any) {
	if r.err == nil {
		r.err = &FormatError{offset, fmt.Sprintf(format, args...)}
	}
	r.pos = r.end
}

func (r *reader) left() int { return r.end - r.pos }

func (r *reader) byte(what string) byte {
	if r.left() == 0 {
		r.fail(r.pos, "expected %s, got the end", what)
		return 0
	}
	r.pos++
	return r.data[r.pos-1]
}

// take returns the next n bytes without copying them.
func (r *reader) take(n uint64, what string) []byte {
	if n > uint64(r.left()) {
		r.fail(r.pos, "expected %d bytes of %s, got %d", n, what, r.left())
		return nil
	}
	b := r.data[r.pos : r.pos+int(n) : r.pos+int(n)]
	r.pos += int(n)
	return b
}

// uleb reads an unsigned LEB128 number of at most the given bits.
func (r *reader) uleb(bits int, what string) uint64 {
	start := r.pos
	var v uint64
	for shift := 0; shift < bits; shift += 7 {
		b := r.byte(what)
		v |= uint64(b&0x7f) << shift
		if b < 0x80 {
			if shift+7 > bits && b>>(bits-shift) != 0 {
				break
			}
			return v
		}
	}
	r.fail(start, "expected %s, got a number of more than %d bits", what, bits)
	return 0
}

func (r *reader) u32(what string) uint32 {
	if v, ok := r.short(); ok {
		return v
	}
	return uint32(r.uleb(32, what))
}

// short reads a number of one byte, if the next number is one: most are.
func (r *reader) short() (v uint32, ok bool) {
	if r.pos == r.end || r.data[r.pos] >= 0x80 {
		return 0, false
	}
	r.pos++
	return uint32(r.data[r.pos-1]), true
}

// sleb reads a signed LEB128 number of at most the given bits.
func (r *reader) sleb(bits int, what string) int64 {
	start := r.pos
	var v int64
	for shift := 0; shift < bits; shift += 7 {
		b := r.byte(what)
		v |= int64(b&0x7f) << shift
		if b < 0x80 {
			if shift+7 < 64 {
				v = v << (57 - shift) >> (57 - shift)
			}
			if shift+7 > bits && !signFits(b, bits-shift) {
				break
			}
			return v
		}
	}
	r.fail(start, "expected %s, got a number of more than %d bits", what, bits)
	return 0
}

// signFits reports whether the unused bits in the last byte of a signed number repeat
// its sign. used is the number of the other bits.
func signFits(b byte, used int) bool {
	rest := int8(b<<1) >> used
	return rest == 0 || rest == -1
}

// count reads the length of a vector. Each element takes at least size bytes. count
// refuses a length that the rest of the input is too short for, so that callers may
// allocate memory by the length.
func (r *reader) count(size int, what string) int {
	start := r.pos
	n := r.u32("number of " + what)
	if uint64(n)*uint64(size) > uint64(r.left()) {
		r.fail(start, "expected %d %s, got %d bytes for them", n, what, r.left())
		return 0
	}
	return int(n)
}

// list reads a vector of elements that take at least size bytes each.
func list[T any](r *reader, size int, what string, read func(*reader) T) []T {
	return shortList(r, size, maxEntries, what, read)
}

// shortList reads a vector of at most most elements. It allocates memory after it has
// checked that bound, and that the input is long enough.
func shortList[T any](r *reader, size, most int, what string, read func(*reader) T) []T {
	n := r.count(size, what)
	if n == 0 || !r.atMost(n, most, what) {
		return nil
	}
	out := make([]T, 0, n)
	for len(out) < n && r.err == nil {
		out = append(out, read(r))
	}
	return out
}

// index reads an index that must be less than n.
func (r *reader) index(n int, what string) uint32 {
	start := r.pos
	i, ok := r.short()
	if !ok {
		i = r.u32(what + " index")
	}
	if uint64(i) >= uint64(n) {
		r.fail(start, "expected a %s index below %d, got %d", what, n, i)
	}
	return i
}

func (r *reader) name(what string) string {
	start := r.pos
	b := r.take(uint64(r.u32("length of "+what)), what)
	r.names += len(b)
	if !r.atMost(r.names, maxNames, "bytes of names") {
		return ""
	}
	if !utf8.Valid(b) {
		r.fail(start, "expected %s in UTF-8, got %q", what, b[:min(len(b), 40)])
	}
	return string(b)
}
