package meter

import (
	"bytes"
	"slices"

	"github.com/airhost/airhost/internal/wasm"
)

// AddPauses is for an engine that asks at the beginning of functions and loops whether
// the guest may go on. It puts an empty loop where a way through m's code without them
// is dear, and functions in place of instructions that may take long by themselves, as
// [Instrument] does. It changes the code, and drops what refers to offsets in it. Code
// that needs none of this stays as it is. It returns the name of what in a [Result] is
// RefusedGlobal. Errors are as those of Instrument.
func AddPauses(m *wasm.Module) (refused string, err error) {
	r := newRewriter(m)
	r.pauses, r.first = true, uint32(m.Len(wasm.KindFunc))
	r.plain = &checks{test: []byte{opLoop, noType, opEnd}}
	out := *m
	r.slow = slowOf(m, &out, nil, r.first)
	if err := r.rewrite(m, &out); err != nil {
		return "", err
	}
	for i := range m.Code {
		if !bytes.Equal(m.Code[i].Expr, out.Code[i].Expr) {
			out.Functions = slices.Clip(m.Functions)
			out.Customs = keptCustoms(m.Customs)
			refused = r.slow.add()
			*m = out
			return refused, nil
		}
	}
	return "", nil
}
