package meter

import (
	"fmt"
	"slices"

	"github.com/airhost/airhost/internal/wasm"
)

// Limit is a limit that a module exceeds.
type Limit string

// The limits.
const (
	LimitTableElements Limit = "table elements" // per table
	LimitReferences    Limit = "functions referred to in code"
)

// LimitError is the error for a module that needs more than the Config allows.
type LimitError struct {
	Limit    Limit
	Index    uint32 // of the table; imported tables count
	Declared uint64 // the least number that the module needs
	Allowed  uint64
}

// Error names the limit, the required amount and the allowed amount.
func (e *LimitError) Error() string {
	of := map[Limit]string{LimitReferences: "module", LimitTableElements: "table"}
	return fmt.Sprintf("%s %d needs %d %s, of which %d are allowed", of[e.Limit], e.Index, e.Declared, e.Limit, e.Allowed)
}

// Bound lowers the maximum sizes of m's tables to the number in cfg. A guest that grows
// a table further gets the same failure as for lack of memory. If m shares memory with
// another module, that one does not change. If a table's minimum is too large, Bound
// returns a [*LimitError]. Engines bound memories themselves, without a change of the
// module.
func Bound(m *wasm.Module, cfg Config) error {
	allowed := uint64(cfg.MaxTableElements)
	if allowed == 0 {
		return nil
	}
	var index uint32
	for i := range m.Imports { // the maximum of an imported table is its owner's
		if imp := &m.Imports[i]; imp.Kind == wasm.KindTable {
			if imp.Table.Min > allowed {
				return &LimitError{LimitTableElements, index, imp.Table.Min, allowed}
			}
			index++
		}
	}
	m.Tables = slices.Clone(m.Tables)
	for i := range m.Tables {
		l := &m.Tables[i].Limits
		if l.Min > allowed {
			return &LimitError{LimitTableElements, index + uint32(i), l.Min, allowed}
		}
		if !l.HasMax || l.Max > allowed {
			l.Max, l.HasMax = allowed, true
		}
	}
	return nil
}
