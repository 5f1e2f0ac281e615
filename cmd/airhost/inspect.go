package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/airhost/airhost/internal/abi"
	"github.com/airhost/airhost/internal/component"
	"github.com/airhost/airhost/internal/filekind"
	"github.com/airhost/airhost/internal/precompiled"
	"github.com/airhost/airhost/internal/wasi"
	"github.com/airhost/airhost/internal/wasm"
)

// maxModule is the size in bytes of the largest file that inspect reads, which is the
// largest that the engine wazero takes.
const maxModule = 64 << 20

func (p *program) inspectCommand() *cobra.Command {
	var asJSON bool
	command := &cobra.Command{
		Use:   "inspect FILE.wasm",
		Short: "Show what a module imports, exports and declares, and whether it meets the contract",
		Long: `inspect reads a WebAssembly module or component without running it: its imports
and exports with their types, its memory, tables and sizes, what it was produced
with, and whether it meets the contract of wit/airhost.wit, with every shortfall
named. Of a component it shows imports and exports by interface, how many core
modules it has, and what the one core module declares that airhost makes of it.
The exit code is 0 when it meets the contract, 1 when it does not or uses what is
not supported, and 2 when the file is no WebAssembly module.`,
		Example: "  airhost inspect orders.wasm\n  airhost inspect --json orders.wasm | jq .contract.problems",
		Args:    arguments("FILE.wasm"),
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return []string{"wasm", "airhost"}, cobra.ShellCompDirectiveFilterFileExt
		},
		RunE: p.work(func(_ context.Context, args []string) error { return p.inspect(args[0], asJSON) }),
	}
	command.Flags().BoolVar(&asJSON, "json", false, "write JSON for machines")
	return command
}

func (p *program) inspect(path string, asJSON bool) error {
	code, err := readModule(path)
	if err != nil {
		return wrongUse{fmt.Errorf("inspect: %w", err)}
	}
	report := reportOnModule
	if component.Is(code) {
		report = reportOnComponent
	}
	r, err := report(filepath.Base(path), code)
	switch {
	case errors.As(err, new(*wasm.UnsupportedError)):
		return fmt.Errorf("inspect %s: %w", path, err)
	case err != nil:
		return wrongUse{fmt.Errorf("inspect %s: %w", path, filekind.Explain(code, err))}
	}
	if asJSON {
		err = p.writeJSON(r)
	} else {
		_, err = p.stdout.Write(r.text())
	}
	if err == nil && !r.Contract.Met {
		return errReported
	}
	return err
}

// reportOnModule reports on a core module.
func reportOnModule(file string, code []byte) (*moduleReport, error) {
	m, err := wasm.Parse(code)
	var unsupported *wasm.UnsupportedError
	if err == nil {
		err = m.CheckCode()
	}
	if err != nil && (m == nil || !errors.As(err, &unsupported)) {
		return nil, err
	}
	r := newReport(file, len(code), m)
	if unsupported != nil {
		r.unmet(unsupported.Error())
	}
	return r, nil
}

// unmet adds problems for which the contract is not met.
func (r *moduleReport) unmet(problems ...string) {
	r.Contract.Problems = append(r.Contract.Problems, problems...)
	r.Contract.Met, r.Contract.Hint, r.Contract.HTTP = false, "", false
}

// readModule reads a module, or that of a precompiled file.
func readModule(path string) ([]byte, error) {
	file, err := precompiled.Open(precompiled.Path(path), maxModule)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if file != nil {
		return file.Module, nil
	}
	code, size, err := precompiled.ReadFile(path, maxModule)
	if size > maxModule {
		return nil, fmt.Errorf("%s has %d bytes, at most %d can be run", path, size, maxModule)
	}
	return code, err
}

// Bounds of a report: a module may have a million of everything.
const (
	maxListed = 1000 // entries of a list
	maxShown  = 500  // bytes of a name
)

// short returns at most maxShown bytes of a name from the module.
func short(name string) string {
	if len(name) > maxShown {
		name = strings.ToValidUTF8(name[:maxShown], "") + "…"
	}
	return name
}

