// Package codecache keeps compiled code of any engine in a directory, from run to
// run.
//
// The cache is optional. A fault of the cache costs a compilation and a warning; no
// call of this package fails. Since an engine trusts machine code, the cache
// verifies an entry before it returns it: an entry begins with a hash of the code,
// of the source that the code was compiled from, and of the compiler. The cache only
// reads from places where no other user can write.
package codecache

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/airhost/airhost/internal/precompiled"
)

// Key is a hash of the source from which code was compiled.
type Key = [sha256.Size]byte

// An entry is a file: the format, the hash, the size of the code in 8 bytes, the
// code.
const (
	format     = "airhost code 1\n\x00"
	headerSize = len(format) + sha256.Size + 8
)

// Cache is a directory of compiled code. Its methods may be called from any
// goroutine, and several processes may use the same directory. A nil Cache is empty
// and keeps nothing.
type Cache struct {
	dir      string // "" keeps nothing
	engine   string
	version  string
	compiler string // engine, version and processor: the code depends on them
	log      *slog.Logger
	warn     sync.Once
	sweep    sync.Once

	mu      sync.Mutex // guards offered
	offered map[string]*offered
}

// Open returns the cache of an engine in a directory. With "" for the directory, it
// only has the code that is offered to it. Put creates the directory if needed. An entry is valid for its key, the engine, its version (which includes the
// engine's configuration) and the processor. The first fault is logged as a warning,
// later ones for debugging. A nil log stands for slog.Default. Open does not block.
func Open(dir, engine, version string, log *slog.Logger) *Cache {
	if log == nil {
		log = slog.Default()
	}
	if absolute, err := filepath.Abs(dir); err == nil && dir != "" {
		dir = absolute
	}
	return &Cache{dir: dir, engine: engine, version: version, compiler: engine + " " + version + " " + processor(), log: log}
}

// Get returns the code kept under a key, or nil. The caller owns the code.
func (c *Cache) Get(key Key) []byte {
	if c == nil {
		return nil
	}
	path := c.path(key)
	if code := c.take(filepath.Base(path), key); code != nil {
		return code
	}
	if c.dir == "" {
		return nil
	}
	code, err := c.read(path, key)
	switch {
	case err == nil:
		return code
	case errors.Is(err, fs.ErrNotExist):
	case errors.Is(err, errDamaged):
		c.discard(path, err)
	default:
		c.Report(err)
	}
	return nil
}

// Keeps reports whether Put keeps code.
func (c *Cache) Keeps() bool { return c != nil && c.dir != "" }

// Put keeps code under a key. It replaces older code.
func (c *Cache) Put(key Key, code []byte) {
	if !c.Keeps() {
		return
	}
	if err := c.write(c.path(key), key, code); err != nil {
		c.Report(fmt.Errorf("compiled code was not kept: %w", err))
	}
}

// Reject removes the entry of a key whose code the engine refused.
func (c *Cache) Reject(key Key, reason error) {
	if c == nil {
		return
	}
	if path := c.path(key); !c.withdraw(filepath.Base(path), reason) && c.dir != "" {
		c.discard(path, fmt.Errorf("the engine refused an entry: %w", reason))
	}
}

func (c *Cache) path(key Key) string {
	name := sha256.Sum256(append([]byte(c.compiler+"\x00"), key[:]...))
	return filepath.Join(c.dir, hex.EncodeToString(name[:])+extension)
}

// sum computes the hash of an entry.
func (c *Cache) sum(key Key, code []byte) []byte {
	hash := sha256.New()
	fmt.Fprintf(hash, "%s%d %s", format, len(c.compiler), c.compiler)
	hash.Write(key[:])
	hash.Write(code)
	return hash.Sum(nil)
}

var errDamaged = errors.New("an entry is damaged")

func damaged(reason string, args ...any) error {
	return fmt.Errorf("%w: "+reason, append([]any{errDamaged}, args...)...)
}

func (c *Cache) read(path string, key Key) ([]byte, error) {
	if err := checkDirectory(c.dir); err != nil {
		return nil, err
	}
	info, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() { // opening a file of another kind may block
		return nil, damaged("it is no file")
	}
	if err := precompiled.CheckOwner(info, 0o022); err != nil {
		return nil, damaged("%w", err)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	entry := make([]byte, info.Size())
	if _, err := io.ReadFull(file, entry); err != nil {
		return nil, damaged("%w", err)
	}
	return c.verify(entry, key)
}

// verify returns the code of an entry.
func (c *Cache) verify(entry []byte, key Key) ([]byte, error) {
	if len(entry) < headerSize {
		return nil, damaged("it ends within its header")
	}
	header, code := entry[:headerSize], entry[headerSize:]
	sum, size := header[len(format):len(format)+sha256.Size], binary.LittleEndian.Uint64(header[headerSize-8:])
	if string(header[:len(format)]) != format || size != uint64(len(code)) {
		return nil, damaged("its header does not fit")
	}
	if !bytes.Equal(sum, c.sum(key, code)) {
		return nil, damaged("it is not what was kept")
	}
	return code, nil
}

// write creates the entry atomically, so no reader sees a part of it.
func (c *Cache) write(path string, key Key, code []byte) error {
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return err
	}
	if err := checkDirectory(c.dir); err != nil {
		return err
	}
	c.sweep.Do(c.removeLeftovers)
	file, err := os.CreateTemp(c.dir, newPrefix+"*") // readable and writable by the user alone
	if err != nil {
		return err
	}
	header := append([]byte(format), c.sum(key, code)...)
	header = binary.LittleEndian.AppendUint64(header, uint64(len(code)))
	_, err = file.Write(header)
	if err == nil {
		_, err = file.Write(code)
	}
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		_ = os.Remove(file.Name())
	}
	return err
}

// newPrefix begins the names of temporary files.
const newPrefix = "new-"

// removeLeftovers removes temporary files of processes that ended while they wrote
// them.
func (c *Cache) removeLeftovers() {
	left, _ := filepath.Glob(filepath.Join(c.dir, newPrefix+"*"))
	for _, path := range left {
		if info, err := os.Lstat(path); err == nil && time.Since(info.ModTime()) > time.Hour {
			_ = os.Remove(path)
		}
	}
}

// discard removes an entry.
func (c *Cache) discard(path string, reason error) {
	_ = os.RemoveAll(path) // if this fails, the next Get reports the entry again and Put reports the reason
	c.Report(fmt.Errorf("%s: %w; it is compiled anew", filepath.Base(path), reason))
}

// Report logs a fault of the cache. The first fault is a warning.
func (c *Cache) Report(reason error) {
	level := slog.LevelDebug
	c.warn.Do(func() { level = slog.LevelWarn })
	c.log.Log(context.Background(), level, "the cache of compiled code has a fault", "cache", c.dir, "engine", c.engine, "reason", reason.Error())
}

func checkDirectory(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return errors.New("it is no directory")
	}
	return precompiled.CheckOwner(info, 0o022)
}
