package meter

import (
	"fmt"
	"slices"

	"github.com/airhost/airhost/internal/wasm"
)

// Limit is what a LimitError is about.
type Limit string

const (
	LimitMemoryPages   Limit = "memory pages"   // of 64 KiB, per memory
	LimitTableElements Limit = "table elements" // per table
	LimitReferences    Limit = "functions referred to in code"
)

// LimitError says that a module needs more than its Config allows.
type LimitError struct {
	Limit    Limit
	Index    uint32 // of the memory or table, imported ones included
	Declared uint64 // what the module needs at least
	Allowed  uint64
}

func (e *LimitError) Error() string {
	of := map[Limit]string{LimitReferences: "module", LimitMemoryPages: "memory", LimitTableElements: "table"}
	return fmt.Sprintf("%s %d needs %d %s, of which %d are allowed", of[e.Limit], e.Index, e.Declared, e.Limit, e.Allowed)
}

// Bound lowers the maxima that m declares for memories and tables to what cfg
// allows, so that growing beyond them fails in the guest as it does for lack of
// memory. What m shares with another module stays as it is there. A module that
// needs more at once is a [*LimitError].
func Bound(m *wasm.Module, cfg Config) error {
	m.Memories, m.Tables = slices.Clone(m.Memories), slices.Clone(m.Tables)
	var memories, tables uint32
	for i := range m.Imports {
		switch imp := &m.Imports[i]; imp.Kind {
		case wasm.KindMemory:
			if err := atMost(imp.Memory.Min, cfg.MaxMemoryPages, LimitMemoryPages, memories); err != nil {
				return err
			}
			memories++
		case wasm.KindTable:
			if err := atMost(imp.Table.Min, cfg.MaxTableElements, LimitTableElements, tables); err != nil {
				return err
			}
			tables++
		}
	}
	for i := range m.Memories {
		if err := clamp(&m.Memories[i], cfg.MaxMemoryPages, LimitMemoryPages, memories+uint32(i)); err != nil {
			return err
		}
	}
	for i := range m.Tables {
		if err := clamp(&m.Tables[i].Limits, cfg.MaxTableElements, LimitTableElements, tables+uint32(i)); err != nil {
			return err
		}
	}
	return nil
}

func atMost(declared uint64, allowed uint32, limit Limit, index uint32) error {
	if allowed == 0 || declared <= uint64(allowed) {
		return nil
	}
	return &LimitError{limit, index, declared, uint64(allowed)}
}

// clamp lowers l.Max to what is allowed. The maximum of an imported memory or
// table stays: its owner decides on that.
func clamp(l *wasm.Limits, allowed uint32, limit Limit, index uint32) error {
	if allowed == 0 {
		return nil
	}
	if !l.HasMax || l.Max > uint64(allowed) {
		l.Max, l.HasMax = uint64(allowed), true
	}
	return atMost(l.Min, allowed, limit, index)
}
