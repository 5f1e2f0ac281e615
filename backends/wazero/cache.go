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

// cache is a cache of code for wazero, in the place of its own: that one ends a
// compilation where it is damaged, and verifies machine code alone, by a sum that
// code of another module has as well.
type cache struct {
	*codecache.Cache
	wazero     wazero.CompilationCache
	distrusted atomic.Bool // wazero refused what had been verified
}

func openCache(config Config) *cache {
	c := &cache{
		Cache:  codecache.Open(config.CacheDir, Name, codecache.Module("github.com/tetratelabs/wazero"), config.Logger),
		wazero: wazero.NewCompilationCache(),
	}
	if !install(c.wazero, c) {
		c.Report(errors.New("this version of wazero has no place for it"))
	}
	return c
}

// install has wazero keep code in files, an implementation of an interface that wazero
// does not export. The field in which it keeps it needs no unsafe to be found, and a
// test fails if it moves.
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

// Add is called by wazero when it has compiled.
func (c *cache) Add(key codecache.Key, code io.Reader) error {
	all, err := io.ReadAll(code)
	if err == nil {
		c.Put(key, all)
	}
	return err
}

// Delete is called by wazero for what another version of it has left.
func (c *cache) Delete(key codecache.Key) error {
	c.Reject(key, errors.New("it is of another version"))
	return nil
}

// refused reports whether wazero's error is about what it was given by the cache, which
// it is given no more.
func (c *cache) refused(err error) bool {
	if c == nil || !strings.HasPrefix(err.Error(), "compilationcache: ") {
		return false
	}
	if !c.distrusted.Swap(true) {
		c.Report(fmt.Errorf("wazero refused an entry: %w", err))
	}
	return true
}
