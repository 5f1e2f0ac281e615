package meter

import (
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync"

	"github.com/airhost/airhost/internal/wasm"
)

const (
	// straight is the fuel of code that may run without a test.
	straight = 1024

	// lump is the least fuel that is worth a charge of its own, if fuel is an
	// estimate. Less is charged at headers, in one byte of signed LEB128.
	lump = 64

	// longestWait replaces the timeout of an atomic wait, in nanoseconds: the code
	// cannot test during a wait, and no other thread can end it.
	longestWait = 1_000_000

	// returning is the fuel that a function may use after its last call without a
	// test. It is small, since very many functions may return one after the other.
	returning = 3
)

// rewriter rewrites one function after the other. It copies code in segments: either all
// instructions of a segment run or none, unless one of them traps or throws. The rewriter
// knows the fuel of a segment at its end, and charges it at its start.
type rewriter struct {
	*checks // for the current place
	plain   *checks
	bounds
	entryTest []byte // at the function's entry, in place of the checks' test
	calls     *depth // nil if open calls are not counted
	first     uint32 // the first function index that changes
	imports   uint32 // number of imported functions
	handsOut  bool   // references to imported functions may be in tables
	exact     bool   // fuel is exact: every segment is charged
	pauses    bool   // no charges; the engine tests at entries and loops
	out       []byte
	*arities
	leaves *leaves
	slow   *slow

	// Of the current function:
	mode
	start   int // its offset in out
	src     []byte
	copied  int // bytes of src that are in out
	edits   []edit
	done    int // number of edits that are in out
	blocks  []block
	path    path    // to the current segment, in the innermost loop
	exit    path    // to the function's end
	cached  *checks // for loops without calls
	load    []byte  // the code before loops without calls
	loops   []bool  // for each loop: it has no calls
	begun   int     // number of loops that have begun
	scratch uint32  // the first local that may be added
	added   bool    // locals were added
	catches bool    // it catches exceptions, and open calls are counted
	tails   bool    // it makes tail calls, and open calls are counted
	frame   frame   // of its open calls

	// Of the current segment:
	from    int   // its offset in src
	cost    int64 // fuel of its instructions so far
	hidden  int64 // fuel that callees charge themselves, without a test
	test    bool  // it starts with a test
	after   int   // the end of its last call, or its start
	unwound int64 // its fuel after the last call, plus 1; 0 without a call
	leaving bool  // it may leave the function, so that it may need a test at after
	dead    bool  // it is unreachable
}

// mode selects the additions to a function that do not belong to a single instruction.
type mode struct {
	entry  bool // a check at the entry, and counting of open calls
	caught bool // code where the function may have caught an exception
	copies bool // loops without calls read a copy of the counter
	look   bool // the host looks at the stack at every entry
	again  bool // the frame is known from an earlier pass
}

// edit replaces a piece of src, which may be empty, by code or, if with is nil, by an
// index.
type edit struct {
	start, end int
	with       []byte
	index      uint32
}

// newRewriter returns a rewriter for m. The caller sets the additions.
func newRewriter(m *wasm.Module) *rewriter {
	r := &rewriter{bounds: boundsOf(m), arities: aritiesOf(m)}
	r.imports = uint32(r.funcs) - uint32(len(m.Functions))
	r.frame.types, r.frame.funcs = m.CodeTypes(), m.Types
	r.handsOut = m.RefersToImports()
	r.leaves = r.leavesOf(m)
	return r
}

