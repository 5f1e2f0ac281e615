package wasm

// Signature is the numbers of operands that a block or call takes and returns.
type Signature struct{ Params, Results int }

// Stack follows the height of the operand stack through a function's code, one
// instruction after the other:
//
//	s := types.Stack(f)
//	for in.Next() {
//		s.Step(&in)
//		... s.Height ...
//	}
//
// It does not check types. In unreachable code and in invalid code the height is a
// guess, and never below 0.
type Stack struct {
	Height int // after the instruction
	Moved  int // operands that the instruction passes to a block, branch or call, or gets from a call
	types  *CodeTypes
	open   []openBlock
}

// openBlock is a block that has not ended.
type openBlock struct {
	base int // the height below its parameters
	sig  Signature
	loop bool
}

// CodeTypes has the signatures of a module, by the indices that code uses.
type CodeTypes struct {
	Types []Signature // by index
	funcs []uint32    // the type of each function
}

// CodeTypes returns the module's signatures.
func (m *Module) CodeTypes() *CodeTypes {
	t := &CodeTypes{Types: make([]Signature, len(m.Types)), funcs: m.FuncTypes()}
	for i := range m.Types {
		t.Types[i] = Signature{len(m.Types[i].Params), len(m.Types[i].Results)}
	}
	return t
}

// OfFunc returns a function's signature.
func (t *CodeTypes) OfFunc(f uint32) Signature {
	if int(f) >= len(t.funcs) {
		return Signature{}
	}
	return t.of(t.funcs[f])
}

func (t *CodeTypes) of(index uint32) Signature {
	if int(index) >= len(t.Types) {
		return Signature{}
	}
	return t.Types[index]
}

// Start prepares s for the code of function f. s may be used for any number of functions.
func (s *Stack) Start(types *CodeTypes, f uint32) {
	s.types, s.Height = types, 0
	s.open = append(s.open[:0], openBlock{sig: Signature{Results: types.OfFunc(f).Results}})
}

// Step must be called after each instruction.
func (s *Stack) Step(in *Instructions) {
	s.Moved = 0
	switch op := in.Op; op {
	case OpBlock, OpLoop, OpIf, OpTryTable:
		s.enter(in)
	case OpElse:
		top := s.top()
		s.Height = top.base + top.sig.Params
	case OpEnd:
		top := s.top()
		s.Height = top.base + top.sig.Results
		s.Moved = top.sig.Results
		s.open = s.open[:max(len(s.open)-1, 0)]
	case OpCall, OpReturnCall:
		s.call(s.types.OfFunc(in.Index))
	case OpCallIndirect, OpCallRef, OpReturnCallIndirect, OpReturnCallRef:
		s.add(-1)
		s.call(s.types.of(in.Index))
	default:
		s.add(operands(op))
		for _, label := range in.Labels {
			s.Moved += s.carried(label)
		}
	}
	if leaves(in.Op) {
		s.Height = s.top().base
	}
}

// top is the innermost open block.
func (s *Stack) top() openBlock {
	if len(s.open) == 0 {
		return openBlock{}
	}
	return s.open[len(s.open)-1]
}

// add changes the height, which stays above the operands of the enclosing block.
func (s *Stack) add(n int) { s.Height = max(s.Height+n, s.top().base) }

func (s *Stack) call(sig Signature) {
	s.Moved = sig.Params + sig.Results
	s.add(-sig.Params)
	s.Height += sig.Results
}

func (s *Stack) enter(in *Instructions) {
	if in.Op == OpIf {
		s.add(-1)
	}
	sig := in.BlockSignature(s.types)
	base := max(s.Height-sig.Params, s.top().base)
	s.open = append(s.open, openBlock{base, sig, in.Op == OpLoop})
	s.Height = base + sig.Params
	s.Moved = sig.Params
}

// carried is the number of operands that a branch to the label passes.
func (s *Stack) carried(label uint32) int {
	if int(label) >= len(s.open) {
		return 0
	}
	if to := s.open[len(s.open)-1-int(label)]; to.loop {
		return to.sig.Params
	} else {
		return to.sig.Results
	}
}

