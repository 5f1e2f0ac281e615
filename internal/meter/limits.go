package meter

import (
	"fmt"
	"slices"

	"github.com/airhost/airhost/internal/wasm"
)

// Limit is what a LimitError is about.
type Limit string

const (
	LimitTableElements Limit = "table elements" // per table
	LimitReferences    Limit = "functions referred to in code"
)

// LimitError says that a module needs more than its Config allows.
type LimitError struct {
	Limit    Limit
	Index    uint32 // of the table, imported ones included
	Declared uint64 // what the module needs at least
	Allowed  uint64
}

func (e *LimitError) Error() string {
	of := map[Limit]string{LimitReferences: "module", LimitTableElements: "table"}
	return fmt.Sprintf("%s %d needs %d %s, of which %d are allowed", of[e.Limit], e.Index, e.Declared, e.Limit, e.Allowed)
}

// Bound lowers the maxima that m declares for tables to what cfg allows, so that
// growing beyond them fails in the guest as it does for lack of memory. What m shares
// with another module stays as it is there. A module that needs more at once is a
// [*LimitError]. Memories are for engines to bound, which need not compile for that.
func Bound(m *wasm.Module, cfg Config) error {
	allowed := uint64(cfg.MaxTableElements)
	if allowed == 0 {
		return nil
	}
	var index uint32
	for i := range m.Imports { // whose maxima their owners decide on
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
