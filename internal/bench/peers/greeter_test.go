package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/airhost/airhost/internal/bench/data/cells"
)

// greeterInGo builds the plug-in that is written in Go, and loads it.
func greeterInGo(t testing.TB) *subject {
	t.Helper()
	file := filepath.Join(t.TempDir(), "greeter.wasm")
	build := exec.CommandContext(t.Context(), "go", "build", "-buildmode=c-shared", "-o", file, "./guests/greeter-go")
	build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the plug-in: %v\n%s", err, out)
	}
	g, err := loadGreeter(t.Context(), file, usualPayload)
	if err != nil {
		t.Fatal(err)
	}
	s := &subject{host: g, name: "greeter in Go", pattern: cells.Call}
	closeAfter(t, s)
	return s
}

func TestGreeterInGo(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a guest in Go")
	}
	runVerified(t, greeterInGo(t), 1, 7, 100)
}

// BenchmarkGreeterInGo compares the plug-in in C with the same in Go.
func BenchmarkGreeterInGo(b *testing.B) {
	b.Run("c", func(b *testing.B) {
		benchmark(b, subjectOf(b, peerNamed(b, "knqyf263-go-plugin").key(cells.Call, usualPayload)))
	})
	b.Run("go", func(b *testing.B) { benchmark(b, greeterInGo(b)) })
}
