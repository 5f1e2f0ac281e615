package metertest

import (
	"bytes"
	"context"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/experimental"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/airhost/airhost/internal/meter"
)

// program builds testdata/program for WASI.
func program(t testing.TB) []byte {
	t.Helper()
	if testing.Short() {
		t.Skip("builds a Go program")
	}
	file := filepath.Join(t.TempDir(), "program.wasm")
	cmd := exec.Command("go", "build", "-o", file, "../testdata/program/main.go")
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return read(t, file)
}

// prepared returns a function that runs res, a program, on a new instance and returns its
// output.
func prepared(t testing.TB, res *meter.Result, rounds string) func() string {
	t.Helper()
	ctx := context.Background()
	rt := newRuntime(t, wazero.NewRuntimeConfigCompiler)
	wasi_snapshot_preview1.MustInstantiate(ctx, rt)
	y := &yielder{fuel: true, stack: 1 << 40, slice: meter.Slice, pool: math.MaxInt64 / 2}
	provide(t, rt, y, func() {})
	code, err := rt.CompileModule(ctx, res.Module.Encode())
	if err != nil {
		t.Fatal(err)
	}
	return func() string {
		var out bytes.Buffer
		mod, err := rt.InstantiateModule(ctx, code, wazero.NewModuleConfig().WithName("").
			WithArgs("program", rounds).WithStdout(&out).WithStartFunctions())
		if err != nil {
			t.Fatal(err)
		}
		defer mod.Close(ctx)
		if _, err := mod.ExportedFunction("_start").Call(ctx); err != nil && err.Error() != "module closed with exit_code(0)" {
			t.Fatal(err)
		}
		return out.String()
	}
}

func TestProgramGivesTheSameOutput(t *testing.T) {
	bin := program(t)
	want := prepared(t, plain(bin), "2")()
	for _, k := range configs {
		if got := prepared(t, instrument(t, bin, k.cfg), "2")(); got != want || want == "" {
			t.Errorf("%s: got output %q, want %q", k.name, got, want)
		}
	}
}

// BenchmarkProgram compares a plain and an instrumented program.
func BenchmarkProgram(b *testing.B) {
	var variants []func()
	for _, res := range instrumented(b, program(b)) {
		run := prepared(b, res, "4")
		variants = append(variants, func() { run() })
	}
	compare(b, variants)
}

// BenchmarkRewrite measures the part of loading that Instrument takes.
func BenchmarkRewrite(b *testing.B) {
	bin := program(b)
	for _, k := range configs {
		b.Run(k.name, func(b *testing.B) {
			for b.Loop() {
				instrument(b, bin, k.cfg).Module.Encode()
			}
		})
	}
}

// BenchmarkLoad compares loading a plain and an instrumented program, from its bytes to
// compiled code, on all processors.
func BenchmarkLoad(b *testing.B) {
	bin := program(b)
	load := func(code []byte) {
		rt := newRuntime(b, wazero.NewRuntimeConfigCompiler)
		ctx := experimental.WithCompilationWorkers(context.Background(), runtime.GOMAXPROCS(0))
		if _, err := rt.CompileModule(ctx, code); err != nil {
			b.Fatal(err)
		}
		rt.Close(context.Background())
	}
	variants := []func(){func() { load(bin) }}
	for _, k := range configs {
		variants = append(variants, func() { load(instrument(b, bin, k.cfg).Module.Encode()) })
	}
	compare(b, variants)
}
