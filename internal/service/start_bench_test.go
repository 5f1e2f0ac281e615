package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/airhost/airhost/internal/config"
)

// BenchmarkStart starts and stops a host of 1,000 components: of one module, and of 1,000 modules
// that differ, with an empty code cache and with one that has all.
func BenchmarkStart(b *testing.B) {
	const n = 1000
	guest, err := os.ReadFile(guests + "echo.wasm")
	if err != nil {
		b.Fatal(err)
	}
	for _, engine := range []string{"wazero", "wasmtime"} {
		if !slices.ContainsFunc(Built().Engines, func(c config.Choice) bool { return c.Name == engine && c.LeftOut == "" }) {
			continue
		}
		folder := b.TempDir()
		var same, other strings.Builder
		same.WriteString("host: {admin: off}\ncomponents:\n")
		other.WriteString(same.String())
		for i := range n {
			name := fmt.Appendf(nil, "\x05n%04d", i) // of a custom section, which does nothing
			code := append(append(guest[:len(guest):len(guest)], 0, byte(len(name))), name...)
			if err := os.WriteFile(filepath.Join(folder, fmt.Sprint(i, ".wasm")), code, 0o600); err != nil {
				b.Fatal(err)
			}
			fmt.Fprintf(&same, "- {id: a/c%d, source: %s/0.wasm, engine: %s}\n", i, folder, engine)
			fmt.Fprintf(&other, "- {id: a/c%d, source: %s/%d.wasm, engine: %s}\n", i, folder, i, engine)
		}
		b.Run(engine+"/same", func(b *testing.B) { startAndStop(b, same.String(), true) })
		b.Run(engine+"/different", func(b *testing.B) { startAndStop(b, other.String(), false) })
		b.Run(engine+"/different-cached", func(b *testing.B) { startAndStop(b, other.String(), true) })
	}
}

func startAndStop(b *testing.B, text string, cached bool) {
	cache := b.TempDir()
	name := filepath.Join(b.TempDir(), "airhost.yaml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	round := func() {
		file, err := config.Load(name, Built())
		if err != nil {
			b.Fatal(err)
		}
		s, err := New(context.Background(), Config{File: file, CacheDir: cache, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			b.Fatal(err)
		}
		err = s.DeployAll(b.Context())
		b.StopTimer()
		if err := errors.Join(err, s.Stop(b.Context())); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
	if cached {
		round()
	}
	b.ResetTimer()
	for range b.N {
		if !cached {
			cache = b.TempDir()
		}
		round()
	}
}
