package codecache

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"golang.org/x/sys/cpu"
)

// Module returns the version of a Go module in this program, as exactly as the
// program knows it.
func Module(path string) string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if m.Path != path {
				continue
			}
			if m.Replace != nil {
				m = m.Replace
			}
			return m.Path + " " + m.Version + " " + m.Sum
		}
	}
	return "unknown"
}

// processor describes the machines that can run code compiled on this one.
func processor() string {
	return fmt.Sprint(runtime.GOOS, runtime.GOARCH, cpu.X86, cpu.ARM64)
}
