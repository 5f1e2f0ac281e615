package meter

import (
	"bytes"
	"slices"

	"github.com/airhost/airhost/internal/wasm"
)

// AddPauses is for an engine that checks at the beginning of every function and loop
// whether the guest may go on. It puts an empty loop where a path through m's code
// without such a check is dear. Like [Instrument], it replaces instructions that may
// take long by functions. It changes m, and drops custom sections that refer to offsets
// in the code. It does not change m if the code needs none of this. The result refused
// is the name that [Result] has as RefusedGlobal. The errors are those of Instrument.
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
