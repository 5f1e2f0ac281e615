package filekind_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/airhost/airhost/internal/filekind"
	"github.com/airhost/airhost/internal/wasm"
)

// TestExplain: Explain adds the kind of the file and keeps the error's identity.
func TestExplain(t *testing.T) {
	for data, want := range map[string]string{
		"":                    "the file is empty",
		"\x7fELF\x02\x01":     "it seems to be an executable",
		"PK\x03\x04":          "it seems to be a zip archive",
		"# x\ncomponents: []": "it seems to be a configuration, which airhost check takes",
		"hello\n":             "it seems to be text: build it first, and give the file that its toolchain makes of it",
		"(module)":            "wat2wasm assembles",
	} {
		got := filekind.Explain([]byte(data), wasm.ErrNotWasm)
		if !errors.Is(got, wasm.ErrNotWasm) || !strings.Contains(got.Error(), want) {
			t.Errorf("%q: got %v, want %s", data, got, want)
		}
	}
	if got := filekind.Explain([]byte("\x01\x02"), wasm.ErrNotWasm); got != wasm.ErrNotWasm {
		t.Errorf("bytes that tell nothing: got %v", got)
	}
	if other := errors.New("x"); filekind.Explain(nil, other) != other {
		t.Error("another error is not as it was")
	}
}
