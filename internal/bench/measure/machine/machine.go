// Package machine describes the machine and the build that figures come from, and
// notices other work on the machine while it is measured. It reads Linux's files; on
// other systems it says "unknown".
package machine

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"io/fs"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/airhost/airhost/internal/bench/data/result"
)

const unknown = "unknown"

// Describe returns the environment of a run. root is the system's root directory,
// such as os.DirFS("/"); it may lack any file. The caller sets Flags and Seed.
func Describe(root fs.FS, now time.Time) result.Environment {
	env := result.Environment{
		CPU:        cpuModel(root),
		Cores:      runtime.NumCPU(),
		GOMAXPROCS: runtime.GOMAXPROCS(0),
		Governor:   firstLine(root, "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
		Kernel:     firstLine(root, "proc/sys/kernel/osrelease"),
		OS:         runtime.GOOS,
		Arch:       runtime.GOARCH,
		Go:         runtime.Version(),
		Modules:    make(map[string]string),
		Commit:     unknown,
		Flags:      []string{},
		Started:    now.UTC().Format(time.RFC3339),
	}
	if self, err := os.Executable(); err == nil {
		env.Build = BuildOf(self)
	}
	if build, ok := debug.ReadBuildInfo(); ok {
		DescribeBuild(&env, build)
	}
	return env
}

// DescribeBuild describes in env, whose Modules must not be nil, the build of a
// program: its modules and its commit.
func DescribeBuild(env *result.Environment, build *debug.BuildInfo) {
	for _, module := range build.Deps {
		if module.Replace != nil {
			// The replacement is a path, which results must not hold.
			env.Modules[module.Path] = module.Version + " (replaced)"
			continue
		}
		env.Modules[module.Path] = module.Version
	}
	for _, setting := range build.Settings {
		switch setting.Key {
		case "vcs.revision":
			env.Commit = setting.Value
		case "vcs.modified":
			env.Modified = setting.Value == "true"
		}
	}
}

// BuildOf identifies an executable: by its SHA-256 in hexadecimal, or "" where it
// cannot be read.
func BuildOf(path string) string {
	file, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer file.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, file); err != nil {
		return ""
	}
	return hex.EncodeToString(sum.Sum(nil))
}

func cpuModel(root fs.FS) string {
	text, err := fs.ReadFile(root, "proc/cpuinfo")
	if err != nil {
		return unknown
	}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		if strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return unknown
}

func firstLine(root fs.FS, path string) string {
	text, err := fs.ReadFile(root, path)
	if err != nil {
		return unknown
	}
	line, _, _ := strings.Cut(string(text), "\n")
	return strings.TrimSpace(line)
}
