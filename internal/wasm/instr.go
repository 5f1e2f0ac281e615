package wasm

// Opcode is an instruction's opcode: its first byte, or prefix<<8 | number for an
// instruction with a prefix.
type Opcode uint16

// The opcodes of control flow, those with the index of a function, local, global, table
// or segment, and the prefixes.
const (
	OpUnreachable        Opcode = 0x00
	OpBlock              Opcode = 0x02
	OpLoop               Opcode = 0x03
	OpIf                 Opcode = 0x04
	OpElse               Opcode = 0x05
	OpThrow              Opcode = 0x08
	OpThrowRef           Opcode = 0x0a
	OpEnd                Opcode = 0x0b
	OpBr                 Opcode = 0x0c
	OpBrIf               Opcode = 0x0d
	OpBrTable            Opcode = 0x0e
	OpReturn             Opcode = 0x0f
	OpCall               Opcode = 0x10
	OpCallIndirect       Opcode = 0x11
	OpReturnCall         Opcode = 0x12
	OpReturnCallIndirect Opcode = 0x13
	OpCallRef            Opcode = 0x14
	OpReturnCallRef      Opcode = 0x15
	OpTryTable           Opcode = 0x1f
	OpLocalGet           Opcode = 0x20
	OpLocalSet           Opcode = 0x21
	OpLocalTee           Opcode = 0x22
	OpGlobalGet          Opcode = 0x23
	OpGlobalSet          Opcode = 0x24
	OpTableGet           Opcode = 0x25
	OpTableSet           Opcode = 0x26
	OpRefFunc            Opcode = 0xd2
	OpBrOnNull           Opcode = 0xd5
	OpBrOnNonNull        Opcode = 0xd6

	OpMemorySize Opcode = 0x3f
	OpMemoryGrow Opcode = 0x40
	OpMemoryInit Opcode = 0xfc08
	OpDataDrop   Opcode = 0xfc09
	OpMemoryCopy Opcode = 0xfc0a
	OpMemoryFill Opcode = 0xfc0b
	OpTableInit  Opcode = 0xfc0c
	OpElemDrop   Opcode = 0xfc0d
	OpTableCopy  Opcode = 0xfc0e
	OpTableGrow  Opcode = 0xfc0f
	OpTableSize  Opcode = 0xfc10
	OpTableFill  Opcode = 0xfc11

	opFence Opcode = 0xfe03

	prefixGC     = 0xfb
	prefixMisc   = 0xfc
	prefixVector = 0xfd
	prefixAtomic = 0xfe
)

// Instructions steps through the instructions of a function body:
//
//	in := code.Instructions()
//	for in.Next() {
//		... in.Op ...
//	}
//	err := in.Err()
//
// It knows the instructions of wazero 1.12: WebAssembly 2.0 with tail calls,
// exceptions, threads and typed function references. It refuses some odd encodings
// that the format allows and that engines read differently, so that code cannot mean
// one thing here and another in an engine.
type Instructions struct {
	Op     Opcode
	Start  int      // of the instruction, in Code.Expr
	End    int      // of the instruction, and the start of the next one
	Labels []uint32 // the targets of branches and catches; valid until Next
	Depth  int      // open blocks after the instruction, with the function's

	// Index is the first index after the opcode, of a function, type, local, global,
	// table, tag or segment; labels and memories do not count. It is at IndexAt in
	// Code.Expr. IndexAt is 0 if there is no index.
	Index   uint32
	IndexAt int
	Second  uint32 // the second index of an instruction that has two
	NoType  bool   // the instruction begins a block of type () -> ()

	r    reader
	base int // of the expression in the input
}

// Instructions returns an iterator at the beginning of the body.
func (c *Code) Instructions() Instructions {
	return Instructions{Depth: 1, base: c.Offset, r: reader{data: c.Expr, end: len(c.Expr)}}
}

// Err returns the [*FormatError] or [*UnsupportedError] that ended the iteration, or nil.
func (in *Instructions) Err() error {
	switch {
	case in.r.err == nil:
		return nil
	case in.r.feature != nil:
		return in.r.feature
	}
	return &FormatError{in.base + in.r.err.Offset, in.r.err.Msg}
}

// Next goes to the next instruction. It returns false after the last instruction and
// after an error.
func (in *Instructions) Next() bool {
	if in.Depth == 0 || in.r.err != nil {
		return false
	}
	in.Start = in.r.pos
	in.Labels, in.IndexAt, in.NoType = in.Labels[:0], 0, false
	first := in.r.byte("an instruction")
	in.Op = Opcode(first)
	imm := immediates[first]
	if first >= prefixGC {
		imm = in.prefixed(first)
	}
	in.immediate(imm)
	in.End = in.r.pos
	if in.Depth == 0 && in.r.left() > 0 {
		in.r.fail(in.End, "expected the end of the function body, got %d more bytes", in.r.left())
	}
	if in.r.err != nil {
		return false
	}
	in.r.features |= usedBy[first]
	return true
}

// Types returns the number of types that the value types of the instructions so far
// require: their largest type index, plus one.
func (in *Instructions) Types() uint64 { return in.r.valueTypes.count }

