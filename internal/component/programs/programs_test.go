package programs

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	_ "github.com/samyfodil/wazy/api" // keeps the module, of which only test data are used

	"github.com/airhost/airhost"
	"github.com/airhost/airhost/internal/abi"
	"github.com/airhost/airhost/internal/component"
	"github.com/airhost/airhost/internal/wasm"
)

// folder returns the folder of the programs.
func folder(t testing.TB) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/samyfodil/wazy").Output()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(strings.TrimSpace(string(out)), "imports/wasip2/testdata")
}

// programs returns the components in a folder, by their names.
func programs(t testing.TB, folder string) map[string][]byte {
	t.Helper()
	found := make(map[string][]byte)
	for _, pattern := range []string{"*.wasm", "*/*.wasm"} {
		files, _ := filepath.Glob(filepath.Join(folder, pattern))
		for _, f := range files {
			data, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			if component.Is(data) {
				found[strings.TrimSuffix(strings.TrimSuffix(filepath.Base(f), ".wasm"), ".component")] = data
			}
		}
	}
	return found
}

// Results of taking a program's core module. Most programs are of one core module.
const (
	unbundled = "one core module"
	adapted   = "one core module, and an adapter of WASI preview 1, which the host does not need"
)

// others are the programs that are not adapted, and what becomes of them.
var others = map[string]string{
	"composed":        `the component uses imports of other components by name ("unlocked-dep=<wazy:provider>"), which are not supported: link them into it`,
	"http_root":       `the component uses imports of other components by name ("unlocked-dep=<wazy:handler>"), which are not supported: link them into it`,
	"consumer":        "its core module imports wazy:compose/greeter@0.1.0 greet",
	"provider":        unbundled,
	"real_manyparams": unbundled,
}

// TestPrograms: each program is decoded and valid, and its core module comes out with the
// imports that the host can have, or it is refused for the right reason.
func TestPrograms(t *testing.T) {
	found := programs(t, folder(t))
	if len(found) < 60 {
		t.Errorf("%d programs, want 60", len(found))
	}
	for name, data := range found {
		want := others[name]
		if want == "" {
			want = adapted
		}
		got, err := take(data)
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, want) {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

// take takes the core module of a program, and returns the program's shape.
func take(data []byte) (shape string, err error) {
	b, err := component.Open(data)
	if err != nil {
		return "", err
	}
	encoded, err := b.Core()
	if err != nil {
		return "", err
	}
	m, err := wasm.Parse(encoded.Encode())
	if err != nil {
		return "", fmt.Errorf("its core module: %w", err)
	}
	for _, i := range m.Imports {
		if i.Module != abi.WASI && !strings.HasPrefix(i.Module, "wasi:") {
			return "", fmt.Errorf("its core module imports %s %s", i.Module, i.Name)
		}
	}
	var contract *component.ContractError
	if _, err := component.Core(data); err == nil && abi.HandlesHTTP(m) {
		return b.Info().Shape, nil
	} else if !errors.As(err, &contract) || !strings.Contains(err.Error(), "it does not export airhost:core/component-lifecycle@0.1.0") {
		return "", fmt.Errorf("as a guest: %w", err)
	}
	return b.Info().Shape, nil
}

// TestHTTP: a program that handles requests of HTTP answers as on other hosts.
func TestHTTP(t *testing.T) {
	h, err := airhost.New(airhost.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close(context.Background())
	id, err := h.DeployFile(t.Context(), "t/program", filepath.Join(folder(t), "real_http_incoming.component.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	for request, want := range map[string]string{"GET /hello?x=1": "method=Method::Get path=/hello?x=1\n", "PATCH /patch": "method=Method::Patch path=/patch\n"} {
		got, err := h.Request(t.Context(), id, []byte(request+" HTTP/1.1\r\nhost: a\r\n\r\n"))
		if want = fmt.Sprintf("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: %d\r\n\r\n%s", len(want), want); err != nil || string(got) != want {
			t.Errorf("%s: got %q, %v, want %q", request, got, err, want)
		}
	}
}

// TestFlips: programs that are cut short, or that have a changed byte, give an error or a
// valid module. AIRHOST_FLIPS is how many damaged copies of each program there are, AIRHOST_FLIPS_SEED
// the seed of an earlier run.
func TestFlips(t *testing.T) {
	flips, seed := number(t, "AIRHOST_FLIPS", 1000), number(t, "AIRHOST_FLIPS_SEED", rand.IntN(1_000_000))
	t.Logf("AIRHOST_FLIPS_SEED=%d damages the programs in the same way", seed)
	for name, data := range programs(t, folder(t)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(uint64(seed), uint64(len(data))))
			for i := range copies(flips, data) {
				flipped(t, name, damaged(random, data, i))
			}
		})
	}
}

// TestMemory: a damaged program takes memory in proportion to its size.
func TestMemory(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for name, data := range programs(t, folder(t)) {
		for i := range copies(100, data) {
			changed := damaged(random, data, i)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			flipped(t, name, changed)
			if runtime.ReadMemStats(&after); after.TotalAlloc-before.TotalAlloc > 256*uint64(len(data)) {
				t.Errorf("%s, flip %d: it takes %d bytes for %d", name, i, after.TotalAlloc-before.TotalAlloc, len(data))
			}
		}
	}
}

// copies returns how many damaged copies of a program there are: of the largest ones, which take a hundred
// times as long, a part.
func copies(most int, data []byte) int {
	if len(data) > 1<<20 {
		return max(most/50, 1)
	}
	return most
}

// number returns the number in a variable of the environment.
func number(t *testing.T, name string, fallback int) int {
	text := os.Getenv(name)
	if text == "" {
		return fallback
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// damaged returns a copy of a program: each fourth one is cut short, the others have a changed byte.
func damaged(random *rand.Rand, data []byte, i int) []byte {
	if i%4 == 0 {
		return data[:random.IntN(len(data))]
	}
	changed := append([]byte(nil), data...)
	changed[place(random, data)] ^= byte(1 + random.IntN(255))
	return changed
}

// place returns the place of a byte to change: half of the time where the component's own
// definitions are, which are at the beginning and the end, around the core modules.
func place(random *rand.Rand, data []byte) int {
	const ends = 8 << 10
	switch {
	case random.IntN(2) == 0 || len(data) <= 2*ends:
		return random.IntN(len(data))
	case random.IntN(2) == 0:
		return random.IntN(ends)
	}
	return len(data) - 1 - random.IntN(ends)
}

// flipped reads a program that may be damaged.
func flipped(t *testing.T, name string, data []byte) {
	t.Helper()
	b, err := component.Open(data)
	if err != nil {
		return
	}
	b.Info()
	b.Types.CheckContract()
	m, err := b.Core()
	if err != nil {
		return
	}
	if _, err := wasm.Parse(m.Encode()); err != nil {
		t.Errorf("%s: its core module is no module: %v", name, err)
	}
}
