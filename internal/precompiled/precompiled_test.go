package precompiled_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/airhost/airhost/internal/precompiled"
)

var (
	module  = []byte("\x00asm, say")
	code    = []precompiled.Entry{{Name: "main.code", Code: []byte("machine code")}, {Name: "shim.code", Code: []byte("more")}}
	header  = precompiled.Header{Airhost: "v1", Engine: "e", Version: "e 1", Processor: "p", Limits: "none"}
	key     = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{1}, ed25519.SeedSize))
	other   = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{2}, ed25519.SeedSize))
	trusted = []ed25519.PublicKey{other.Public().(ed25519.PublicKey), key.Public().(ed25519.PublicKey)}
)

func written(t *testing.T) []byte {
	t.Helper()
	var file bytes.Buffer
	if err := precompiled.Write(&file, header, module, code, key); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

func TestWriteThenOpen(t *testing.T) {
	data := written(t)
	path := filepath.Join(t.TempDir(), "x.airhost")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, from := range map[string]precompiled.Opener{"a file": precompiled.Path(path), "memory": precompiled.Memory(data)} {
		f, err := precompiled.Open(from, int64(len(module)))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !bytes.Equal(f.Module, module) || f.Header.Airhost != "v1" || f.Header.Version != "e 1" || len(f.Header.Code) != 2 {
			t.Errorf("%s: got %q, %+v", name, f.Module, f.Header)
		}
		if sum, err := f.Sum(); err != nil || sum != sha256.Sum256(data) {
			t.Errorf("%s: got the sum %x, %v", name, sum, err)
		}
		if got, err := f.Code(); !errors.Is(err, precompiled.ErrUntrusted) || got != nil {
			t.Errorf("%s: got code %q, %v before a key is trusted", name, got, err)
		}
		if f.SignedBy(nil) || f.SignedBy(trusted[:1]) || f.SignedBy([]ed25519.PublicKey{nil, {1, 2, 3}}) {
			t.Errorf("%s: signed by another key", name)
		}
		if !f.SignedBy(trusted) {
			t.Errorf("%s: not signed by its key", name)
		}
		got, err := f.Code()
		if err != nil || len(got) != 2 || !bytes.Equal(got[0].Code, code[0].Code) || got[1].Name != "shim.code" || !bytes.Equal(got[1].Code, code[1].Code) {
			t.Errorf("%s: got code %q, %v", name, got, err)
		}
	}
}

// TestEveryBitIsChecked: no change of a file gives other code, and none gives another module with
// trusted code.
func TestEveryBitIsChecked(t *testing.T) {
	data := written(t)
	check := func(what string, changed []byte) {
		t.Helper()
		f, err := precompiled.Open(precompiled.Memory(changed), 1000)
		if err != nil {
			return
		}
		if f == nil {
			if precompiled.Is(changed) {
				t.Errorf("%s: it counts as another file", what)
			}
			return
		}
		if f.SignedBy(trusted) {
			if code, err := f.Code(); err == nil {
				t.Errorf("%s: its code %q is trusted", what, code)
			}
		}
	}
	for bit := range 8 * len(data) {
		changed := bytes.Clone(data)
		changed[bit/8] ^= 1 << (bit % 8)
		check("a bit flipped", changed)
	}
	for size := range data {
		check("cut", data[:size])
	}
	check("longer", append(bytes.Clone(data), 0))
}

// TestCodeThatChanges: the code is read after the signature was checked, and is checked again.
func TestCodeThatChanges(t *testing.T) {
	data := written(t)
	f, err := precompiled.Open(precompiled.Memory(data), 1000)
	if err != nil || !f.SignedBy(trusted) {
		t.Fatal(err)
	}
	copy(data[bytes.Index(data, []byte("machine code")):], "other ")
	if code, err := f.Code(); err == nil {
		t.Errorf("got %q", code)
	}
}

func TestOpenRefuses(t *testing.T) {
	data := written(t)
	put := func(at int, value uint32) []byte {
		changed := bytes.Clone(data)
		binary.LittleEndian.PutUint32(changed[at:], value)
		return changed
	}
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"another format":       {put(8, 2), "format 2 of another version of airhost, which reads 1: compile the module again"},
		"a large header":       {put(12, 1<<31), "its header has 2147483648 bytes"},
		"a header of nonsense": {bytes.Replace(data, []byte(`{"airhost"`), []byte(`("airhost"`), 1), "its header: "},
		"a negative size":      {bytes.Replace(data, []byte(`"size":9`), []byte(`"size":-`), 1), "damaged"},
		"nothing else":         {data[:8], "ends within its header"},
	} {
		if _, err := precompiled.Open(precompiled.Memory(c.data), 1000); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
	_, err := precompiled.Open(precompiled.Memory(data), 3)
	if large := new(precompiled.TooLargeError); !errors.As(err, &large) || large.Size != int64(len(module)) {
		t.Errorf("a large module: got %v", err)
	}
	if f, err := precompiled.Open(precompiled.Memory([]byte("\x00asm")), 1000); f != nil || err != nil {
		t.Errorf("a module: got %v, %v", f, err)
	}
	if _, err := precompiled.Open(precompiled.Path(filepath.Join(t.TempDir(), "none")), 1000); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: got %v", err)
	}
}

// FuzzOpen: whatever the bytes, nothing panics, and no code is trusted.
func FuzzOpen(f *testing.F) {
	var file bytes.Buffer
	if err := precompiled.Write(&file, header, module, code, key); err != nil {
		f.Fatal(err)
	}
	f.Add(file.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		opened, err := precompiled.Open(precompiled.Memory(data), 1000)
		if err == nil && opened != nil && !bytes.Equal(data, file.Bytes()) && opened.SignedBy(trusted) {
			if code, err := opened.Code(); err == nil {
				t.Errorf("got %q", code)
			}
		}
	})
}
