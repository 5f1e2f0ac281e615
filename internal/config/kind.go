package config

import (
	"bytes"
	"fmt"
	"strings"
)

// kinds are what begins files that are no configuration.
var kinds = []struct{ magic, name string }{
	{"\x00asm", ""}, // a module, of which there is more to say
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

// kindOf says what a file is instead of a configuration, where its first bytes tell,
// and what to do. The name is the file's.
func kindOf(text []byte, name string) string {
	start := bytes.TrimLeft(text[:min(len(text), 512)], " \t\r\n")
	for _, k := range kinds {
		if !bytes.HasPrefix(start, []byte(k.magic)) {
			continue
		}
		if k.magic == "\x00asm" {
			return module(text, name)
		}
		return fmt.Sprintf("this is %s, not a configuration, which is YAML (airhost schema has its keys)", k.name)
	}
	const ustar = 257
	if len(text) > ustar && strings.HasPrefix(string(text[ustar:min(len(text), ustar+5)]), "ustar") {
		return "this is a tar archive, not a configuration, which is YAML (airhost schema has its keys)"
	}
	return ""
}

// module says how to have the module of the given name run.
func module(code []byte, name string) string {
	kind := "a WebAssembly module"
	if len(code) > 6 && code[6] == 1 {
		kind = "a WebAssembly component"
	}
	return fmt.Sprintf("this is %s, not a configuration: write one that names it, such as "+
		"components: [{id: a/b, source: %q}], and give that (airhost inspect shows what the file is)", kind, name)
}
