package toolchains_test

import (
	"bytes"
	"os"
	"testing"

	"github.com/airhost/airhost/internal/toolchains"
)

// TestBuild: all fixtures can be built, and are components.
func TestBuild(t *testing.T) {
	for _, f := range toolchains.Fixtures {
		if f.Extra {
			continue
		}
		t.Run(f.Name, func(t *testing.T) {
			binary, err := os.ReadFile(f.Build(t))
			if err != nil {
				t.Fatal(err)
			}
			if magic := []byte("\x00asm\x0d\x00\x01\x00"); !bytes.HasPrefix(binary, magic) {
				t.Errorf("it begins with %x, want %x", binary[:min(8, len(binary))], magic)
			}
		})
	}
}
