package sandbox

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/bombs"
	"github.com/airhost/airhost/internal/wasm"
)

func loads(code []byte) (*Code, error) {
	return load(core.Source{}, code, core.Limits{}.WithDefaults())
}

// TestBoundsAreHit: each bound refuses a bomb above it and accepts one below it.
func TestBoundsAreHit(t *testing.T) {
	kinds := map[string]bombs.Kind{}
	for _, kind := range bombs.Kinds() {
		kinds[kind.Name] = kind
	}
	for _, c := range []struct {
		kind      string
		met, over int
		limit     string
	}{
		{"locals-read-after-branches", 700, 2000, "compile cost of a function"},
		{"parameters-of-calls", 280, 2000, "compile cost of a function"},
		{"memory-grow", 5000, 500_000, "compile cost of a function"},
		{"branches-out-of-one-block", 5000, 16_000, "compile cost of a function"},
		{"nested-blocks", 5000, 10_001, "limits.nesting"},
		{"branches-back-to-a-loop-with-a-jump-table", 7000, 9990, "compile cost of a function"},
		{"locals-in-functions", 50, 12_000, "compile cost"},
		{"functions", 60_000, 100_000, "compile cost"},
		{"many-branches-in-functions", 2, 8, "compile cost of branches and values"},
		{"tables", 100, 101, "tables"},
		{"data-segments", 99_990, 100_001, "data segments"},
		{"element-segments", 99_990, 100_001, "element segments"},
		{"shuffles", 24_000, 600_000, "code"},
	} {
		kind := kinds[c.kind]
		if _, err := loads(kind.Make(c.met).Encode()); err != nil {
			t.Errorf("%s %d: %v", c.kind, c.met, err)
		}
		_, err := loads(kind.Make(c.over).Encode())
		var got *core.LimitError
		if !errors.As(err, &got) || got.Limit != c.limit {
			t.Errorf("%s %d: got %v, want the limit %q", c.kind, c.over, err, c.limit)
		}
	}
}

// TestUnsupportedCodeIsNamed: the error names the unsupported feature next to the
// broken rule of the contract, before any engine gets the module, and nothing
// panics.
func TestUnsupportedCodeIsNamed(t *testing.T) {
	for want, code := range map[string][]byte{
		"exceptions":                {0x1f, 0x40, 0, 0x0b, 0x0b},
		"exceptions (legacy)":       {0x06, 0x40, 0x19, 0x0b, 0x0b},
		"relaxed SIMD instructions": {0xfd, 0x80, 0x02, 0x0b},
		"threads":                   {0xfe, 0x03, 0, 0x0b},
		"typed function references": {0x14, 0, 0x0b},
	} {
		m := bombs.Kinds()[0].Make(1)
		m.Code = append(m.Code, wasm.Code{Expr: code})
		m.Functions = append(m.Functions, 1)
		m.Exports = m.Exports[:len(m.Exports)-1]
		_, err := loads(m.Encode())
		var got *core.ModuleError
		if !errors.As(err, &got) || len(got.Problems) != 2 || !strings.Contains(got.Problems[1], "it uses "+want+", which are not supported: ") {
			t.Errorf("%s: got %v", want, err)
		}
	}
}

// TestBoundNamesTheFunction: the error names the function, with control characters
// escaped.
func TestBoundNamesTheFunction(t *testing.T) {
	m := bombs.Kinds()[slices.IndexFunc(bombs.Kinds(), func(k bombs.Kind) bool { return k.Name == "nested-blocks" })].Make(13_045)
	name := "\x1b[2J" + strings.Repeat("x", 1000)
	names := append(wasm.AppendIndex([]byte{1, 2}, uint32(len(name))), name...)
	m.Customs = []wasm.Custom{{Name: "name", Data: append(wasm.AppendIndex([]byte{1}, uint32(len(names))), names...), After: 11}}
	_, err := loads(m.Encode())
	if err == nil || !strings.Contains(err.Error(), `function 2, "\x1b[2Jxxx`) || !strings.HasSuffix(err.Error(), `…: limits.nesting: 13045 nested blocks where 10000 nested blocks are allowed`) {
		t.Errorf("got %v", err)
	}
}

// TestRealGuestsHaveRoom: a guest compiled by Go stays below a tenth of each bound,
// and below a fifth of the bound on the whole code.
func TestRealGuestsHaveRoom(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds a guest")
	}
	file := filepath.Join(t.TempDir(), "hello.wasm")
	build := exec.CommandContext(t.Context(), "go", "build", "-buildmode=c-shared", "-o", file, "../../examples/hello/wasm")
	build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	guest, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	code, err := loads(guest)
	if err != nil {
		t.Fatal(err)
	}
	if c := code.cost; c.largest > maxFunctionCost/10 || c.cost() > maxCost/5 || c.products > maxProducts/10 {
		t.Errorf("it is nearer to the bounds than that: %+v", c)
	}
}

// TestCompilationWorkers: large functions are compiled one by one.
func TestCompilationWorkers(t *testing.T) {
	small, large := &Code{}, &Code{cost: total{largest: maxFunctionCost}}
	if n := large.CompilationWorkers(); n != 1 {
		t.Errorf("a large function is compiled beside %d others", n-1)
	}
	if n := small.CompilationWorkers(); n < 1 {
		t.Errorf("%d workers", n)
	}
}