// listed adds an entry to a list, or counts it as left out of the list of that name.
func listed[T any](r *moduleReport, name string, list []T, entry T) []T {
	if len(list) < maxListed {
		return append(list, entry)
	}
	r.leaveOut(name, 1)
	return list
}

// leaveOut counts n entries as left out of a list.
func (r *moduleReport) leaveOut(list string, n int) {
	switch {
	case n == 0:
		return
	case r.LeftOut == nil:
		r.LeftOut = map[string]int{}
	}
	r.LeftOut[list] += n
}

// moduleReport is the output of inspect.
type moduleReport struct {
	File      string         `json:"file"`
	Size      int            `json:"size"` // in bytes, as all sizes here
	Imports   []moduleItem   `json:"imports"`
	Exports   []moduleItem   `json:"exports"`
	Memories  []memoryReport `json:"memories"`
	Tables    []tableReport  `json:"tables"`
	Counts    countReport    `json:"counts"`
	Start     bool           `json:"start"` // runs code at instantiation
	Customs   []customReport `json:"custom_sections"`
	Producers []producer     `json:"producers"`
	Features  []string       `json:"features"`
	Contract  contractReport `json:"contract"`

	// Component is there for components. Imports and exports are its own then, and the rest is that of the core
	// module which airhost makes of it.
	Component *componentReport `json:"component,omitempty"`

	// LeftOut is how many entries are not in a list, by its name.
	LeftOut map[string]int `json:"left_out,omitempty"`
}

// moduleItem is an import or export.
type moduleItem struct {
	Module string `json:"module,omitempty"`
	Name   string `json:"name"`
	Kind   string `json:"kind"`
	Type   string `json:"type,omitempty"`   // of functions; of a component's in WIT
	Access string `json:"access,omitempty"` // of an import: the capability that it needs, or that it is refused
}

type memoryReport struct {
	Min      uint64  `json:"min"`
	Max      *uint64 `json:"max"` // null where none is declared
	Imported bool    `json:"imported"`
}

type tableReport struct {
	Type     string  `json:"type"`
	Min      uint64  `json:"min"` // in elements
	Max      *uint64 `json:"max"`
	Imported bool    `json:"imported"`
}

type countReport struct {
	Types           int    `json:"types"`
	Functions       int    `json:"functions"` // defined, not imported
	CodeBytes       int    `json:"code_bytes"`
	Globals         int    `json:"globals"`
	DataSegments    uint32 `json:"data_segments"`
	DataBytes       int    `json:"data_bytes"`
	ElementSegments uint32 `json:"element_segments"`
}

type customReport struct {
	Name string `json:"name"`
	Size int    `json:"size"`
}

type contractReport struct {
	Met      bool             `json:"met"`
	Exports  []contractExport `json:"exports"`
	Problems []string         `json:"problems"`
	Hint     string           `json:"hint,omitempty"` // a probable mistake that the contract allows
	HTTP     bool             `json:"http,omitempty"` // it handles requests of HTTP in place of messages
}

// contractExport is one of the contract's exports, and whether the module has
// it.
type contractExport struct {
	Name    string `json:"name"`
	Present bool   `json:"present"`
	Without string `json:"without,omitempty"` // the effect of its absence, if that is allowed
}

const pageSize = 64 << 10

func newReport(file string, size int, m *wasm.Module) *moduleReport {
	r := &moduleReport{
		File: file, Size: size, Start: m.Start != nil,
		Imports: []moduleItem{}, Exports: []moduleItem{}, Memories: []memoryReport{}, Tables: []tableReport{},
		Customs: []customReport{}, Producers: []producer{}, Features: []string{},
		Counts: countReport{
			Types: len(m.Types), Functions: len(m.Functions), Globals: m.Len(wasm.KindGlobal),
			DataSegments: m.Data.Count, DataBytes: len(m.Data.Raw), ElementSegments: m.Elements.Count,
		},
	}
	for _, body := range m.Code {
		r.Counts.CodeBytes += len(body.Expr)
	}
	r.imports(m)
	r.exports(m)
	for _, memory := range m.Memories {
		r.memory(memory, false)
	}
	for _, table := range m.Tables {
		r.table(table, false)
	}
	r.customs(m)
	r.contract(m)
	return r
}

