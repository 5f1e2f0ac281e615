//go:build unix

package precompiled_test

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/airhost/airhost/internal/precompiled"
)

func created(t *testing.T) (dir, path string, key ed25519.PrivateKey) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "a [folder]")
	path = filepath.Join(dir, "compile.key")
	key, err := precompiled.CreateKey(path, filepath.Join(dir, "trusted"))
	if err != nil {
		t.Fatal(err)
	}
	return dir, path, key
}

func TestKeys(t *testing.T) {
	dir, path, key := created(t)
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("the key has the mode %v, %v", info.Mode(), err)
	}
	if got, err := precompiled.LoadKey(path); err != nil || !bytes.Equal(got, key) {
		t.Errorf("loaded another key: %v", err)
	}
	if _, err := precompiled.CreateKey(path, dir); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a second key in its place: %v", err)
	}
	keys, err := precompiled.Trusted(filepath.Join(dir, "none"), filepath.Join(dir, "trusted"))
	if err != nil || len(keys) != 1 || !keys[0].Equal(key.Public()) {
		t.Errorf("trusted are %x, %v", keys, err)
	}
	left, err := filepath.Glob(filepath.Join(t.TempDir(), "*", "new-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("files are left: %v, %v", left, err)
	}
}

// TestKeysOfOthers: a key that others can write to is not trusted, nor one in a folder where they
// can, and a key that others can read signs nothing.
func TestKeysOfOthers(t *testing.T) {
	dir, path, _ := created(t)
	folder := filepath.Join(dir, "trusted")
	public, err := filepath.Glob(filepath.Join(dir[:strings.Index(dir, "[")]+"*", "trusted", "*.pub"))
	if err != nil || len(public) != 1 {
		t.Fatal(public, err)
	}
	chmod := func(path string, mode fs.FileMode) {
		t.Helper()
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	refused := func(want string) {
		t.Helper()
		if keys, err := precompiled.Trusted(folder); len(keys) > 0 || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("trusted are %x, %v, want %q", keys, err, want)
		}
	}
	chmod(public[0], 0o664)
	refused("others may write to it (its permissions are 0664")
	chmod(public[0], 0o644)
	chmod(folder, 0o777)
	refused("is not used: others may write to it")
	chmod(folder, 0o755)
	if keys, err := precompiled.Trusted(folder); len(keys) != 1 || err != nil {
		t.Errorf("trusted are %x, %v", keys, err)
	}
	chmod(path, 0o640)
	if _, err := precompiled.LoadKey(path); err == nil || !strings.Contains(err.Error(), "others may read it") {
		t.Errorf("a key that others can read: %v", err)
	}
}

func TestFilesThatAreNoKeys(t *testing.T) {
	dir, path, _ := created(t)
	folder := filepath.Join(dir, "trusted")
	// A key that cannot sign.
	const x25519 = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VuAyEAAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n-----END PUBLIC KEY-----\n"
	private, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"empty": "", "text": "hello", "nothing in it": "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n",
		"another kind": x25519, "private": string(private), "large": strings.Repeat("x", 100_000),
	} {
		bad := filepath.Join(folder, "bad.pub")
		if err := os.WriteFile(bad, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		keys, err := precompiled.Trusted(folder)
		if len(keys) != 1 || err == nil || !strings.Contains(err.Error(), "bad.pub") {
			t.Errorf("%s: trusted are %d keys, %v; want the other one, and an error", name, len(keys), err)
		}
		if name == "private" {
			continue
		}
		if _, err := precompiled.LoadKey(bad); err == nil {
			t.Errorf("%s: loaded as a private key", name)
		}
	}
}
