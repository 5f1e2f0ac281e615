package codecachetest

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/codecache"
	"github.com/airhost/airhost/internal/precompiled"
)

// Kind is an engine whose use of precompiled files is tested.
type Kind struct {
	Name, Version string
	// Open returns an engine with these settings.
	Open func(dir string, keys []ed25519.PublicKey, log *slog.Logger) (core.Engine, error)
	// Works sends a message to a component.
	Works func(t *testing.T, c core.Component)
	Guest []byte
}

// Precompiled checks that an engine uses the code of a file if it may and can, and that it
// compiles the module of the file otherwise, with a warning that says why.
func Precompiled(t *testing.T, k Kind) {
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	trusted := []ed25519.PublicKey{key.Public().(ed25519.PublicKey)}
	code := k.code(t)
	right := codecache.Header(k.Name, k.Version)
	right.Airhost, right.Limits = "v7", "no limits"
	elsewhere, older := right, right
	elsewhere.Processor, older.Version = "a loom", "weaver v1 h1:x"
	changed := append([]precompiled.Entry{{Name: code[0].Name, Code: bytes.Clone(code[0].Code)}}, code[1:]...)
	changed[0].Code[len(changed[0].Code)-1] ^= 1
	for name, c := range map[string]fileCase{
		"right":           {right, code, trusted, core.Limits{Memory: 1 << 20}, ""},
		"not signed":      {right, code, nil, core.Limits{}, "no key that is trusted here has signed it"},
		"without code":    {right, nil, trusted, core.Limits{}, "it was compiled for other limits (no limits)"},
		"for no fuel":     {right, code, trusted, core.Limits{Fuel: 1 << 40}, "it was compiled for other limits (no limits)"},
		"of a version":    {older, nil, trusted, core.Limits{}, "airhost v7 compiled it for weaver v1, and this is"},
		"another machine": {elsewhere, nil, trusted, core.Limits{}, "it was compiled on a machine of another kind"},
		"another engine":  {precompiled.Header{Engine: "loom"}, nil, trusted, core.Limits{}, "it was compiled for the engine loom"},
		"changed":         {right, changed, trusted, core.Limits{}, "an entry is damaged"},
	} {
		t.Run(name, func(t *testing.T) {
			var file bytes.Buffer
			if err := precompiled.Write(&file, c.header, k.Guest, c.code, key); err != nil {
				t.Fatal(err)
			}
			k.file(t, file.Bytes(), c)
		})
	}
}

// fileCase is a file, and a use of it.
type fileCase struct {
	header precompiled.Header
	code   []precompiled.Entry
	keys   []ed25519.PublicKey
	limits core.Limits
	want   string // in the warning; "" if the code is used
}

// file uses a file.
func (k Kind) file(t *testing.T, data []byte, c fileCase) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "guest.airhost")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	e, err := k.Open("", c.keys, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	sum, wrong := sha256.Sum256(data), sha256.Sum256(k.Guest)
	if _, err := e.Compile(t.Context(), core.Source{Path: path, SHA256: wrong[:]}, c.limits); err == nil || !strings.Contains(err.Error(), "SHA-256") {
		t.Errorf("with the checksum of another file: %v", err)
	}
	k.use(t, e, core.Source{Path: path, SHA256: sum[:]}, c.limits)
	warnings := strings.Count(log.String(), "level=WARN")
	switch {
	case c.want == "" && log.Len() > 0:
		t.Errorf("the log has %s, want nothing: the code fits", log.String())
	case c.want != "" && (warnings != 1 || !strings.Contains(log.String(), c.want) || !strings.Contains(log.String(), path)):
		t.Errorf("the log has %s, want one warning with %q and the path", log.String(), c.want)
	}
	if err := e.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// code is the code of the guest, as compile keeps it.
func (k Kind) code(t *testing.T) []precompiled.Entry {
	t.Helper()
	dir := t.TempDir()
	e, err := k.Open(dir, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	k.use(t, e, core.Source{Code: k.Guest}, core.Limits{})
	code, err := codecache.Entries(dir)
	if err = errors.Join(err, e.Close(t.Context())); err != nil || len(code) == 0 {
		t.Fatal(code, err)
	}
	return code
}

// use compiles a source, and lets the component work.
func (k Kind) use(t *testing.T, e core.Engine, source core.Source, limits core.Limits) {
	t.Helper()
	c, err := e.Compile(t.Context(), source, limits)
	if err != nil {
		t.Fatal(err)
	}
	k.Works(t, c)
	if err := c.Close(t.Context()); err != nil {
		t.Error(err)
	}
}
