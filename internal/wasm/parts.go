package wasm

// PartReader reads parts of a binary of which not only modules are made: numbers, names,
// vectors and types. It keeps the first failure. All later reads fail without effect, so
// that callers check once.
type PartReader struct{ r reader }

// NewPartReader returns a reader of data, whose positions are offsets in data.
func NewPartReader(data []byte) *PartReader {
	return &PartReader{reader{data: data, end: len(data)}}
}

// Pos returns the offset of the next byte.
func (p *PartReader) Pos() int { return p.r.pos }

// Left returns the number of bytes before the end.
func (p *PartReader) Left() int { return p.r.left() }

// Narrow sets the end to size bytes from here, which must not be after the present end.
// It returns the present end for [PartReader.Widen].
func (p *PartReader) Narrow(size int) (end int) {
	end, p.r.end = p.r.end, p.r.pos+size
	return end
}

// Widen sets the end back.
func (p *PartReader) Widen(end int) {
	p.r.end = end
	if p.r.err != nil {
		p.r.pos = end
	}
}

// Fail records a failure, if it is the first.
func (p *PartReader) Fail(offset int, format string, args ...any) { p.r.fail(offset, format, args...) }

// Failed returns the first failure, or nil. limit and feature are its cause, if it was a
// bound or a feature.
func (p *PartReader) Failed() (failed *FormatError, limit *LimitError, feature *UnsupportedError) {
	return p.r.err, p.r.limit, p.r.feature
}

// Features returns the features that were read so far.
func (p *PartReader) Features() FeatureSet { return p.r.features }

// Byte reads a byte. what is for errors, as for the other methods.
func (p *PartReader) Byte(what string) byte { return p.r.byte(what) }

// Peek returns the next byte, or 0 at the end.
func (p *PartReader) Peek() byte {
	if p.r.left() == 0 {
		return 0
	}
	return p.r.data[p.r.pos]
}

// U32 reads a number.
func (p *PartReader) U32(what string) uint32 { return p.r.u32(what) }

// S33 reads a signed number of up to 33 bits.
func (p *PartReader) S33(what string) int64 { return p.r.sleb(33, what) }

// Take returns the next n bytes without copying them.
func (p *PartReader) Take(n int, what string) []byte { return p.r.take(uint64(n), what) }

// Name reads a name, which must be valid UTF-8.
func (p *PartReader) Name(what string) string { return p.r.name(what) }

// FuncType reads a signature with its form 0x60.
func (p *PartReader) FuncType() FuncType { return p.r.funcType() }

// ValueType reads the type of a value.
func (p *PartReader) ValueType() ValueType { return p.r.valueType() }

// TableType reads the type of a table.
func (p *PartReader) TableType() Table { return p.r.tableType() }

// MemoryType reads the type of a memory.
func (p *PartReader) MemoryType() Limits { return p.r.memory() }

// GlobalType reads the type of a global.
func (p *PartReader) GlobalType() GlobalType { return p.r.globalType() }

// ReadList reads a vector of elements, each of at least size bytes. It allocates memory
// after it has checked that the input is long enough for them.
func ReadList[T any](p *PartReader, size int, what string, read func() T) []T {
	return list(&p.r, size, what, func(*reader) T { return read() })
}

// Count reads the number of elements of a vector, each of at least size bytes. It refuses
// a number for which the input is too short.
func (p *PartReader) Count(size int, what string) int {
	n := p.r.count(size, what)
	if !p.r.atMost(n, maxEntries, what) {
		return 0
	}
	return n
}
