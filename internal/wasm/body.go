package wasm

import "math"

// Instructions that a constant expression may have.
const (
	opEnd       = 0x0b
	opGlobalGet = 0x23
	opI32Const  = 0x41
	opI64Const  = 0x42
	opF32Const  = 0x43
	opF64Const  = 0x44
	opI32Add    = 0x6a
	opI32Mul    = 0x6c
	opI64Add    = 0x7c
	opI64Mul    = 0x7e
	opRefNull   = 0xd0
	opRefFunc   = 0xd2
	opVector    = 0xfd
	vecConst    = 0x0c
)

// constExpr returns the encoding of a constant expression, its end included.
func (r *reader) constExpr() []byte {
	start := r.pos
	for n := 1; r.atMost(n, maxConstant, "instructions of a constant expression"); n++ {
		at := r.pos
		op := r.byte("a constant expression")
		switch {
		case op == opEnd && r.err == nil:
			return r.data[start:r.pos:r.pos]
		case op == opGlobalGet:
			r.globalIndex()
		case op == opRefFunc:
			r.funcIndex()
		case op == opI32Const:
			r.sleb(32, "a constant")
		case op == opI64Const:
			r.sleb(64, "a constant")
		case op == opF32Const:
			r.take(4, "a constant")
		case op == opF64Const:
			r.take(8, "a constant")
		case op == opRefNull:
			r.heapType()
		case op == opVector && r.byte("a vector instruction") == vecConst:
			r.take(16, "a constant")
		case op >= opI32Add && op <= opI32Mul, op >= opI64Add && op <= opI64Mul:
		default:
			if op == prefixGC {
				r.unsupported(at, GC)
			}
			r.fail(at, "expected an instruction of a constant expression, got %#x", op)
		}
	}
	return nil
}

// segments reads a list of segments, each at least size bytes long. It keeps their
// encoding; read only checks it.
func (r *reader) segments(size int, what string, read func(*reader)) Segments {
	n := r.count(size, what)
	start := r.pos
	for i := 0; i < n && r.err == nil; i++ {
		read(r)
	}
	return Segments{uint32(n), r.data[start:r.pos:r.pos]}
}

// Bits of an element segment's flags.
const (
	elemNotActive = 1 // passive, or with elemExplicit declarative
	elemExplicit  = 2 // active: names its table
	elemExprs     = 4 // elements are expressions, not function indices
)

func (r *reader) element() {
	start := r.pos
	flags := r.u32("flags of an element segment")
	if flags > elemNotActive|elemExplicit|elemExprs {
		r.fail(start, "expected flags of an element segment, got %#x", flags)
	}
	if flags&elemNotActive == 0 {
		at, table := r.pos, uint32(0)
		if flags&elemExplicit != 0 {
			table = r.u32("table index")
		}
		r.used[KindTable].note(table, at)
		r.constExpr()
	}
	if flags&(elemNotActive|elemExplicit) != 0 {
		r.elementType(flags)
	}
	if flags&elemExprs != 0 {
		r.each("element expressions", func() { r.elementCount(); r.constExpr() })
	} else {
		r.each("function indices", func() { r.elementCount(); r.funcIndex() })
	}
}

func (r *reader) elementType(flags uint32) {
	if flags&elemExprs != 0 {
		r.refType()
		return
	}
	start := r.pos
	if kind := r.byte("an element kind"); kind != 0 {
		r.fail(start, "expected element kind 0, got %#x", kind)
	}
}

// each calls read for each entry of a vector.
func (r *reader) each(what string, read func()) {
	for n := r.count(1, what); n > 0 && r.err == nil; n-- {
		read()
	}
}

// Bits of a data segment's flags, of which at most one is set.
const (
	dataPassive  = 1
	dataExplicit = 2 // names its memory
)

func (r *reader) dataSegment() {
	start := r.pos
	flags := r.u32("flags of a data segment")
	if flags > dataExplicit {
		r.fail(start, "expected flags of a data segment, got %#x", flags)
	}
	if flags == dataExplicit {
		r.u32("memory index")
	}
	if flags != dataPassive {
		r.constExpr()
	}
	r.take(uint64(r.u32("size of a data segment")), "a data segment")
}

// code reads a function body. Of the instructions it checks only the last one, the
// end: without it, engines would read on into the next body.
func (r *reader) code() Code {
	start := r.pos
	size := r.u32("size of a function body")
	if uint64(size) > uint64(r.left()) {
		r.fail(start, "expected %d bytes of a function body, got %d", size, r.left())
		return Code{}
	}
	section := r.end
	r.end = r.pos + int(size)
	var c Code
	r.locals(&c)
	c.Offset = r.pos
	c.Expr = r.take(uint64(r.left()), "instructions")
	if r.err == nil && (len(c.Expr) == 0 || c.Expr[len(c.Expr)-1] != opEnd) {
		r.fail(r.pos, "expected an end instruction at the end of a function body")
	}
	if r.err == nil {
		r.end = section
	}
	return c
}

func (r *reader) locals(c *Code) {
	c.Groups = uint32(r.count(2, "groups of locals"))
	start := r.pos
	var sum uint64
	for i := uint32(0); i < c.Groups && r.err == nil; i++ {
		at := r.pos
		sum += uint64(r.u32("number of locals"))
		r.valueType()
		if sum > math.MaxUint32 {
			r.fail(at, "expected at most %d locals, got %d", uint32(math.MaxUint32), sum)
		}
	}
	c.Locals = uint32(sum)
	c.Decls = r.data[start:r.pos:r.pos]
}