// Features returns the features that the instructions so far use.
func (in *Instructions) Features() FeatureSet { return in.r.features }

func (in *Instructions) prefixed(prefix byte) immediate {
	op := in.r.u32("an opcode")
	size := in.r.pos - in.Start
	in.Op = Opcode(prefix)<<8 | Opcode(op&0xff)
	imm := immUnknown
	switch {
	// Only the shortest encoding is accepted: some engines take one byte as the
	// number in any case, and would read the rest as instructions.
	case prefix == prefixMisc && op < uint32(len(miscImmediates)) && size == 2:
		imm = miscImmediates[op]
	case prefix == prefixVector && op <= 0xff && size == 2+int(op>>7):
		imm = vectorImmediates[op]
	case prefix == prefixAtomic && op < uint32(len(atomicImmediates)) && size == 2:
		imm = atomicImmediates[op]
	}
	if f, ok := featureOf(prefix, op); ok {
		in.r.unsupported(in.Start, f)
	}
	return imm
}

func (in *Instructions) immediate(imm immediate) {
	r := &in.r
	switch imm {
	case immUnknown:
		in.unknown()
	case immNone:
	case immIndex:
		in.index()
	case immTwoIndices:
		in.index()
		in.Second = r.u32("an index")
	case immMemory, immMemoryLane:
		in.memoryArgument(imm == immMemoryLane)
	case immZero:
		in.zeroByte()
	case immTwoZeros:
		in.zeroByte()
		in.zeroByte()
	case immIndexZero:
		in.index()
		in.zeroByte()
	case immS32:
		r.sleb(32, "a constant")
	case immS64:
		r.sleb(64, "a constant")
	case immByte, immBytes4, immBytes8, immBytes16:
		r.take(immWidth[imm], "a constant")
	case immHeapType:
		r.heapType()
	case immSelect:
		in.selectType()
	default:
		in.control(imm)
	}
}

// unknown refuses an instruction, which may belong to an unsupported feature.
func (in *Instructions) unknown() {
	if f, ok := featureOf(0, uint32(in.Op)); ok {
		in.r.unsupported(in.Start, f)
	}
	in.r.fail(in.Start, "expected an instruction, got an unknown one: % x", in.r.data[in.Start:in.r.pos])
}

func (in *Instructions) index() {
	in.IndexAt = in.r.pos
	in.Index = in.r.u32("an index")
}

// memoryIndex is a bit of an alignment. If it is set, a memory's index follows.
const memoryIndex = 1 << 6

func (in *Instructions) memoryArgument(lane bool) {
	start := in.r.pos
	align := in.r.u32("an alignment")
	if align&^31 == memoryIndex {
		in.r.unsupported(start, MultiMemory)
	}
	if align >= 32 {
		in.r.fail(start, "expected an alignment below 32, got %d", align)
	}
	in.r.u32("an offset")
	if lane {
		in.r.byte("a lane")
	}
}

func (in *Instructions) zeroByte() {
	start := in.r.pos
	b := in.r.byte("memory index 0")
	if b != 0 && in.Op != opFence {
		in.r.unsupported(start, MultiMemory)
	}
	if b != 0 {
		in.r.fail(start, "expected 0, got %#x", b)
	}
}

func (in *Instructions) selectType() {
	start := in.r.pos
	if n := in.r.byte("the number of types"); n != 1 {
		in.r.fail(start, "expected one type, got %d", n)
	}
	in.r.valueType()
}

// control reads the immediates of instructions that open a block, close a block or
// branch.
func (in *Instructions) control(imm immediate) {
	switch imm {
	case immBlock:
		in.blockType()
		in.Depth++
	case immEnd:
		in.Depth--
	case immLabel:
		in.label()
	case immLabels:
		n := in.r.count(1, "labels")
		for in.r.atMost(n, maxLabels, "labels of a jump table"); n > 0 && in.r.err == nil; n-- {
			in.label()
		}
		in.label()
	case immTryTable:
		in.blockType()
		in.r.each("catch clauses", in.catch)
		in.Depth++
	}
}

// catch reads a catch clause. Its label counts from outside of the try_table.
func (in *Instructions) catch() {
	start := in.r.pos
	kind := in.r.byte("a kind of catch clause")
	if kind > 3 {
		in.r.fail(start, "expected a kind of catch clause, got %#x", kind)
	}
	if kind < 2 {
		in.r.u32("tag index")
	}
	in.label()
}

func (in *Instructions) label() {
	in.Labels = append(in.Labels, in.r.index(in.Depth, "label"))
}

// blockType reads the type of a block: 0x40 for none, a value type or a type index.
func (in *Instructions) blockType() {
	r := &in.r
	if r.left() > 0 && r.data[r.pos] == 0x40 {
		r.pos++
		in.NoType = true
		return
	}
	if r.left() > 0 && r.data[r.pos]&0xc0 == 0x40 {
		r.valueType()
		return
	}
	in.IndexAt = r.pos
	i := r.sleb(33, "a block type")
	if i < 0 {
		r.fail(in.IndexAt, "expected a block type")
	}
	in.Index = uint32(i)
}
