//go:build linux && !race

package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/airhost/airhost/internal/bombs"
)

// allBombs in the environment makes TestBombs check all sizes of all kinds, which takes
// minutes, and log a table.
const allBombs = "AIRHOST_BOMBS"

// usualBombs are checked by every test run, in one size.
var usualBombs = []string{
	"locals-in-functions", "parameters-in-imports", "groups-of-types", "names-of-imports", "exports-with-long-names", "producers", "imports",
	"branches-out-of-one-block", "jump-table", "values-across-blocks", "parameters-of-calls", "carried-by-blocks", "globals-after-calls",
	"memory-grow", "calls", "live-additions", "doubled-again-and-again", "nested-blocks",
}

// bombMemory is how much memory checking a bomb may take.
const bombMemory = 640 << 20

// TestBombs checks modules that are made to be expensive to compile. Each runs in a
// process of its own; the test bounds the memory and the output of that process. The
// race detector would multiply the memory.
func TestBombs(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes half a minute")
	}
	for _, kind := range bombs.Kinds() {
		sizes := kind.Sizes
		if os.Getenv(allBombs) == "" {
			if !slices.Contains(usualBombs, kind.Name) {
				continue
			}
			sizes = sizes[1:2]
		}
		t.Run(kind.Name, func(t *testing.T) {
			t.Parallel()
			for _, n := range sizes {
				checkBomb(t, kind, n)
			}
		})
	}
}

func checkBomb(t *testing.T, kind bombs.Kind, n int) {
	file := filepath.Join(t.TempDir(), "bomb.wasm")
	name := fmt.Sprintf("%s %d", kind.Name, n)
	explode(t, makesBomb+"="+name, file)
	for _, engine := range wasmEngines() {
		compileBomb(t, file, engine, name)
	}
	if kind.Declares {
		inspectBomb(t, file, name)
	}
}

// makesBomb in the environment names a bomb, which the test binary then writes to the
// file that is its argument. The peak of a process's memory includes the peak of the
// process that started it; for this reason the test itself stays small.
const makesBomb = "AIRHOST_TEST_MAKES_BOMB"

func init() {
	name, n := "", 0
	if _, err := fmt.Sscanf(os.Getenv(makesBomb), "%s %d", &name, &n); err != nil {
		return
	}
	for _, kind := range bombs.Kinds() {
		if kind.Name == name {
			if err := os.WriteFile(os.Args[1], kind.Make(n).Encode(), 0o644); err != nil {
				panic(err)
			}
		}
	}
	os.Exit(0)
}

func compileBomb(t *testing.T, file, engine, name string) {
	t.Helper()
	configuration := filepath.Join(filepath.Dir(file), engine+".yaml")
	text := fmt.Sprintf("components:\n  - {id: a/b, source: %s, engine: %s}\n", file, engine)
	if err := os.WriteFile(configuration, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	b := explode(t, asAirhost+"=1", "check", configuration, "--cache", "")
	if b.memory > bombMemory {
		t.Errorf("%s on %s: %d MiB", name, engine, b.memory>>20)
	}
	if len(b.output) > 64<<10 {
		t.Errorf("%s on %s: it printed %d bytes", name, engine, len(b.output))
	}
	if os.Getenv(allBombs) != "" {
		_, why, _ := strings.Cut(b.output, "source: "+file+": ")
		why, _, _ = strings.Cut(why, "\n")
		t.Logf("| %s | %s | %.1f s | %d MiB | %.100s |", name, engine, b.seconds, b.memory>>20, why)
	}
}

func inspectBomb(t *testing.T, file, name string) {
	t.Helper()
	for _, args := range [][]string{{"inspect", file}, {"inspect", "--json", file}} {
		b := explode(t, asAirhost+"=1", args...)
		if b.memory > bombMemory || len(b.output) > 4<<20 {
			t.Errorf("%s: %q took %d MiB and printed %d bytes", name, args[:len(args)-1], b.memory>>20, len(b.output))
		}
	}
}

// blast is the effect of a bomb.
type blast struct {
	output  string
	memory  int64 // in bytes
	seconds float64
}

// explode runs this binary with an environment variable that names its task.
func explode(t *testing.T, variable string, args ...string) blast {
	t.Helper()
	command := exec.CommandContext(t.Context(), os.Args[0], args...)
	command.Env = slices.Concat(os.Environ(), []string{variable})
	var output bytes.Buffer
	command.Stdout, command.Stderr = &output, &output
	err := command.Run()
	if command.ProcessState == nil || !command.ProcessState.Exited() {
		t.Fatalf("%q: %v", args, err)
	}
	state := command.ProcessState
	return blast{output.String(), state.SysUsage().(*syscall.Rusage).Maxrss << 10, (state.UserTime() + state.SystemTime()).Seconds()}
}
