package codecache

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/airhost/airhost/internal/precompiled"
)

// extension ends the names of entries.
const extension = ".code"

// offered is an entry of a precompiled file.
type offered struct {
	code  []byte
	by    int // Offers that have it and are not done
	taken bool
	wrong error // the reason why it cannot be used
}

// Offer gives a file's code to the cache, until done is called. If a key is trusted that
// has signed it, Get returns that code before the directory's. done warns if no
// code of the file was used, with the reason and the remedy. A nil file offers nothing.
func (c *Cache) Offer(file *precompiled.File, source string) (done func()) {
	if c == nil || file == nil {
		return func() {}
	}
	entries, err := file.Code()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.offered == nil {
		c.offered = make(map[string]*offered)
	}
	for _, e := range entries {
		o := c.offered[e.Name]
		if o == nil {
			o = &offered{code: e.Code}
			c.offered[e.Name] = o
		}
		o.by++
	}
	return func() { c.done(file, entries, source, err) }
}

// Fits reports whether code of a file may be used here, as far as can be known before the
// module is compiled.
func (c *Cache) Fits(file *precompiled.File) bool {
	return file != nil && file.Trusted() && c.elsewhere(&file.Header) == nil
}

func (c *Cache) done(file *precompiled.File, entries []precompiled.Entry, source string, err error) {
	used := false
	c.mu.Lock()
	for i, e := range entries {
		o := c.offered[e.Name]
		used = used || i == 0 && o.taken && o.wrong == nil
		err = errors.Join(err, o.wrong)
		if o.by--; o.by == 0 {
			delete(c.offered, e.Name)
		}
	}
	c.mu.Unlock()
	if used {
		return
	}
	if err == nil {
		err = c.unfit(&file.Header)
	}
	c.log.Warn("precompiled code was not used", "source", source, "engine", c.engine, "reason", err.Error())
}

// again is an error with the remedy.
func again(reason string, args ...any) error {
	return fmt.Errorf(reason+": `airhost compile` makes a file for this one", args...)
}

// elsewhere is the reason why the code of a file cannot run here; nil if it can.
func (c *Cache) elsewhere(h *precompiled.Header) error {
	switch {
	case h.Engine != c.engine:
		return again("it was compiled for the engine %s, and this is %s", short(h.Engine), c.engine)
	case h.Version != c.version:
		return again("airhost %s compiled it for %s, and this is %s", short(h.Airhost), short(h.Version), short(c.version))
	case h.Processor != processor():
		return again("it was compiled on a machine of another kind than this %s/%s", runtime.GOOS, runtime.GOARCH)
	}
	return nil
}

// unfit is the reason why no code of a file was used.
func (c *Cache) unfit(h *precompiled.Header) error {
	if err := c.elsewhere(h); err != nil {
		return err
	}
	return again("it was compiled for other limits (%s), or by an airhost (%s) that changes modules differently", short(h.Limits), short(h.Airhost))
}

// short is a text of a file, fit for a line.
func short(text string) string {
	const most = 80
	text = strings.ToValidUTF8(strings.Join(strings.Fields(text), " "), "")
	if before, _, checksum := strings.Cut(text, " h1:"); checksum {
		text = before
	}
	return text[:min(len(text), most)]
}

// take returns the code that is offered under a name, if it is the key's.
func (c *Cache) take(name string, key Key) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	o := c.offered[name]
	if o == nil || o.wrong != nil {
		return nil
	}
	code, err := c.verify(o.code, key)
	o.taken, o.wrong = err == nil, err
	return code
}

// withdraw notes that the engine refused code which was offered. It reports whether it was.
func (c *Cache) withdraw(name string, reason error) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	o := c.offered[name]
	if o == nil || !o.taken {
		return false
	}
	o.wrong = fmt.Errorf("the engine refused it: %w", reason)
	return true
}

// Header describes the code that an engine of this program compiles.
func Header(engine, version string) precompiled.Header {
	return precompiled.Header{Engine: engine, Version: version, Processor: processor()}
}

// Entries reads all entries of a directory, where an engine has compiled one module. The
// largest is the first: that of the module.
func Entries(dir string) (all []precompiled.Entry, err error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*"+extension))
	if err != nil {
		return nil, err
	}
	for _, path := range paths {
		code, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		all = append(all, precompiled.Entry{Name: filepath.Base(path), Code: code})
	}
	slices.SortStableFunc(all, func(a, b precompiled.Entry) int { return len(b.Code) - len(a.Code) })
	return all, nil
}
