package sandbox

import (
	"errors"
	"fmt"
	"os"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/abi"
	"github.com/airhost/airhost/internal/filekind"
	"github.com/airhost/airhost/internal/meter"
	"github.com/airhost/airhost/internal/wasm"
)

const pageSize = 64 << 10

// maxPages keeps a memory's size in bytes below 2^32, so that it fits into the
// 32 bits in which engines tell it.
const maxPages = 1<<16 - 1

// DefaultMaxModule is well above what large programs compile to, in bytes.
const DefaultMaxModule = 64 << 20

// Code is a guest's code, which meets the contract.
type Code struct {
	Module  *wasm.Module
	Traits  core.Traits
	Exports map[string]bool
	Refused string // the global of pages that memory.grow refused, or ""; see [meter.Result]
	Start   string // the export that is its start function, or ""; set by who adds it
	Least   uint64 // the memory's size in bytes

	source core.Source // without the code
	limits core.Limits // of those that shape the code
	most   uint64      // the memory's largest size in bytes that the module declares
	cost   total       // of compiling
}

// load checks a guest's code. Nothing that the code merely declares is allocated. Of
// the limits it uses Memory and Nesting, which it checks only, TableElements and Fuel.
func load(src core.Source, binary []byte, limits core.Limits) (*Code, error) {
	m, err := wasm.Parse(binary)
	if err != nil {
		return nil, ModuleError(src, parseError(filekind.Explain(binary, err)))
	}
	problems := abi.Check(m)
	cost, err := withinBounds(m, limits.WithDefaults().Nesting)
	if errors.As(err, new(*wasm.UnsupportedError)) {
		problems = append(problems, err.Error())
	}
	if len(problems) > 0 {
		return nil, &core.ModuleError{Source: sourceName(src), Problems: problems}
	}
	if err != nil {
		return nil, ModuleError(src, err)
	}
	abi.Resolve(m)
	c := &Code{Module: m, Exports: make(map[string]bool), source: core.Source{Path: src.Path}, limits: limits, cost: cost}
	for _, export := range m.Exports {
		c.Exports[export.Name] = true
	}
	c.Traits = core.Traits{
		Callback: c.Exports[abi.HandleCallback], Management: c.Exports[abi.Initialize],
		Interruptible: true, CountsRunningTime: true, Enforces: core.AllLimits,
	}
	declared := m.Memories[0]
	c.Least, c.most = declared.Min*pageSize, maxPages*pageSize
	if declared.HasMax {
		c.most = min(c.most, declared.Max*pageSize)
	}
	if _, err := c.mostMemory(src, limits); err != nil {
		return nil, err
	}
	return c, c.checkTables(src)
}

// mostMemory returns how large the memory of an instance may become, in bytes. It is no
// part of the code, so that components with several limits share it: instances are held
// to it by their engine.
func (c *Code) mostMemory(src core.Source, limits core.Limits) (uint64, error) {
	limit := uint64(max(limits.Memory, 0)) / pageSize * pageSize
	if least := max(c.Least, pageSize); limit < least {
		return 0, ModuleError(src, &core.LimitError{Limit: "limits.memory", Got: least, Max: uint64(max(limits.Memory, 0)), Unit: "bytes"})
	}
	return min(limit, c.most), nil
}

func (c *Code) checkTables(src core.Source) error {
	for _, table := range c.Module.Tables {
		if least := table.Limits.Min; least > uint64(c.limits.TableElements) {
			return ModuleError(src, &core.LimitError{Limit: "limits.table_elements", Got: least, Max: uint64(c.limits.TableElements), Unit: "elements"})
		}
	}
	return nil
}

// Instrument adds the meter's checks to m, the guest's module, which is not
// changed: fuel where the limits have it, and the limit of tables.
func (c *Code) Instrument(m *wasm.Module) (*meter.Result, error) {
	if !metered {
		bounded := *m
		return &meter.Result{Module: &bounded}, c.Bound(&bounded)
	}
	instrumented, err := meter.Instrument(m, c.meter())
	if err != nil {
		return nil, ModuleError(c.source, limitError(err))
	}
	c.Start, c.Refused = instrumented.StartExport, instrumented.RefusedGlobal
	return instrumented, nil
}

// Bound is for engines that do not instrument: it lowers the maxima that m, the
// guest's module, declares for tables to their limit, and has it pause before what
// takes long.
func (c *Code) Bound(m *wasm.Module) error {
	err := meter.Bound(m, c.meter())
	if err == nil {
		c.Refused, err = meter.AddPauses(m)
	}
	if err != nil {
		return ModuleError(c.source, limitError(err))
	}
	return nil
}

// meter says what is added to the code. What no code can exceed is left out, so that
// the same code is compiled whatever the limit is.
func (c *Code) meter() meter.Config {
	config := meter.Config{Fuel: c.limits.Fuel > 0, Stack: true}
	if c.cost.growsTables {
		config.MaxTableElements = c.limits.TableElements
	}
	return config
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
