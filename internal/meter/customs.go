package meter

import (
	"strings"

	"github.com/airhost/airhost/internal/wasm"
)

// keptCustoms returns the custom sections that are still right for changed code: those
// that do not refer to offsets in it.
func keptCustoms(in []wasm.Custom) []wasm.Custom {
	var out []wasm.Custom
	for _, c := range in {
		ok := !staleCustom(c.Name)
		if c.Name == "name" {
			c.Data, ok = c.StableNames()
		}
		if ok {
			out = append(out, c)
		}
	}
	return out
}

func staleCustom(name string) bool {
	for _, prefix := range []string{".debug_", "reloc.", "metadata.code."} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return name == "sourceMappingURL" || name == "external_debug_info" || name == "linking"
}
