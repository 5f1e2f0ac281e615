package codecachetest

import (
	"errors"
	"sync"
	"testing"

	"github.com/airhost/airhost/core"
)

// AtOnce compiles, uses and closes components at the same time, with engines that
// share one cache, which is empty at first. The components have the same code, the
// same code with limits that do not change it, and code of the other sources. Each
// gets message.
func AtOnce(t *testing.T, open func(dir string) (core.Engine, error), message []byte, sources ...core.Source) {
	t.Helper()
	dir := t.TempDir()
	for range 4 {
		e, err := open(dir)
		if err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		errs := make([]error, 8)
		for i := range errs {
			limits := core.Limits{Memory: int64(1+i) << 20, Nesting: 10_000 + i%2}
			all.Go(func() {
				for n := range 6 {
					errs[i] = errors.Join(errs[i], use(t, e, sources[(i/2+n)%len(sources)], limits, message))
				}
			})
		}
		all.Wait()
		if err := errors.Join(append(errs, e.Close(t.Context()))...); err != nil {
			t.Fatal(err)
		}
	}
}

// use compiles a source, runs an instance that handles a message, and closes both.
func use(t *testing.T, e core.Engine, source core.Source, limits core.Limits, message []byte) error {
	c, err := e.Compile(t.Context(), source, limits)
	if err != nil {
		return err
	}
	self := core.MustComponentID("test/self")
	in, err := c.Instantiate(t.Context(), core.Environment{ID: self, Host: struct{ core.Services }{}})
	if err == nil {
		err = errors.Join(in.HandleMessage(self, message, nil), in.Close())
	}
	return errors.Join(err, c.Close(t.Context()))
}
