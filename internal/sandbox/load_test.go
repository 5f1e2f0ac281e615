package sandbox

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/enginetest"
	"github.com/airhost/airhost/internal/component/componenttest"
)

// TestChecksum: the bytes that are compiled are those that were checked, from a file and from
// memory, and a mismatch names both sums.
func TestChecksum(t *testing.T) {
	code := []byte("code")
	path := filepath.Join(t.TempDir(), "guest.wasm")
	if err := os.WriteFile(path, code, 0o600); err != nil {
		t.Fatal(err)
	}
	right := sha256.Sum256(code)
	wrong := bytes.Repeat([]byte{0xab}, sha256.Size)
	for _, src := range []core.Source{{Path: path}, {Code: code}} {
		src.SHA256 = right[:]
		if got, err := read(src, 4); err != nil || !bytes.Equal(got.code, code) || got.sum != right {
			t.Errorf("read with the right checksum: %+v, %v", got, err)
		}
		src.SHA256 = wrong
		_, err := read(src, 4)
		var refused *core.ModuleError
		if !errors.As(err, &refused) || !strings.Contains(err.Error(), fmt.Sprintf("got %x, want %x", right, wrong)) {
			t.Errorf("read with a wrong checksum: %v, want a ModuleError with both sums", err)
		}
	}
}

// TestLoadComponent: a component loads as the core module in it, and one that does not meet
// the contract is refused with all that it lacks.
func TestLoadComponent(t *testing.T) {
	guest := enginetest.ActorWasm().Code
	limits := core.Limits{}.WithDefaults()
	plain, err := load(core.Source{Path: "x.wasm"}, guest, limits)
	if err != nil {
		t.Fatal(err)
	}
	wrapped, err := load(core.Source{Path: "x.wasm"}, componenttest.Wrap(guest), limits)
	if err != nil {
		t.Fatal(err)
	}
	if wrapped.Traits != plain.Traits || wrapped.Least != plain.Least || len(wrapped.Module.Code) < len(plain.Module.Code) {
		t.Errorf("a component loads as %+v with %d functions, its core module as %+v with %d", wrapped.Traits, len(wrapped.Module.Code), plain.Traits, len(plain.Module.Code))
	}
	for data, want := range map[string]string{
		"\x00asm\x0d\x00\x01\x00":         "x.wasm: it does not export airhost:core/component-lifecycle@0.1.0: build it for the world component of wit/airhost.wit",
		"\x00asm\x0d\x00\x01\x00\x08\x01": "x.wasm: malformed component: at 0x8: expected 1 bytes of the canon section, got 0",
		"\x00asm\x0c\x00\x01\x00":         "x.wasm: malformed component: at 0x0: expected the header of a component",
	} {
		_, err := load(core.Source{Path: "x.wasm"}, []byte(data), limits)
		var refused *core.ModuleError
		if !errors.As(err, &refused) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v, want a ModuleError: %s", data, err, want)
		}
	}
}
