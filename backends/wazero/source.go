package wazero

import (
	"errors"
	"fmt"
	"os"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/abi"
	"github.com/airhost/airhost/internal/meter"
	"github.com/airhost/airhost/internal/wasm"
)

const pageSize = 64 << 10

// maxPages keeps a memory's size in bytes below 2^32, so that it fits into the
// 32 bits in which wazero tells it.
const maxPages = 1<<16 - 1

// maxNesting bounds how deep blocks are nested in a function, since wazero's
// compiler takes time in proportion to the square: half a second for 1,000
// nested loops, half a minute for 10,000. Programs compiled by Go, which nests
// deeper than others, reach some hundreds, and a few giants thousands.
const maxNesting = 3000

// maxCallDepth bounds how many calls of a guest's functions are open. wazero by
// itself ends a runaway recursion only when its stack has 50 MB, twice.
const maxCallDepth = 30_000

// guestCode is a guest's code, checked and ready to be compiled.
type guestCode struct {
	instrumented *meter.Result
	exports      map[string]bool
	entry        string // the export that [abi.AddEntry] added
	least, most  uint64 // the memory's sizes in bytes
}

// prepare reads, checks and instruments a guest's code. Nothing that the code
// merely declares is allocated.
func (e *Engine) prepare(src core.Source, limits core.Limits) (*guestCode, error) {
	code, err := e.read(src)
	if err != nil {
		return nil, err
	}
	m, err := wasm.Parse(code)
	if err != nil {
		return nil, moduleError(src, err)
	}
	if problems := abi.Check(m); len(problems) > 0 {
		return nil, &core.ModuleError{Source: sourceName(src), Problems: problems}
	}
	if err := withinBounds(m); err != nil {
		return nil, moduleError(src, err)
	}
	if limits.Memory < pageSize {
		return nil, moduleError(src, &core.LimitError{Limit: "limits.memory", Got: pageSize, Max: uint64(max(limits.Memory, 0)), Unit: "bytes"})
	}
	exports := make(map[string]bool)
	for _, export := range m.Exports {
		exports[export.Name] = true
	}
	entry := abi.AddEntry(m)
	pages := uint32(min(limits.Memory/pageSize, maxPages))
	instrumented, err := meter.Instrument(m, meter.Config{
		Fuel:             limits.Fuel > 0,
		MaxMemoryPages:   pages,
		MaxTableElements: limits.TableElements,
		MaxNesting:       maxNesting,
		MaxCallDepth:     maxCallDepth,
	})
	if err != nil {
		return nil, moduleError(src, limitError(err))
	}
	declared := m.Memories[0]
	guest := &guestCode{instrumented, exports, entry, declared.Min * pageSize, uint64(pages) * pageSize}
	if declared.HasMax {
		guest.most = min(guest.most, declared.Max*pageSize)
	}
	return guest, nil
}

// read returns the code, whose size it checks before it is in memory.
func (e *Engine) read(src core.Source) ([]byte, error) {
	if src.Code != nil {
		return src.Code, e.checkSize(src, int64(len(src.Code)))
	}
	info, err := os.Stat(src.Path)
	if err != nil {
		return nil, fmt.Errorf("wazero: read a module: %w", err)
	}
	if err := e.checkSize(src, info.Size()); err != nil {
		return nil, err
	}
	code, err := os.ReadFile(src.Path)
	if err != nil {
		return nil, fmt.Errorf("wazero: read a module: %w", err)
	}
	return code, nil
}

func (e *Engine) checkSize(src core.Source, size int64) error {
	if size <= e.config.MaxModule {
		return nil
	}
	return moduleError(src, &core.LimitError{Limit: "module size", Got: uint64(size), Max: uint64(e.config.MaxModule), Unit: "bytes"})
}

// limitError says a meter's limit in the configuration's words.
func limitError(err error) error {
	var l *meter.LimitError
	if !errors.As(err, &l) {
		return err
	}
	switch l.Limit {
	case meter.LimitMemoryPages:
		return &core.LimitError{Limit: "limits.memory", Got: l.Declared * pageSize, Max: l.Allowed * pageSize, Unit: "bytes"}
	case meter.LimitTableElements:
		return &core.LimitError{Limit: "limits.table_elements", Got: l.Declared, Max: l.Allowed, Unit: "elements"}
	default:
		return &core.LimitError{Limit: string(l.Limit), Got: l.Declared, Max: l.Allowed}
	}
}

func moduleError(src core.Source, cause error) error {
	return &core.ModuleError{Source: sourceName(src), Problems: []string{firstLine(cause.Error())}, Cause: cause}
}

func sourceName(src core.Source) string {
	if src.Path != "" {
		return src.Path
	}
	return "module"
}
