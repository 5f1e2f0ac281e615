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
