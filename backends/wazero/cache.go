package wazero

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"sync/atomic"

	"github.com/tetratelabs/wazero"

	"github.com/airhost/airhost/internal/codecache"
)

// cache keeps wazero's compiled code in files, in place of wazero's own file cache.
// That one fails a compilation if an entry is damaged, and its checksum covers the
// machine code alone, so it would accept the code of another module.
type cache struct {
	*codecache.Cache
	wazero     wazero.CompilationCache
	distrusted atomic.Bool // wazero refused an entry that was verified
}

// CodeVersion names the compiler whose code this engine can use.
func CodeVersion() string { return codecache.Module("github.com/tetratelabs/wazero") }

func openCache(code *codecache.Cache) *cache {
	c := &cache{Cache: code, wazero: wazero.NewCompilationCache()}
	if !install(c.wazero, c) {
		c.Report(errors.New("this version of wazero has no place for it"))
	}
	return c
}

// install makes in use files as its file cache. wazero does not export that
// interface, so install sets an unexported field by reflection. A test fails if the
// field moves.
func install(in wazero.CompilationCache, files any) bool {
	of := reflect.ValueOf(in)
	if of.Kind() != reflect.Pointer || of.Elem().Kind() != reflect.Struct {
		return false
	}
	field := of.Elem().FieldByName("fileCache")
	if !field.IsValid() || field.Kind() != reflect.Interface || !reflect.TypeOf(files).Implements(field.Type()) {
		return false
	}
	reflect.NewAt(field.Type(), field.Addr().UnsafePointer()).Elem().Set(reflect.ValueOf(files))
	return true
}

// Get is called by wazero before it compiles.
func (c *cache) Get(key codecache.Key) (io.ReadCloser, bool, error) {
	if c.distrusted.Load() {
		return nil, false, nil
	}
	code := c.Cache.Get(key)
	return io.NopCloser(bytes.NewReader(code)), code != nil, nil
}

// Add is called by wazero after it has compiled.
func (c *cache) Add(key codecache.Key, code io.Reader) error {
	all, err := io.ReadAll(code)
	if err == nil {
		c.Put(key, all)
	}
	return err
}

// Delete is called by wazero for an entry of another version of wazero.
func (c *cache) Delete(key codecache.Key) error {
	c.Reject(key, errors.New("it is of another version"))
	return nil
}

// refused reports whether err is wazero's error about an entry. After the first such
// error the cache returns no more entries.
func (c *cache) refused(err error) bool {
	if c == nil || !strings.HasPrefix(err.Error(), "compilationcache: ") {
		return false
	}
	if !c.distrusted.Swap(true) {
		c.Report(fmt.Errorf("wazero refused an entry: %w", err))
	}
	return true
}
