package spawn_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/airhost/airhost/internal/spawn"
)

func write(t *testing.T, content string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "plugin")
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestNoProgram: the error describes a file that cannot be executed.
func TestNoProgram(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the formats are those of Linux")
	}
	foreign := map[bool]string{true: "\x28", false: "\xb7"}[runtime.GOARCH == "arm64"] // arm, arm64
	elf := "\x7fELF\x02\x01\x01" + strings.Repeat("\x00", 9) + "\x02\x00" + foreign + "\x00" + strings.Repeat("\x00", 44)
	for content, want := range map[string]string{
		"":                        "it is empty",
		"\x00asm\x01\x00\x00\x00": "it is WebAssembly",
		"MZ\x90\x00":              "built for Windows",
		"echo hello\n":            "a line such as #!/bin/sh",
		elf:                       "it is built for arm",
		"#!/no/such/sh -e\n":      `the interpreter "/no/such/sh"`,
		"#!/bin/sh\r\n":           `the interpreter "/bin/sh\r"`,
		"#!/etc/passwd\n":         `its interpreter "/etc/passwd"`,
	} {
		_, err := spawn.Start(t.Context(), spawn.Command{Path: write(t, content, 0o700), Kind: kind})
		if err == nil || !strings.Contains(err.Error(), want) || errors.Is(err, spawn.ErrEnvironment) || errors.Is(err, spawn.ErrHandshake) {
			t.Errorf("%.20q: %v, want %q", content, err, want)
		}
	}
}

// TestEnvironment: a fault of the directory for temporary files is reported as such,
// and not as a fault of the plug-in.
func TestEnvironment(t *testing.T) {
	dir := shortDir(t)
	longDir := filepath.Join(dir, strings.Repeat("d", 100))
	if err := os.Mkdir(longDir, 0o700); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for tmp, want := range map[string]string{
		longDir:    fmt.Sprintf("TMPDIR is too long for the path of a socket in it: %d bytes", len(longDir)),
		dir + "/x": "no such file", file: "not a folder", "/proc": "TMPDIR",
	} {
		t.Setenv("TMPDIR", tmp)
		_, err := spawn.Start(t.Context(), command("serve"))
		if !errors.Is(err, spawn.ErrEnvironment) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), tmp) {
			t.Errorf("TMPDIR=%s: %v, want %q", tmp, err, want)
		}
	}
}

// TestLongestTempDir: the longest allowed directory works, and one byte more is
// refused.
func TestLongestTempDir(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the limit is that of Linux")
	}
	const longest = 69
	base := shortDir(t) + "/"
	for _, length := range []int{longest, longest + 1} {
		dir := base + strings.Repeat("d", length-len(base))
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		t.Setenv("TMPDIR", dir)
		p, err := spawn.Start(t.Context(), command("serve"))
		if refused := errors.Is(err, spawn.ErrEnvironment); refused != (length > longest) {
			t.Errorf("%d bytes: %v", length, err)
		}
		if err == nil {
			if err := closeSoon(t, p); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestStartTellsLastWords: the error contains the last words and the exit status of
// a program that is no plug-in, wherever it prints them.
func TestStartTellsLastWords(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the programs are shell scripts")
	}
	for script, want := range map[string]string{
		`echo no disk >&2; exit 3`:                  "exit status 3: no disk",
		`printf 'no disk' >&2; exit 3`:              "exit status 3: no disk",
		`printf usage; exit 4`:                      `its first line is "usage"; exit status 4`,
		`echo usage; echo no disk >&2; exit 4`:      `its first line is "usage"; exit status 4: no disk`,
		`echo no license >&2`:                       "it ended without one; exit status 0: no license",
		`echo no disk >&2; kill -SEGV $$`:           "signal: segmentation fault",
		`echo no disk >&2; kill -KILL $$`:           "signal: killed: not by airhost; the system kills so where memory is short: no disk",
		`echo usage; echo waits >&2; exec sleep 60`: `its first line is "usage"; it was killed: waits`,
	} {
		c := spawn.Command{Path: write(t, "#!/bin/sh\n"+script+"\n", 0o700), Kind: kind, StartTimeout: time.Minute}
		c.Env = []string{"PATH=" + os.Getenv("PATH")}
		_, err := spawn.Start(t.Context(), c)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", script, err, want)
		}
	}
}
