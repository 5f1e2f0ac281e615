package config

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/airhost/airhost/internal/filekind"
)

// otherKind says what a file is instead of a configuration, where its first bytes tell,
// and what to do. The name is the file's.
func otherKind(text []byte, name string) string {
	switch kind := filekind.Of(text); {
	case kind == "", kind == "a script" && bytes.Contains(text, []byte("components:")): // #! is a comment, too
		return ""
	case strings.HasPrefix(kind, "a WebAssembly"):
		return fmt.Sprintf("this is %s, not a configuration: write one that names it, such as "+
			"components: [{id: a/b, source: %q}], and give that (airhost inspect shows what the file is)", kind, name)
	default:
		return fmt.Sprintf("this is %s, not a configuration, which is YAML (airhost schema has its keys)", kind)
	}
}
