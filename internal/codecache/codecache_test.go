package codecache_test

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/airhost/airhost/internal/codecache"
)

type logged struct{ bytes.Buffer }

func open(dir, engine string) (*codecache.Cache, *logged) {
	l := new(logged)
	return codecache.Open(dir, engine, "1", slog.New(slog.NewTextHandler(l, nil))), l
}

func (l *logged) warnings() int { return strings.Count(l.String(), "level=WARN") }

func files(t *testing.T, dir string) []string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

var (
	key, otherKey = codecache.Key{1}, codecache.Key{2}
	code          = []byte("machine code")
)

func TestPutThenGet(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "when needed")
	c, log := open(dir, "a")
	if got := c.Get(key); got != nil {
		t.Errorf("got %q from an empty cache", got)
	}
	c.Put(key, []byte("older"))
	c.Put(key, code)
	again, _ := open(dir, "a")
	other, _ := open(dir, "b")
	if got := again.Get(key); !bytes.Equal(got, code) {
		t.Errorf("got %q, want %q", got, code)
	}
	if again.Get(otherKey) != nil || other.Get(key) != nil {
		t.Error("got the code of another key or engine")
	}
	if len(files(t, dir)) != 1 || log.Len() > 0 {
		t.Errorf("got files %v, log %s, want one file and nothing", files(t, dir), log)
	}
	var none *codecache.Cache
	none.Put(key, code)
	if none.Get(key) != nil {
		t.Error("got code of no cache")
	}
}

// TestEveryBitIsVerified flips each bit of an entry, and cuts the entry at each
// length.
func TestEveryBitIsVerified(t *testing.T) {
	dir := t.TempDir()
	c, _ := open(dir, "a")
	c.Put(key, code)
	path := files(t, dir)[0]
	kept, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	damaged := func(what string, entry []byte) {
		t.Helper()
		if err := os.WriteFile(path, entry, 0o600); err != nil {
			t.Fatal(err)
		}
		c, log := open(dir, "a")
		if got := c.Get(key); got != nil || log.warnings() != 1 || !strings.Contains(log.String(), "cache="+dir) {
			t.Fatalf("%s: got %q, log %s, want nothing and one warning", what, got, log)
		}
		if left := files(t, dir); len(left) != 0 {
			t.Fatalf("%s: %v is still there", what, left)
		}
	}
	for bit := range 8 * len(kept) {
		entry := bytes.Clone(kept)
		entry[bit/8] ^= 1 << (bit % 8)
		damaged("a bit flipped", entry)
	}
	for size := range kept {
		damaged("cut", kept[:size])
	}
	damaged("longer", append(bytes.Clone(kept), 0))
	c.Put(otherKey, code)
	other, err := os.ReadFile(files(t, dir)[0])
	if err != nil || os.Remove(files(t, dir)[0]) != nil {
		t.Fatal(err)
	}
	damaged("the same code, made of something else", other)
}

// TestUnusableDirectories: an unusable directory causes one warning, whatever the
// calls.
func TestUnusableDirectories(t *testing.T) {
	places := map[string]func(dir string) (string, error){
		"a file": func(dir string) (string, error) {
			return filepath.Join(dir, "x"), os.WriteFile(filepath.Join(dir, "x"), nil, 0o600)
		},
		"below a file": func(dir string) (string, error) {
			return filepath.Join(dir, "x", "y"), os.WriteFile(filepath.Join(dir, "x"), nil, 0o600)
		},
		"a link to nothing": func(dir string) (string, error) {
			return filepath.Join(dir, "x"), os.Symlink(filepath.Join(dir, "none"), filepath.Join(dir, "x"))
		},
		"writable by others":        func(dir string) (string, error) { return dir, os.Chmod(dir, 0o777) },
		"writable by a group":       func(dir string) (string, error) { return dir, os.Chmod(dir, 0o770) },
		"where nothing can be made": func(string) (string, error) { return "/proc/self/x", nil },
		"a name that is too long":   func(dir string) (string, error) { return filepath.Join(dir, strings.Repeat("x", 300)), nil },
	}
	for name, place := range places {
		dir, err := place(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		c, log := open(dir, "a")
		for range 3 {
			c.Put(key, code)
			if got := c.Get(key); got != nil {
				t.Errorf("%s: got %q, want nothing", name, got)
			}
		}
		if log.warnings() != 1 {
			t.Errorf("%s: got log %s, want one warning", name, log)
		}
	}
}

// TestUnusableEntries: anything else in an entry's place is removed and not opened.
func TestUnusableEntries(t *testing.T) {
	for name, put := range map[string]func(path string) error{
		"a directory":        func(path string) error { return os.MkdirAll(filepath.Join(path, "below"), 0o700) },
		"a link":             func(path string) error { return os.Symlink("/dev/zero", path) },
		"writable by others": func(path string) error { return os.Chmod(path, 0o666) },
	} {
		dir := t.TempDir()
		c, _ := open(dir, "a")
		c.Put(key, code)
		path := files(t, dir)[0]
		if name != "writable by others" {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}
		if err := put(path); err != nil {
			t.Fatal(err)
		}
		c, log := open(dir, "a")
		if got := c.Get(key); got != nil || log.warnings() != 1 {
			t.Errorf("%s: got %q, log %s, want nothing and one warning", name, got, log)
		}
		if c.Put(key, code); !bytes.Equal(c.Get(key), code) || log.warnings() != 1 {
			t.Errorf("%s: the entry was not replaced: %s", name, log)
		}
	}
}

// TestRejectedEntriesAreReplaced: an entry that the engine refuses counts as
// damaged.
func TestRejectedEntriesAreReplaced(t *testing.T) {
	dir := t.TempDir()
	c, log := open(dir, "a")
	c.Put(key, code)
	c.Reject(key, os.ErrInvalid)
	if c.Get(key) != nil || log.warnings() != 1 {
		t.Errorf("got log %s, want one warning and no entry", log)
	}
}

// TestSeveralUseOneDirectory: a reader gets the whole entry of one writer, or
// nothing.
func TestSeveralUseOneDirectory(t *testing.T) {
	dir := t.TempDir()
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			c, log := open(dir, "a")
			large := bytes.Repeat([]byte{byte(i)}, 1<<16)
			for range 50 {
				c.Put(key, large)
				got := c.Get(key)
				if len(got) != len(large) || bytes.Count(got, got[:1]) != len(got) {
					t.Errorf("got %d bytes, of which not all were written by one", len(got))
				}
			}
			if log.Len() > 0 {
				t.Error(log)
			}
		})
	}
	all.Wait()
	if len(files(t, dir)) != 1 {
		t.Errorf("got %v, want one entry", files(t, dir))
	}
}
