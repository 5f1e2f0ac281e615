package rules

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestFirstProgram: the README's first program, pasted into an empty module, compiles
// and answers as it is, and it is short. Its plug-in is the README's first one.
func TestFirstProgram(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile("(?s)\n```go\n(package main\n[^`]*?\"" + module + "\"\n.*?)```").FindSubmatch(readme)
	if m == nil {
		t.Fatalf("README.md has no program that imports %s", module)
	}
	program := string(m[1])
	if lines := strings.Count(program, "\n"); lines > 15 {
		t.Errorf("README.md: the first program has %d lines, want 15 at most", lines)
	}
	if testing.Short() {
		t.Skip("builds a program and a guest")
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(program), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(in string, env []string, name string, args ...string) string {
		t.Helper()
		cmd := exec.Command(name, args...)
		cmd.Dir, cmd.Env = in, append(os.Environ(), env...)
		var log strings.Builder
		cmd.Stderr = &log
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%v: %v\n%s", cmd, err, log.String())
		}
		return string(out)
	}
	wasm := []string{"GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0"}
	run(root, wasm, "go", "build", "-buildmode=c-shared", "-o", filepath.Join(dir, "hello.wasm"), "./examples/hello/wasm")
	run(dir, nil, "go", "mod", "init", "first")
	run(dir, nil, "go", "mod", "edit", "-require", module+"@v0.1.0", "-replace", module+"="+root)
	run(dir, []string{"GONOSUMDB=*"}, "go", "mod", "tidy")
	run(dir, nil, "go", "build", "-o", "first")
	if got := run(dir, nil, filepath.Join(dir, "first")); strings.TrimSpace(got) != "Hello, world!" {
		t.Errorf("README.md: the first program prints %q, want Hello, world!", got)
	}
}