func (r *moduleReport) imports(m *wasm.Module) {
	for _, imp := range m.Imports {
		item := moduleItem{Module: short(imp.Module), Name: short(imp.Name), Kind: imp.Kind.String()}
		switch imp.Kind {
		case wasm.KindFunc:
			item.Type, item.Access = m.Types[imp.Type].String(), access(abi.ModuleName(imp.Module), abi.ImportName(imp.Name))
		case wasm.KindMemory:
			r.memory(imp.Memory, true)
		case wasm.KindTable:
			r.table(imp.Table, true)
		}
		r.Imports = listed(r, "imports", r.Imports, item)
	}
}

// access names the capability without which the host refuses an import. It returns ""
// for an import that every guest may use.
func access(module, name string) string {
	switch {
	case module == abi.HostServices && name == abi.SendMessage:
		return "refused without capabilities.send"
	case module == abi.HostServices && name == abi.SendRequest:
		return "refused without capabilities.request"
	case module == abi.Functions:
		return "refused without capabilities.call, or capabilities.http for airhost/fetch"
	case strings.HasPrefix(module, abi.KeyValue) && !strings.HasPrefix(name, "[resource-drop]"):
		return "refused without capabilities.keyvalue"
	case module == abi.OutgoingHandler && name == "handle":
		return "refused without capabilities.http"
	case module == abi.PubSub:
		return "refused without capabilities.publish"
	case wasi.NeedsFiles(module, name):
		return "refused without capabilities.files"
	case wasi.Refused(module, name):
		return "refused: there are no sockets"
	}
	return ""
}

func (r *moduleReport) exports(m *wasm.Module) {
	types := m.FuncTypes()
	for _, e := range m.Exports {
		item := moduleItem{Name: short(e.Name), Kind: e.Kind.String()}
		if e.Kind == wasm.KindFunc {
			item.Type = m.Types[types[e.Index]].String()
		}
		r.Exports = listed(r, "exports", r.Exports, item)
	}
}

func (r *moduleReport) memory(l wasm.Limits, imported bool) {
	report := memoryReport{Min: l.Min * pageSize, Imported: imported}
	if l.HasMax {
		most := l.Max * pageSize
		report.Max = &most
	}
	r.Memories = listed(r, "memories", r.Memories, report)
}

func (r *moduleReport) table(t wasm.Table, imported bool) {
	report := tableReport{Type: t.Elem.String(), Min: t.Min, Imported: imported}
	if t.HasMax {
		report.Max = &t.Max
	}
	r.Tables = listed(r, "tables", r.Tables, report)
}

// absent is the effect of each export that a module may lack. A module without one of
// the other exports does not meet the contract.
var absent = map[string]string{
	abi.HandleCallback:     "it cannot send requests",
	abi.PostHandleMessage:  "",
	abi.PostHandleCallback: "",
	abi.PostInitialize:     "",
	abi.Initialize:         "it gets no configuration",
	abi.Health:             "it counts as healthy",
	abi.Shutdown:           "it is stopped without being told",
	abi.Save:               "a new version of it starts without its state",
	abi.PostSave:           "",
	abi.Restore:            "",
	abi.PostRestore:        "",
	abi.Start:              "",
}

func (r *moduleReport) contract(m *wasm.Module) {
	present := map[string]bool{}
	for _, e := range m.Exports {
		present[abi.ExportName(e.Name)] = true
	}
	names := []string{abi.Memory}
	for _, f := range abi.Exports() {
		names = append(names, f.Name)
	}
	for _, name := range names {
		if name == abi.HandleHTTP && !present[name] {
			continue // few have it
		}
		e := contractExport{Name: name, Present: present[name]}
		if !e.Present {
			e.Without = absent[name]
		}
		r.Contract.Exports = append(r.Contract.Exports, e)
	}
	r.Contract.Problems = append([]string{}, abi.Check(m)...)
	if r.Contract.Met = len(r.Contract.Problems) == 0; r.Contract.Met {
		r.Contract.Hint, r.Contract.HTTP = abi.Hint(m), abi.HandlesHTTP(m)
	}
}
