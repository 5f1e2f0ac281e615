package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/airhost/airhost/internal/wasm"
)

// text renders the report for a reader. Names come from the module, so that they
// are printed only in a printable form.
func (r *moduleReport) text() []byte {
	var b bytes.Buffer
	if r.Component == nil {
		fmt.Fprintf(&b, "%s: a core WebAssembly module of %s\n", printable(r.File), bytesText(uint64(r.Size)))
	} else {
		fmt.Fprintf(&b, "%s: a WebAssembly component of %s: %s\n", printable(r.File), bytesText(uint64(r.Size)), printable(r.Component.Shape))
	}
	r.writeItems(&b, "imports", r.Imports)
	r.writeItems(&b, "exports", r.Exports)
	if len(r.Memories) > 0 || r.Component == nil {
		r.writeDeclared(&b)
	}
	r.writeOrigin(&b)
	r.writeContract(&b)
	return b.Bytes()
}

// writeItems writes imports or exports, those of a module or interface below its name.
func (r *moduleReport) writeItems(b *bytes.Buffer, title string, items []moduleItem) {
	fmt.Fprintf(b, "\n%s%s\n", title, orNone(len(items)))
	rows := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	grouped := title == "imports" || r.Component != nil
	module, indent := "", "  "
	for i, item := range items {
		if grouped && (i == 0 || item.Module != module) {
			module, indent = item.Module, "    "
			fmt.Fprintf(rows, "  %s\n", r.group(module))
		}
		fmt.Fprintf(rows, "%s%s\t%s%s\n", indent, printable(item.Name), item.signature(), item.access())
	}
	_ = rows.Flush() // into memory
	r.writeLeftOut(b, title)
}

// group is the line above the items of a module or interface.
func (r *moduleReport) group(name string) string {
	if name == "" && r.Component != nil {
		return "in no interface"
	}
	return printable(name)
}

// writeLeftOut writes the number of a list's entries that are not in the report.
func (r *moduleReport) writeLeftOut(b *bytes.Buffer, list string) {
	if n := r.LeftOut[list]; n > 0 {
		fmt.Fprintf(b, "  … %s more\n", wasm.Grouped(n))
	}
}

func (i *moduleItem) signature() string {
	if i.Kind == kindWIT {
		return printable(i.Type)
	}
	return strings.TrimSpace(i.Kind + " " + i.Type)
}

func (i *moduleItem) access() string {
	if i.Access == "" {
		return ""
	}
	return "\t" + i.Access
}

func orNone(n int) string {
	if n == 0 {
		return ": none"
	}
	return ""
}

func (r *moduleReport) writeDeclared(b *bytes.Buffer) {
	fmt.Fprint(b, "\ndeclares\n")
	for _, m := range r.Memories {
		fmt.Fprintf(b, "  memory     %s%s%s\n", bytesText(m.Min), most(m.Max, bytesText), imported(m.Imported))
	}
	r.writeLeftOut(b, "memories")
	plain := func(n uint64) string { return fmt.Sprint(n) }
	for _, t := range r.Tables {
		fmt.Fprintf(b, "  table      %d elements of %s%s%s\n", t.Min, t.Type, most(t.Max, plain), imported(t.Imported))
	}
	r.writeLeftOut(b, "tables")
	c := r.Counts
	fmt.Fprintf(b, "  functions  %d, %s of code\n", c.Functions, bytesText(uint64(c.CodeBytes)))
	fmt.Fprintf(b, "  data       %d segments, %s\n", c.DataSegments, bytesText(uint64(c.DataBytes)))
	fmt.Fprintf(b, "  others     %d types, %d globals, %d element segments\n", c.Types, c.Globals, c.ElementSegments)
	if r.Start {
		fmt.Fprint(b, "  start      runs code as soon as it is instantiated\n")
	}
}

func most(limit *uint64, text func(uint64) string) string {
	if limit == nil {
		return ", no maximum"
	}
	return ", at most " + text(*limit)
}

func imported(yes bool) string {
	if yes {
		return ", imported"
	}
	return ""
}

func (r *moduleReport) writeOrigin(b *bytes.Buffer) {
	if len(r.Customs) > 0 {
		fmt.Fprint(b, "\ncustom sections\n")
		for _, c := range r.Customs {
			fmt.Fprintf(b, "  %s, %s\n", printable(c.Name), bytesText(uint64(c.Size)))
		}
		r.writeLeftOut(b, "custom_sections")
	}
	if len(r.Producers) > 0 {
		fmt.Fprint(b, "\nproduced with\n")
		for _, p := range r.Producers {
			name := strings.TrimSpace(p.Name + " " + p.Version)
			fmt.Fprintf(b, "  %s: %s\n", printable(p.Field), printable(name))
		}
	}
	if len(r.Features) > 0 {
		fmt.Fprintf(b, "\nfeatures\n  %s\n", printable(strings.Join(r.Features, ", ")))
	}
}

func (r *moduleReport) writeContract(b *bytes.Buffer) {
	fmt.Fprint(b, "\ncontract airhost:core@0.1.0\n")
	for _, e := range r.Contract.Exports {
		switch {
		case r.Contract.wrong(e.Name): // said below
		case e.Present:
			fmt.Fprintf(b, "  ✓ has %s\n", e.Name)
		case e.Without != "":
			fmt.Fprintf(b, "  - has no %s: %s\n", e.Name, e.Without)
		}
	}
	for _, problem := range r.Contract.Problems {
		fmt.Fprintf(b, "  ✗ wrong: %s\n", printable(problem))
	}
	if r.Contract.HTTP {
		fmt.Fprint(b, "  ! it handles requests of HTTP, and no other messages: a route to it has pattern: http\n")
	}
	if r.Contract.Hint != "" {
		fmt.Fprintf(b, "  ! %s\n", r.Contract.Hint)
	}
	if r.Contract.Met {
		fmt.Fprint(b, "it meets the contract\n")
	} else {
		fmt.Fprint(b, "it does not meet the contract\n")
	}
}

// wrong reports whether a problem is about the export.
func (c *contractReport) wrong(name string) bool {
	return slices.ContainsFunc(c.Problems, func(problem string) bool {
		return strings.HasPrefix(problem, "export "+name+" ")
	})
}

// bytesText writes a number of bytes for a reader.
func bytesText(n uint64) string {
	for _, unit := range []struct {
		name string
		size uint64
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if n >= unit.size {
			return strings.Replace(fmt.Sprintf("%.1f %s", float64(n)/float64(unit.size), unit.name), ".0 ", " ", 1)
		}
	}
	return fmt.Sprintf("%d bytes", n)
}
