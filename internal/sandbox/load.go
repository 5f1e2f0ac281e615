package sandbox

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/abi"
	"github.com/airhost/airhost/internal/component"
	"github.com/airhost/airhost/internal/filekind"
	"github.com/airhost/airhost/internal/meter"
	"github.com/airhost/airhost/internal/precompiled"
	"github.com/airhost/airhost/internal/wasm"
)

const pageSize = 64 << 10

// maxPages keeps the size of a memory below 2^32 bytes, since engines report it in
// 32 bits.
const maxPages = 1<<16 - 1

// DefaultMaxModule, in bytes, is well above the size of large compiled programs.
const DefaultMaxModule = 64 << 20

// Code is a guest's code that has passed the checks of the contract.
type Code struct {
	Module  *wasm.Module
	Traits  core.Traits
	Exports map[string]bool
	Refused string // the global that counts the pages which memory.grow refused, or ""; see [meter.Result]
	Start   string // the export for the start function, or ""; set by the code that adds the export
	Least   uint64 // minimum size of the memory, in bytes

	// Precompiled is the file that the module comes from, or nil. It may have code for the
	// engine, which offers it to its cache.
	Precompiled *precompiled.File

	source core.Source // Path only
	limits core.Limits // only those that change the compiled code are used
	most   uint64      // the maximum size of the memory that the module declares, in bytes
	cost   total       // of compiling the module
}

// load checks a guest's code, which is a core module or a component. It never allocates by a size that the code declares.
// It checks limits.Memory and limits.Nesting, and keeps TableElements and Fuel for
// the instrumentation; it ignores the other limits.
func load(src core.Source, binary []byte, limits core.Limits) (*Code, error) {
	binary, err := coreModule(src, binary)
	if err != nil {
		return nil, err
	}
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
	http := abi.AddHandler(m)
	c := &Code{Module: m, Exports: make(map[string]bool), source: core.Source{Path: src.Path}, limits: limits, cost: cost}
	for _, export := range m.Exports {
		c.Exports[export.Name] = true
	}
	c.Traits = core.Traits{
		Callback: c.Exports[abi.HandleCallback], Management: c.Exports[abi.Initialize], State: c.Exports[abi.Save], HTTP: http,
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

// coreModule takes the core module out of a component. It returns other binaries as they
// are. Caches of compiled code have hashes of the instrumented module as their keys, so that
// they need not know components.
func coreModule(src core.Source, binary []byte) ([]byte, error) {
	if !component.Is(binary) {
		return binary, nil
	}
	binary, err := component.Core(binary)
	var contract *component.ContractError
	switch {
	case errors.As(err, &contract):
		return nil, &core.ModuleError{Source: sourceName(src), Problems: contract.Problems, Cause: err}
	case err != nil:
		return nil, ModuleError(src, err)
	}
	return binary, nil
}

// mostMemory returns the maximum size of an instance's memory, in bytes. The size is
// not part of the code, so components with different memory limits share compiled
// code. The engine enforces the size on each instance.
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

// Instrument adds the meter's checks to a copy of m, the guest's module: checks of
// fuel, if the limits bound it, of the stack, and of the size of tables.
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

// Bound is for engines that do not instrument. It lowers the maxima that m, the
// guest's module, declares for tables to the limit, and adds a call of the host
// before instructions that take long.
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

// meter returns the checks to add. It leaves out a check that this code can never
// fail, so components with different limits share the compiled code.
func (c *Code) meter() meter.Config {
	config := meter.Config{Fuel: c.limits.Fuel > 0, Stack: true}
	if c.cost.growsTables {
		config.MaxTableElements = c.limits.TableElements
	}
	return config
}

// contents is a guest's module as its source has it.
type contents struct {
	code        []byte
	sum         [sha256.Size]byte // of code
	precompiled *precompiled.File // nil for a plain module
}

// read returns the module of a source, which has the source's checksum. It checks the size
// before it reads the file. Of a precompiled file it reads the module alone.
func read(src core.Source, most int64) (contents, error) {
	file, err := precompiledFile(src, most)
	if err != nil {
		return contents{}, err
	}
	var b contents
	if file != nil {
		b = contents{code: file.Module, sum: sha256.Sum256(file.Module), precompiled: file}
	} else {
		code, err := bytesOf(src, most)
		if err != nil {
			return contents{}, err
		}
		b = contents{code: code, sum: sha256.Sum256(code)}
	}
	if len(src.SHA256) == 0 {
		return b, nil
	}
	sum := b.sum
	if file != nil {
		if sum, err = file.Sum(); err != nil {
			return b, ModuleError(src, err)
		}
	}
	if !bytes.Equal(src.SHA256, sum[:]) {
		return b, ModuleError(src, fmt.Errorf("its SHA-256 is not the expected one: got %x, want %x", sum, src.SHA256))
	}
	return b, nil
}

// precompiledFile opens a source that is a precompiled file. It returns nil for others.
func precompiledFile(src core.Source, most int64) (*precompiled.File, error) {
	from := precompiled.Memory(src.Code)
	if src.Code == nil {
		from = precompiled.Path(src.Path)
	}
	file, err := precompiled.Open(from, most)
	var large *precompiled.TooLargeError
	switch {
	case errors.As(err, &large):
		return nil, checkSize(src, large.Size, most)
	case errors.As(err, new(*fs.PathError)):
		return nil, fmt.Errorf("read a module: %w", err)
	case err != nil:
		return nil, ModuleError(src, err)
	}
	return file, nil
}

func bytesOf(src core.Source, most int64) ([]byte, error) {
	if src.Code != nil {
		return src.Code, checkSize(src, int64(len(src.Code)), most)
	}
	code, size, err := precompiled.ReadFile(src.Path, most)
	if err != nil {
		return nil, fmt.Errorf("read a module: %w", err)
	}
	return code, checkSize(src, size, most)
}

func checkSize(src core.Source, size, most int64) error {
	if size <= most {
		return nil
	}
	return ModuleError(src, &core.LimitError{Limit: "module size", Got: uint64(size), Max: uint64(most), Unit: "bytes"})
}

// parseError turns an error of package wasm about a limit into one of package core.
func parseError(err error) error {
	var l *wasm.LimitError
	if !errors.As(err, &l) {
		return err
	}
	return &core.LimitError{Limit: l.Limit, Got: l.Got, Max: l.Max}
}

// limitError turns an error of package meter about a limit into one with the
// configuration's name of the limit.
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

// maxProblem is the longest text of an engine about a module that the host keeps, in
// bytes.
const maxProblem = 1 << 10

// ModuleError returns an error about src with the text of cause.
func ModuleError(src core.Source, cause error) error {
	return &core.ModuleError{Source: sourceName(src), Problems: []string{clip(FirstLine(cause.Error()), maxProblem)}, Cause: cause}
}

func sourceName(src core.Source) string {
	if src.Path != "" {
		return src.Path
	}
	return "module"
}
