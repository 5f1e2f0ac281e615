// Package filekind tells the kind of a file by its first bytes, for errors about a
// file of the wrong kind.
package filekind

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/airhost/airhost/internal/wasm"
)

// kinds lists how files of each kind begin.
var kinds = []struct{ magic, name string }{
	{"\x00airhost", "a WebAssembly module with its code"},
	{";;", "WebAssembly in text form, which wat2wasm assembles"},
	{"(module", "WebAssembly in text form, which wat2wasm assembles"},
	{"(component", "WebAssembly in text form"},
	{"\x7fELF", "an executable"},
	{"MZ", "an executable"},
	{"\xcf\xfa\xed\xfe", "an executable"},
	{"\xca\xfe\xba\xbe", "an executable"},
	{"#!", "a script"},
	{"\x1f\x8b", "a gzip archive"},
	{"PK\x03\x04", "a zip archive"},
	{"\x28\xb5\x2f\xfd", "a zstd archive"},
	{"\xfd7zXZ\x00", "an xz archive"},
	{"BZh", "a bzip2 archive"},
	{"!<arch>\n", "an archive of object files"},
	{"\x89PNG\r\n", "an image"},
	{"\xff\xd8\xff", "an image"},
	{"GIF8", "an image"},
	{"%PDF-", "a PDF document"},
	{"\xff\xfe", "text in UTF-16, where UTF-8 is needed"},
	{"\xfe\xff", "text in UTF-16, where UTF-8 is needed"},
}

// Of returns the kind of a file, such as "an image", or "" if the bytes are not
// known.
func Of(data []byte) string {
	if bytes.HasPrefix(data, []byte("\x00asm")) {
		if len(data) > 6 && data[6] == 1 {
			return "a WebAssembly component"
		}
		return "a WebAssembly module"
	}
	start := bytes.TrimLeft(data[:min(len(data), 512)], " \t\r\n")
	for _, k := range kinds {
		if bytes.HasPrefix(start, []byte(k.magic)) {
			return k.name
		}
	}
	const ustar = 257
	if len(data) > ustar && strings.HasPrefix(string(data[ustar:min(len(data), ustar+5)]), "ustar") {
		return "a tar archive"
	}
	return ""
}

// Explain adds the file's kind to wasm.ErrNotWasm. It returns other errors
// unchanged.
func Explain(data []byte, err error) error {
	if !errors.Is(err, wasm.ErrNotWasm) {
		return err
	}
	kind := Of(data)
	switch {
	case len(data) == 0:
		return fmt.Errorf("%w; the file is empty", err)
	case kind != "":
		return fmt.Errorf("%w; it seems to be %s", err, kind)
	case bytes.Contains(data[:min(len(data), 4096)], []byte("components:")):
		return fmt.Errorf("%w; it seems to be a configuration, which airhost check takes", err)
	case isText(data):
		return fmt.Errorf("%w; it seems to be text: build it first, and give the file that its toolchain makes of it (componentize-js of JavaScript, wat2wasm of WebAssembly in text form)", err)
	}
	return err
}

func isText(data []byte) bool {
	return !bytes.ContainsFunc(data[:min(len(data), 512)], func(r rune) bool { return r < ' ' && r != '\n' && r != '\r' && r != '\t' })
}