// rewrite sets the bodies of out to those of m with checks. It uses all processors, like
// engines when they compile.
func (r *rewriter) rewrite(m, out *wasm.Module) error {
	out.Code = make([]wasm.Code, len(m.Code), len(m.Code)+1)
	ends := parts(m.Code, runtime.GOMAXPROCS(0))
	errs := make([]error, len(ends))
	var working sync.WaitGroup
	begin := 0
	for i, end := range ends {
		worker, from := *r, begin
		working.Go(func() { errs[i] = worker.functions(m, out, from, end) })
		begin = end
	}
	working.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// parts cuts code into n parts of about the same size, and returns the ends of the parts.
func parts(code []wasm.Code, n int) []int {
	var ends []int
	size, seen := codeSize(code), 0
	for i := range code {
		seen += len(code[i].Expr)
		if seen*n >= size*(len(ends)+1) {
			ends = append(ends, i+1)
		}
	}
	return ends
}

// codeSize returns the size of all instructions, in bytes.
func codeSize(code []wasm.Code) (size int) {
	for i := range code {
		size += len(code[i].Expr)
	}
	return size
}

// functions rewrites the functions from from to end-1.
func (r *rewriter) functions(m, out *wasm.Module, from, end int) error {
	size := codeSize(m.Code[from:end])
	r.out = make([]byte, 0, size+size/3)
	for i := from; i < end; i++ {
		r.frame.function = r.imports + uint32(i)
		if err := r.function(&m.Code[i], m.Functions[i], len(m.Types[m.Functions[i]].Params), r.leaves.costs[i] > 0); err != nil {
			return err
		}
		out.Code[i] = r.body(&m.Code[i])
	}
	return nil
}

// function appends the code of c to r.out. A leaf gets no checks: its callers have them.
func (r *rewriter) function(c *wasm.Code, typ uint32, params int, leaf bool) error {
	r.locals = uint64(params) + uint64(c.Locals)
	if r.locals > math.MaxUint32-addedLocals {
		return &wasm.FormatError{Offset: c.Offset, Msg: fmt.Sprintf("expected less than 2^32-%d locals, got %d", addedLocals, r.locals)}
	}
	r.start, r.src, r.scratch = len(r.out), c.Expr, uint32(r.locals)
	err := r.pass(c, typ, mode{entry: !leaf})
	copies, look := slices.Contains(r.loops, true), r.counts() && r.frame.large()
	switch {
	case err != nil || r.pauses:
		return err
	case r.catches || r.tails || copies || look:
		return r.pass(c, typ, mode{entry: true, caught: r.catches, copies: copies, look: look, again: true})
	}
	return nil
}

// pass rewrites c, a function of type typ, and replaces the code of an earlier pass.
func (r *rewriter) pass(c *wasm.Code, typ uint32, mode mode) error {
	r.reset(mode)
	if !mode.again && r.counts() {
		r.frame.begin(c, typ, int(r.locals))
	}
	r.prologue(typ)
	r.cost = entryFuel(r.locals)
	in := c.Instructions()
	for in.Next() {
		r.returns(&in)
		r.entering(&in)
		if err := r.index(&in, c.Offset); err != nil {
			return err
		}
		if err := r.labels(&in, c.Offset); err != nil {
			return err
		}
		if !mode.again && r.counts() {
			r.frame.step(&in)
		}
		r.instruction(&in)
	}
	if r.counts() {
		copy(r.out[r.start+r.calls.weightAt():], weight(r.frame.bytes()))
	}
	return in.Err()
}

// reset forgets the earlier pass.
func (r *rewriter) reset(mode mode) {
	r.out, r.copied = r.out[:r.start], 0
	r.edits, r.done, r.path, r.mode = r.edits[:0], 0, path{}, mode
	r.dead, r.added, r.catches, r.tails = false, false, false, false
	r.begin(0)
	r.checks, r.begun = r.plain, 0
	if mode.copies {
		r.cached, r.load = r.plain.cached(r.counted())
		r.added = true
	} else {
		r.loops = r.loops[:0]
	}
}

// prologue appends the code at the beginning of a function of type typ.
func (r *rewriter) prologue(typ uint32) {
	r.blocks = append(r.blocks[:0], block{join: true, params: r.params[typ], results: r.results[typ]})
	if r.counts() {
		r.out = r.calls.enter(r.out, typ)
	}
	if r.caught {
		r.out, r.added = append(r.out, r.calls.keep(r.saved())...), true
	}
	if r.entry {
		r.header(0)
	}
}

// counts reports whether calls of the current function count as open calls.
func (r *rewriter) counts() bool { return r.entry && r.calls != nil }

// addedLocals is the number of locals that a function may get: saved and counted.
const addedLocals = 2

// saved is the local that keeps the number of stack bytes that open calls take.
func (r *rewriter) saved() uint32 { return r.scratch }

// counted is the local with a copy of the counter.
func (r *rewriter) counted() uint32 { return r.scratch + 1 }

// body returns the last rewritten function.
func (r *rewriter) body(c *wasm.Code) wasm.Code {
	out := *c
	out.Expr = r.out[r.start:len(r.out):len(r.out)]
	if r.added {
		out.Groups++
		out.Locals += addedLocals
		out.Decls = slices.Concat(c.Decls, []byte{addedLocals, typeI64})
	}
	return out
}

// copy appends the instructions up to end to the code.
func (r *rewriter) copy(end int) {
	for ; r.done < len(r.edits) && r.edits[r.done].start < end; r.done++ {
		e := r.edits[r.done]
		r.out = append(append(r.out, r.src[r.copied:e.start]...), e.with...)
		if e.with == nil {
			r.out = wasm.AppendIndex(r.out, e.index)
		}
		r.copied = e.end
	}
	r.out = append(r.out, r.src[r.copied:end]...)
	r.copied = end
}

// base is the uncounted fuel of the paths to the enclosing loops.
func (r *rewriter) base() int64 { return r.blocks[len(r.blocks)-1].base }

// split ends the current segment, and charges for it if that is worth a charge.
func (r *rewriter) split(at int) {
	if r.exact {
		r.flush(at, 1)
	} else {
		r.flush(at, lump)
	}
}

// begin begins a segment.
func (r *rewriter) begin(at int) {
	r.from, r.after, r.cost, r.hidden, r.unwound = at, at, 0, 0, 0
	r.test, r.leaving = false, false
}

// flush ends the current segment. It charges if at least limit fuel is uncounted at the
// segment's end.
func (r *rewriter) flush(at int, limit int64) {
	r.path.uncounted += r.cost
	r.path.untested += r.cost + r.hidden
	test := r.test || r.path.untested >= straight
	charge := r.path.uncounted >= limit && !r.pauses
	if test || charge {
		r.copy(r.from)
	}
	if charge {
		r.out = r.charge(r.out, r.path.uncounted)
		r.path.uncounted = 0
	}
	unwound := r.sinceCall()
	if test {
		r.out = append(r.out, r.testAt(r.from)...)
		r.path.untested = r.cost + r.hidden
		unwound = r.unwound
	}
	r.path.unwound = unwound
	if unwound > returning && r.leaving {
		r.copy(r.after)
		r.out = append(r.out, r.testAt(r.after)...)
		r.path.untested, r.path.unwound = r.cost+r.hidden, 0
	}
	r.begin(at)
}

// sinceCall returns the fuel of the dearest path without a test from a call to here, plus
// 1. It returns 0 if there is no such path.
func (r *rewriter) sinceCall() int64 {
	if r.unwound == 0 && r.path.unwound > 0 {
		return r.path.unwound + r.cost + r.hidden
	}
	return r.unwound
}

// header puts a check at the start of the function or of a loop. If fuel is an estimate,
// settle sets the charge later, when the dearest path is known.
func (r *rewriter) header(at int) {
	if r.pauses {
		r.path = path{}
		return
	}
	if r.exact {
		r.test = true
		return
	}
	r.copy(at)
	r.blocks[len(r.blocks)-1].patch = len(r.out) + r.chargeAt()
	r.out = r.charge(r.out, 0)
	r.out = append(r.out, r.testAt(at)...)
	r.path = path{}
}

// testAt returns the test for a place in the function.
func (r *rewriter) testAt(at int) []byte {
	switch {
	case at == 0 && r.look:
		return r.plain.call
	case at == 0:
		return r.entryTest
	}
	return r.checks.test
}

// settle sets the charge of the block's header to the fuel of the dearest path back to it.
func (r *rewriter) settle(b *block) {
	if b.patch > 0 {
		r.out[b.patch] = byte(min(max(b.out.uncounted, 1), lump-1))
	}
}

func (r *rewriter) instruction(in *wasm.Instructions) {
	if r.cost+r.hidden >= straight {
		r.split(in.Start)
	}
	if !r.dead {
		before := r.cost + r.hidden
		r.cost += r.fuelFor(in)
		if r.unwound > 0 {
			r.unwound += r.cost + r.hidden - before
		}
	}
	r.replace(in)
	r.control(in)
}

// replace replaces an instruction that may take long by a call of a function.
func (r *rewriter) replace(in *wasm.Instructions) {
	if _, ok := slowOps[in.Op]; !ok && in.Op != wasm.OpRefFunc {
		return
	}
	if f, ok := r.slow.funcs[string(r.src[in.Start:in.End])]; ok {
		if last := len(r.edits) - 1; last >= 0 && r.edits[last].start == in.IndexAt && in.IndexAt > 0 {
			r.edits = r.edits[:last] // the edit of the index
		}
		r.edits = append(r.edits, edit{start: in.Start, end: in.End, with: index(nil, opCall, f)})
		r.called(in, false)
	}
}
