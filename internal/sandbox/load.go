package sandbox

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
// 32 bits in which engines tell it.
const maxPages = 1<<16 - 1

// maxNesting bounds how deep blocks are nested in a function, since compilers
// take time in proportion to the square: wazero's half a second for 1,000 nested
// loops, half a minute for 10,000. Programs compiled by Go, which nests
// deeper than others, reach some hundreds, and a few giants thousands.
const maxNesting = 3000

// DefaultMaxModule is well above what large programs compile to, in bytes.
const DefaultMaxModule = 64 << 20

// Code is a guest's code, which meets the contract and its limits.
type Code struct {
	Module      *wasm.Module
	Traits      core.Traits
	Exports     map[string]bool
	Start       string // the export that is its start function, or ""; set by who adds it
	Least, Most uint64 // the memory's sizes in bytes

	source core.Source
	pages  uint32 // that the memory may have
	limits core.Limits
	cost   total // of compiling
}

// Load reads and checks a guest's code of at most maxModule bytes: src.Code or,
// where that is nil, the file at src.Path. Nothing that the code merely declares
// is allocated. Of the limits it uses Memory, TableElements and Fuel.
func Load(src core.Source, limits core.Limits, maxModule int64) (*Code, error) {
	code, err := read(src, maxModule)
	if err != nil {
		return nil, err
	}
	m, err := wasm.Parse(code)
	if err != nil {
		return nil, ModuleError(src, parseError(err))
	}
	if problems := abi.Check(m); len(problems) > 0 {
		return nil, &core.ModuleError{Source: sourceName(src), Problems: problems}
	}
	cost, err := withinBounds(m)
	if err != nil {
		return nil, ModuleError(src, err)
	}
	if limits.Memory < pageSize {
		return nil, ModuleError(src, &core.LimitError{Limit: "limits.memory", Got: pageSize, Max: uint64(max(limits.Memory, 0)), Unit: "bytes"})
	}
	if limits.Stack < meter.StackSlice {
		return nil, ModuleError(src, &core.LimitError{Limit: "limits.stack", Got: meter.StackSlice, Max: uint64(max(limits.Stack, 0)), Unit: "bytes"})
	}
	c := &Code{Module: m, Exports: make(map[string]bool), source: src, limits: limits, cost: cost}
	for _, export := range m.Exports {
		c.Exports[export.Name] = true
	}
	c.Traits = core.Traits{
		Callback: c.Exports[abi.HandleCallback], Management: c.Exports[abi.Initialize],
		Interruptible: true, CountsRunningTime: true, Enforces: core.AllLimits,
	}
	c.pages = uint32(min(limits.Memory/pageSize, maxPages))
	declared := m.Memories[0]
	c.Least, c.Most = declared.Min*pageSize, uint64(c.pages)*pageSize
	if declared.HasMax {
		c.Most = min(c.Most, declared.Max*pageSize)
	}
	return c, nil
}

// Instrument adds the meter's checks to m, the guest's module, which is not
// changed: fuel where the limits have it, and the limits of memory and tables.
func (c *Code) Instrument(m *wasm.Module) (*meter.Result, error) {
	if !metered {
		bounded := *m
		return &meter.Result{Module: &bounded}, c.Bound(&bounded)
	}
	instrumented, err := meter.Instrument(m, c.meter())
	if err != nil {
		return nil, ModuleError(c.source, limitError(err))
	}
	c.Start = instrumented.StartExport
	return instrumented, nil
}

// Bound is for engines that do not instrument: it lowers the maxima that m, the
// guest's module, declares to the limits of memory and tables, and has it pause before
// what takes long.
func (c *Code) Bound(m *wasm.Module) error {
	err := meter.Bound(m, c.meter())
	if err == nil {
		err = meter.AddPauses(m)
	}
	if err != nil {
		return ModuleError(c.source, limitError(err))
	}
	return nil
}

func (c *Code) meter() meter.Config {
	return meter.Config{
		Fuel:             c.limits.Fuel > 0,
		MaxMemoryPages:   c.pages,
		MaxTableElements: c.limits.TableElements,
		MaxNesting:       maxNesting,
		Stack:            true,
	}
}

// read returns the code, whose size it checks before it is in memory.
func read(src core.Source, most int64) ([]byte, error) {
	if src.Code != nil {
		return src.Code, checkSize(src, int64(len(src.Code)), most)
	}
	info, err := os.Stat(src.Path)
	if err != nil {
		return nil, fmt.Errorf("read a module: %w", err)
	}
	if err := checkSize(src, info.Size(), most); err != nil {
		return nil, err
	}
	code, err := os.ReadFile(src.Path)
	if err != nil {
		return nil, fmt.Errorf("read a module: %w", err)
	}
	return code, nil
}

func checkSize(src core.Source, size, most int64) error {
	if size <= most {
		return nil
	}
	return ModuleError(src, &core.LimitError{Limit: "module size", Got: uint64(size), Max: uint64(most), Unit: "bytes"})
}

// parseError says a bound of package wasm in the core's words.
func parseError(err error) error {
	var l *wasm.LimitError
	if !errors.As(err, &l) {
		return err
	}
	return &core.LimitError{Limit: l.Limit, Got: l.Got, Max: l.Max}
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

// maxProblem is how much of what an engine says about a module is kept, in bytes.
const maxProblem = 1 << 10

// ModuleError says that src is no good, and why.
func ModuleError(src core.Source, cause error) error {
	return &core.ModuleError{Source: sourceName(src), Problems: []string{clip(FirstLine(cause.Error()), maxProblem)}, Cause: cause}
}

func sourceName(src core.Source) string {
	if src.Path != "" {
		return src.Path
	}
	return "module"
}
