package config

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/airhost/airhost/internal/filekind"
)

// otherKind describes a file that is not a configuration, if its first bytes show its
// kind, and says how to go on. name is the file's name.
func otherKind(text []byte, name string) string {
	switch kind := filekind.Of(text); {
	case kind == "", kind == "a script" && bytes.Contains(text, []byte("components:")): // #! also begins a comment
		return ""
	case strings.HasPrefix(kind, "a WebAssembly"):
		return fmt.Sprintf("this is %s, not a configuration: write one that names it, such as "+
			"components: [{id: a/b, source: %q}], and give that (airhost inspect shows what the file is)", kind, name)
	default:
		return fmt.Sprintf("this is %s, not a configuration, which is YAML (airhost schema has its keys)", kind)
	}
}
