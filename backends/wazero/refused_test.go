package wazero

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/enginetest"
	"github.com/airhost/airhost/internal/codecache"
)

// keys records the keys under which wazero keeps code.
type keys struct{ all []codecache.Key }

func (*keys) Get(codecache.Key) (io.ReadCloser, bool, error) { return nil, false, nil }
func (*keys) Delete(codecache.Key) error                     { return nil }
func (k *keys) Add(key codecache.Key, _ io.Reader) error {
	k.all = append(k.all, key)
	return nil
}

// keysOf returns the keys of a guest's code.
func keysOf(t *testing.T, source core.Source) []codecache.Key {
	files, seen := wazero.NewCompilationCache(), new(keys)
	if !install(files, seen) {
		t.Fatal("wazero keeps its files elsewhere")
	}
	options := wazero.NewRuntimeConfig().WithCoreFeatures(features).WithDebugInfoEnabled(false).WithCompilationCache(files)
	e := &Engine{plain: &compiler{runtime: wazero.NewRuntimeWithConfig(t.Context(), options)}, config: Config{MaxModule: 1 << 20}}
	e.shared.Close = (*compiled).close
	c, err := e.Compile(t.Context(), source, core.Limits{})
	if err == nil {
		err = errors.Join(c.Close(t.Context()), e.Close(t.Context()), files.Close(t.Context()))
	}
	if err != nil || len(seen.all) == 0 {
		t.Fatalf("got keys %v, %v, want one", seen.all, err)
	}
	return seen.all
}

// TestRefusedEntry: wazero may refuse a verified entry, for example one of another
// build of wazero. This costs time and a warning, and the entry is replaced.
func TestRefusedEntry(t *testing.T) {
	source, dir := enginetest.ActorWasm(), t.TempDir()
	for _, entry := range []string{"no code", "WAZEVO\x07v1.12.0", "WAZEVO\x01x and more than twenty bytes"} {
		for _, warnings := range []int{1, 0} {
			var log bytes.Buffer
			e, err := New(Config{CacheDir: dir, Logger: slog.New(slog.NewTextHandler(&log, nil))})
			if err != nil {
				t.Fatal(err)
			}
			if warnings > 0 {
				for _, key := range keysOf(t, source) {
					e.code.Put(key, []byte(entry))
				}
			}
			c, err := e.Compile(t.Context(), source, core.Limits{})
			if err == nil {
				err = errors.Join(c.Close(t.Context()), e.Close(t.Context()))
			}
			if got := strings.Count(log.String(), "level=WARN"); err != nil || got != warnings {
				t.Errorf("%q: got %v, log %s, want %d warnings", entry, err, &log, warnings)
			}
		}
	}
}
