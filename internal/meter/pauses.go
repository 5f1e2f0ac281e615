package meter

import (
	"slices"

	"github.com/airhost/airhost/internal/wasm"
)

// AddPauses puts an empty loop before each instruction of m that may take long by
// itself, bulk operations on memories and tables, for an engine that asks at the
// beginning of functions and loops whether the guest may go on. It changes the code,
// and drops what refers to offsets in it.
func AddPauses(m *wasm.Module) error {
	changed := false
	m.Code = slices.Clone(m.Code)
	for i := range m.Code {
		expr, err := withPauses(&m.Code[i])
		if err != nil {
			return err
		}
		if expr != nil {
			m.Code[i].Expr, changed = expr, true
		}
	}
	if changed {
		m.Customs = keptCustoms(m.Customs)
	}
	return nil
}

// withPauses returns the function's code with pauses, or nil if it needs none.
func withPauses(code *wasm.Code) (out []byte, err error) {
	copied := 0
	in := code.Instructions()
	for in.Next() {
		if _, ok := bulk(in.Op); !ok {
			continue
		}
		out = append(out, code.Expr[copied:in.Start]...)
		out = append(out, opLoop, noType, opEnd)
		copied = in.Start
	}
	if err := in.Err(); err != nil || out == nil {
		return nil, err
	}
	return append(out, code.Expr[copied:]...), nil
}

// bulk reports whether an instruction takes as long as its topmost operand says, and
// the fuel for that: the operand times 2^shift.
func bulk(op wasm.Opcode) (shift int64, ok bool) {
	switch op {
	case 0xfc08, 0xfc0a, 0xfc0b: // memory.init, memory.copy, memory.fill
		return -6, true
	case 0xfc0c, 0xfc0e, 0xfc0f, 0xfc11: // table.init, table.copy, table.grow, table.fill
		return -3, true
	}
	return 0, false
}
