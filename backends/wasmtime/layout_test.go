//go:build cgo && (linux || darwin) && (amd64 || arm64)

package wasmtime_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	vendor "github.com/bytecodealliance/wasmtime-go/v39"
)

// compiler is cgo's C compiler with its usual arguments.
func compiler(t *testing.T) []string {
	t.Helper()
	out, err := exec.Command("go", "env", "CC").Output()
	must(t, err)
	return strings.Fields(string(out))
}

// headers is the directory of wasmtime-go's headers.
func headers(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/bytecodealliance/wasmtime-go/v39").Output()
	must(t, err)
	return filepath.Join(strings.TrimSpace(string(out)), "build", "include")
}

// check compiles capi.h, with a part of it replaced, and returns the compiler's output.
// With flags it compiles other headers too.
func check(t *testing.T, old, new string, flags ...string) string {
	t.Helper()
	text, err := os.ReadFile("capi.h")
	must(t, err)
	if !strings.Contains(string(text), old) {
		t.Fatalf("capi.h has no %q", old)
	}
	file := filepath.Join(t.TempDir(), "capi.h")
	must(t, os.WriteFile(file, []byte(strings.Replace(string(text), old, new, 1)), 0o600))
	args := slices.Concat(compiler(t), []string{"-fsyntax-only", "-Wall", "-Werror", "-x", "c"}, flags, []string{file})
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	if err != nil && len(out) == 0 {
		t.Fatal(err)
	}
	return string(out)
}

// TestLayout: capi.h agrees with Wasmtime's own headers.
func TestLayout(t *testing.T) {
	if out := check(t, "", ""); out != "" {
		t.Errorf("capi.h alone:\n%s", out)
	}
	if out := check(t, "", "", "-I", headers(t), "-include", "wasmtime.h"); out != "" {
		t.Errorf("capi.h with the headers of wasmtime-go:\n%s\nThis version's API is another one than capi.h declares.", out)
	}
}

// TestLayoutFails: TestLayout notices a function or a type that differs from Wasmtime's.
func TestLayoutFails(t *testing.T) {
	for _, change := range []struct{ old, new, says string }{
		{"wasm_valtype_new(uint8_t kind)", "wasm_valtype_new(uint16_t kind)", "wasm_valtype_new"},
		{"wasmtime_memory_data_size(const wasmtime_context_t *store", "wasmtime_memory_data_size(wasmtime_context_t *store", "wasmtime_memory_data_size"},
		{"size_t args_and_results_len, wasm_trap_t **trap", "wasm_trap_t **trap", "wasmtime_func_call_unchecked"},
		{"sizeof(wasmtime_val_t) == 32", "sizeof(wasmtime_val_t) == 24", "wasmtime_val_t"},
		{"offsetof(wasmtime_extern_t, of) == 8", "offsetof(wasmtime_extern_t, of) == 4", "wasmtime_extern_t"},
		{"WASMTIME_EXTERN_GLOBAL == 1", "WASMTIME_EXTERN_GLOBAL == 2", "extern kinds"},
	} {
		if out := check(t, change.old, change.new, "-I", headers(t), "-include", "wasmtime.h"); !strings.Contains(out, change.says) {
			t.Errorf("%s: got %q, want an error that names %s", change.new, out, change.says)
		}
	}
	// The declarations for cgo alone have the same sizes.
	for _, change := range []struct{ old, new, says string }{
		{"uint32_t __private1, __private2, __private3;", "uint32_t __private1;", "wasmtime_global_t"},
		{"typedef uint8_t wasmtime_trap_code_t;", "typedef uint32_t wasmtime_trap_code_t;", "wasmtime_trap_code_t"},
	} {
		if out := check(t, change.old, change.new); !strings.Contains(out, change.says) {
			t.Errorf("%s: got %q, want an error that names %s", change.new, out, change.says)
		}
	}
}

// TestPointerFields: wasmtime-go has the fields that pointers.go reads. A version without
// them needs another pointers.go.
func TestPointerFields(t *testing.T) {
	for of, points := range map[any]string{
		vendor.Store{}: "wasmtime_store", vendor.Module{}: "wasmtime_module", vendor.Config{}: "wasm_config_t",
	} {
		typ := reflect.TypeOf(of)
		field, ok := typ.FieldByName("_ptr")
		if !ok {
			t.Errorf("%v has no field _ptr any more: see pointers.go", typ)
			continue
		}
		if field.Type.Kind() != reflect.Pointer || !strings.Contains(field.Type.String(), points) {
			t.Errorf("%v._ptr is a %v, want a pointer to %s: see pointers.go", typ, field.Type, points)
		}
	}
}
