package wit

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/wasm"
)

// describe writes a type with all that it is made of.
func describe(t *Type) string {
	if t == nil {
		return "_"
	}
	var of []string
	for _, e := range t.Of {
		of = append(of, describe(e))
	}
	return fmt.Sprintf("%d%s/%d(%s)", t.Kind, t.Resource, t.Count, strings.Join(of, ","))
}

func signatureOf(params []*Type, result *Type) string {
	return describe(&Type{Kind: Tuple, Of: append(slices.Clone(params), result)})
}

// leftOut are interfaces of the texts that are unstable, or exports of a guest.
var leftOut = []string{"wasi:clocks/timezone", "wasi:cli/run", "wasi:http/incoming-handler"}

// TestTable: the table has all interfaces of WASI's own texts, with all functions and
// their types, and no more.
func TestTable(t *testing.T) {
	x := readTexts(t)
	want, got := map[string]string{}, map[string]string{}
	for in, funcs := range x.funcs {
		if slices.Contains(leftOut, in) {
			continue
		}
		for _, f := range funcs {
			params := makeAll(f.params)
			if f.self != nil {
				params = append([]*Type{f.self}, params...)
			}
			var result *Type
			if f.result != nil {
				result = f.result()
			}
			want[in+" "+f.name] = signatureOf(params, result)
		}
	}
	for _, in := range Interfaces() {
		if strings.HasPrefix(in.Name, "wasi:keyvalue/") || strings.HasPrefix(in.Name, "wasi:config/") {
			continue // the texts do not have it: TestDrafts
		}
		for _, f := range in.Funcs {
			got[f.Interface+" "+f.Name] = signatureOf(f.Params, f.Result)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if got[name] != want[name] {
			t.Errorf("%s:\ngot  %s\nwant %s", name, got[name], want[name])
		}
		delete(got, name)
	}
	for name := range got {
		t.Errorf("%s is in the table only", name)
	}
	if len(want) < 200 {
		t.Errorf("the texts have %d functions", len(want))
	}
}

// TestDrafts: the functions of wasi:keyvalue and wasi:config have the core types that wit-component
// gives them.
func TestDrafts(t *testing.T) {
	want := map[string]string{
		"open": "(i32, i32, i32) -> ()", "[resource-drop]bucket": "(i32) -> ()",
		"[method]bucket.get": "(i32, i32, i32, i32) -> ()", "[method]bucket.set": "(i32, i32, i32, i32, i32, i32) -> ()",
		"[method]bucket.delete": "(i32, i32, i32, i32) -> ()", "[method]bucket.exists": "(i32, i32, i32, i32) -> ()",
		"[method]bucket.list-keys": "(i32, i32, i32, i32, i32) -> ()",
		"increment":                "(i32, i32, i32, i64, i32) -> ()", "[static]cas.new": "(i32, i32, i32, i32) -> ()",
		"get": "(i32, i32, i32) -> ()", "get-all": "(i32) -> ()",
		"[method]cas.current": "(i32, i32) -> ()", "swap": "(i32, i32, i32, i32) -> ()", "[resource-drop]cas": "(i32) -> ()",
		"get-many": "(i32, i32, i32, i32) -> ()", "set-many": "(i32, i32, i32, i32) -> ()", "delete-many": "(i32, i32, i32, i32) -> ()",
	}
	got := map[string]string{}
	for _, name := range []string{"wasi:keyvalue/store", "wasi:keyvalue/atomics", "wasi:keyvalue/batch", "wasi:config/store"} {
		for _, f := range Find(name).Funcs {
			got[f.Name] = f.Core.String()
		}
	}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestCases: the host's names of cases are those of WASI's own texts.
func TestCases(t *testing.T) {
	x := readTexts(t)
	for name, number := range map[string]int{
		"wasi:io/streams stream-error last-operation-failed": StreamFailed,
		"wasi:io/streams stream-error closed":                StreamClosed,
		"wasi:sockets/network error-code access-denied":      SocketAccessDenied,
		"wasi:http/types header-error invalid-syntax":        HeaderInvalidSyntax,
		"wasi:http/types header-error forbidden":             HeaderForbidden,
		"wasi:http/types header-error immutable":             HeaderImmutable,
		"wasi:http/types method get":                         MethodGet,
		"wasi:http/types method other":                       MethodOther,
		"wasi:http/types scheme HTTP":                        SchemeHTTP,
		"wasi:http/types scheme HTTPS":                       SchemeHTTPS,
		"wasi:http/types scheme other":                       SchemeOther,
	} {
		of, label := name[:strings.LastIndexByte(name, ' ')], name[strings.LastIndexByte(name, ' ')+1:]
		if cases := x.cases[of]; number >= len(cases) || cases[number] != label {
			t.Errorf("%s is not number %d of %q", name, number, cases)
		}
	}
	for number, name := range x.cases["wasi:http/types method"][:MethodOther] {
		if !strings.EqualFold(name, Methods[number]) {
			t.Errorf("the method %d is %s, want %s", number, Methods[number], name)
		}
	}
	codes := x.cases["wasi:http/types error-code"]
	for number, name := range codes {
		if got := core.HTTPErrorCode(number).String(); got != name && got != fmt.Sprintf("error-code(%d)", number) {
			t.Errorf("the error-code %d is %s, want %s", number, got, name)
		}
	}
	if last := len(codes) - 1; int(core.HTTPInternalError) != last {
		t.Errorf("the last error-code is %d", last)
	}
}

// TestRealImports: components that tools have made import no function of WASI 0.2 that
// is not in the table, and by the table's core types.
func TestRealImports(t *testing.T) {
	seen := map[string]bool{}
	err := filepath.WalkDir(filepath.Join(sourceDir(t), "imports/wasip2/testdata"), func(path string, _ os.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".component.wasm") {
			return err
		}
		binary, err := os.ReadFile(path)
		for _, core := range coreModules(binary) {
			m, err := wasm.Parse(core)
			if err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
			for _, imp := range m.Imports {
				if strings.HasPrefix(imp.Module, "wasi:") && imp.Kind == wasm.KindFunc {
					seen[imp.Module+" "+imp.Name] = true
					checkImport(t, imp, m.Types[imp.Type])
				}
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(seen) < 50 {
		t.Errorf("the components import %d functions", len(seen))
	}
}

func checkImport(t *testing.T, imp wasm.Import, got wasm.FuncType) {
	t.Helper()
	name, _, _ := strings.Cut(imp.Module, "@")
	if slices.Contains(leftOut, name) {
		return
	}
	in := Find(name)
	if in == nil {
		t.Errorf("%s is unknown", imp.Module)
		return
	}
	for _, f := range in.Funcs {
		if f.Name == imp.Name {
			if !f.Core.Equal(got) {
				t.Errorf("%s %s: the table has %s, the module %s", imp.Module, imp.Name, f.Core, got)
			}
			return
		}
	}
	t.Errorf("%s %s is unknown", imp.Module, imp.Name)
}

// coreModules returns the core modules in a component and in the components within it.
func coreModules(binary []byte) (found [][]byte) {
	for rest := binary[8:]; len(rest) > 0; {
		id, size, shift := rest[0], 0, 0
		for rest = rest[1:]; ; shift += 7 {
			b := rest[0]
			rest = rest[1:]
			if size |= int(b&0x7f) << shift; b < 0x80 {
				break
			}
		}
		switch id {
		case 1:
			found = append(found, rest[:size])
		case 4:
			found = append(found, coreModules(rest[:size])...)
		}
		rest = rest[size:]
	}
	return found
}

// TestLayout checks sizes, alignments and core values against the canonical ABI.
func TestLayout(t *testing.T) {
	p := &parser{named: map[string]*Type{}, owned: map[string]bool{"r": true}}
	for text, want := range map[string]string{
		"bool":                  "1/1 [i32]",
		"u16":                   "2/2 [i32]",
		"u64":                   "8/8 [i64]",
		"list<u8>":              "8/4 [i32 i32]",
		"r":                     "4/4 [i32]",
		"tuple<>":               "0/1 []",
		"tuple<u8, u64, u8>":    "24/8 [i32 i64 i32]",
		"enum<256>":             "1/1 [i32]",
		"enum<257>":             "2/2 [i32]",
		"flags<9>":              "2/2 [i32]",
		"flags<17>":             "4/4 [i32]",
		"result":                "1/1 [i32]",
		"option<u8>":            "2/1 [i32 i32]",
		"option<u64>":           "16/8 [i32 i64]",
		"result<u64, enum<37>>": "16/8 [i32 i64]",
		"result<string, u64>":   "16/8 [i32 i64 i32]",
		"variant<_, tuple<u32, u64>, tuple<u64>>": "24/8 [i32 i64 i64]",
	} {
		p.rest = text
		got := p.typ()
		if describe := fmt.Sprintf("%d/%d %v", got.Size, got.Align, got.Flat); describe != want || p.rest != "" {
			t.Errorf("%s: got %s, want %s", text, describe, want)
		}
	}
}

// TestManyParameters: no function takes its parameters in memory, for which no caller is
// ready, and one that would is given one address.
func TestManyParameters(t *testing.T) {
	for _, in := range Interfaces() {
		for _, f := range in.Funcs {
			n := 0
			for _, p := range f.Params {
				n += len(p.Flat)
			}
			if n > maxFlatParams {
				t.Errorf("%s %s has %d parameters", f.Interface, f.Name, n)
			}
		}
	}
	f := &Func{Params: slices.Repeat([]*Type{word("u64")}, 17), Result: word("string")}
	if f.lower(); f.Core.String() != "(i32, i32) -> ()" || !f.InMemory {
		t.Errorf("got %s", f.Core)
	}
}