// leaves reports whether execution never goes on after the instruction.
func leaves(op Opcode) bool {
	switch op {
	case OpUnreachable, OpThrow, OpThrowRef, OpBr, OpBrTable, OpReturn, OpReturnCall, OpReturnCallIndirect, OpReturnCallRef:
		return true
	}
	return false
}

// BlockSignature returns the signature of the block that the instruction begins.
func (in *Instructions) BlockSignature(types *CodeTypes) Signature {
	switch {
	case in.IndexAt > 0:
		return types.of(in.Index)
	case in.NoType:
		return Signature{}
	}
	return Signature{Results: 1}
}

// operands is the number of operands that an instruction pushes, less the number that
// it pops. The instruction is not a call, and neither begins nor ends a block.
func operands(op Opcode) int { return int(effects[op>>8&7][op&0xff]) }

// effects has rows like the fuel tables: 0 without a prefix, 4 to 6 for 0xfc to 0xfe.
var effects = func() (t [7][256]int8) {
	set := func(n int8, ranges ...[2]Opcode) {
		for _, r := range ranges {
			for op := r[0]; op <= r[1]; op++ {
				t[op>>8&7][op&0xff] = n
			}
		}
	}
	set(1, [][2]Opcode{
		{0x20, 0x20}, {0x23, 0x23}, {0x3f, 0x3f}, {0x41, 0x44}, {0xd0, 0xd0}, {0xd2, 0xd2}, // local.get, global.get, memory.size, constants, references
		{0xfc10, 0xfc10}, {0xfd0c, 0xfd0c}, // table.size, v128.const
	}...)
	set(-1, [][2]Opcode{
		{0x04, 0x04}, {0x0d, 0x0e}, {0x1a, 0x1a}, {0x21, 0x21}, {0x24, 0x24}, {0xd6, 0xd6}, // if, br_if, br_table, drop, local.set, global.set
		{0x46, 0x4f}, {0x51, 0x66}, {0x6a, 0x78}, {0x7c, 0x8a}, {0x92, 0x98}, {0xa0, 0xa6}, // operators with two operands
		{0xfc0f, 0xfc0f}, {0xfe00, 0xfe00}, {0xfe1e, 0xfe47}, // table.grow, atomics
		{0xfd0d, 0xfd0e}, {0xfd17, 0xfd17}, {0xfd1a, 0xfd1a}, {0xfd1c, 0xfd1c}, {0xfd1e, 0xfd1e}, {0xfd20, 0xfd20}, {0xfd22, 0xfd4c},
		{0xfd4e, 0xfd51}, {0xfd54, 0xfd57}, {0xfd65, 0xfd66}, {0xfd6b, 0xfd73}, {0xfd76, 0xfd79}, {0xfd7b, 0xfd7b}, {0xfd82, 0xfd82},
		{0xfd85, 0xfd86}, {0xfd8b, 0xfd93}, {0xfd95, 0xfd9f}, {0xfda2, 0xfda2}, {0xfda5, 0xfda6}, {0xfdab, 0xfdbf}, {0xfdc2, 0xfdc2},
		{0xfdc5, 0xfdc6}, {0xfdcb, 0xfddf}, {0xfde2, 0xfde2}, {0xfde4, 0xfdeb}, {0xfdee, 0xfdee}, {0xfdf0, 0xfdf7},
	}...)
	set(-2, [][2]Opcode{
		{0x1b, 0x1c}, {0x26, 0x26}, {0x36, 0x3e}, {0xfd0b, 0xfd0b}, {0xfd52, 0xfd52}, {0xfd58, 0xfd5b}, // select, table.set, stores, bitselect
		{0xfe01, 0xfe02}, {0xfe17, 0xfe1d}, {0xfe48, 0xfe4e}, // waits, atomic stores, compare and exchange
	}...)
	set(-3, [][2]Opcode{{0xfc08, 0xfc08}, {0xfc0a, 0xfc0c}, {0xfc0e, 0xfc0e}, {0xfc11, 0xfc11}}...) // bulk operations
	return t
}()
