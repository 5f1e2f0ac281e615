package sandbox

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/enginetest"
	"github.com/airhost/airhost/internal/wasm"
)

// counted is a Shared that compiles nothing and counts its calls.
type counted struct {
	Shared[int]
	compiled, open int
}

func newCounted() *counted {
	c := new(counted)
	c.Close = func(int) error { c.open--; return nil }
	return c
}

func (c *counted) use(t *testing.T, source core.Source, limits core.Limits, variant string) *Use[int] {
	t.Helper()
	u, err := c.Compile(t.Context(), request(source, limits, variant), func(*Code) (int, error) {
		c.compiled, c.open = c.compiled+1, c.open+1
		return c.compiled, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func request(source core.Source, limits core.Limits, variant string) Request {
	return Request{Source: source, Limits: limits.WithDefaults(), MaxModule: 1 << 20, Variant: variant}
}

func (c *counted) expect(t *testing.T, what string, compiled, open int) {
	t.Helper()
	if c.compiled != compiled || c.open != open {
		t.Errorf("%s: %d were compiled, %d are open, want %d and %d", what, c.compiled, c.open, compiled, open)
	}
}

func release(t *testing.T, uses ...*Use[int]) {
	t.Helper()
	for _, u := range uses {
		if err := u.Release(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestSameContentIsShared: components share code from different files, and with
// different limits if the limits do not change the compiled code.
func TestSameContentIsShared(t *testing.T) {
	c, code := newCounted(), enginetest.ActorWasm().Code
	uses := []*Use[int]{c.use(t, core.Source{Code: code}, core.Limits{}, "")}
	for _, name := range []string{"a", "b"} {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, code, 0o600); err != nil {
			t.Fatal(err)
		}
		uses = append(uses, c.use(t, core.Source{Path: path}, core.Limits{Memory: 1 << 20, HandlerTime: 1, Mailbox: 1, MessageSize: 1, StartTime: 1}, ""))
	}
	c.expect(t, "three uses", 1, 1)
	if uses[0].Most == uses[1].Most || uses[1].Most > 1<<20 {
		t.Errorf("got memories of %d and %d bytes, want those of each use", uses[0].Most, uses[1].Most)
	}
	uses = append(uses, c.use(t, core.Source{Code: code}, core.Limits{Fuel: 5}, ""), c.use(t, core.Source{Code: code}, core.Limits{Fuel: 6}, ""))
	c.expect(t, "with fuel", 2, 2)
	uses = append(uses, c.use(t, core.Source{Code: code}, core.Limits{}, "other"), c.use(t, enginetest.ResponderWasm(), core.Limits{}, ""))
	c.expect(t, "a variant, and another guest", 4, 4)
	release(t, uses[1:]...)
	c.expect(t, "one use left", 4, 1)
	release(t, uses[0])
	c.expect(t, "none left", 4, 0)
	release(t, c.use(t, core.Source{Code: code}, core.Limits{}, ""))
	c.expect(t, "again", 5, 0)
}

// TestUnusedCodeIsFreed: no entry is left after the last use, nor after a failed
// compilation.
func TestUnusedCodeIsFreed(t *testing.T) {
	c := newCounted()
	m, err := wasm.Parse(enginetest.ActorWasm().Code)
	if err != nil {
		t.Fatal(err)
	}
	customs := m.Customs
	for i := range 1000 {
		m.Customs = append(customs, wasm.Custom{Name: strings.Repeat("x", i)})
		release(t, c.use(t, core.Source{Code: m.Encode()}, core.Limits{}, ""))
	}
	failure := errors.New("on purpose")
	_, err = c.Compile(t.Context(), request(enginetest.ActorWasm(), core.Limits{}, ""), func(*Code) (int, error) { return 0, failure })
	if err != failure || len(c.entries) != 0 || c.open != 0 {
		t.Errorf("got %v, %d entries, %d open, want the failure and none", err, len(c.entries), c.open)
	}
}

// TestEachUseHasItsOwnMemoryLimit: a use is refused if its limit is too low for the
// shared code.
func TestEachUseHasItsOwnMemoryLimit(t *testing.T) {
	m, err := wasm.Parse(enginetest.ActorWasm().Code)
	if err != nil {
		t.Fatal(err)
	}
	m.Memories[0].Min, m.Memories[0].HasMax = 100, false
	c, source := newCounted(), core.Source{Code: m.Encode(), Path: "x"}
	var limit *core.LimitError
	for _, what := range []string{"alone", "beside another"} {
		_, err := c.Compile(t.Context(), request(source, core.Limits{Memory: 99 << 16}, ""), func(*Code) (int, error) { panic("compiled") })
		if !errors.As(err, &limit) || limit.Limit != "limits.memory" || limit.Got != 100<<16 {
			t.Errorf("%s: got %v, want that it needs 100 pages", what, err)
		}
		if what == "alone" {
			defer release(t, c.use(t, source, core.Limits{Memory: 100 << 16}, ""))
		}
	}
	c.expect(t, "in the end", 1, 1)
}

// TestOneCompilesOthersWait: one component compiles and the others wait. If one
// gives up, the others do not fail.
func TestOneCompilesOthersWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s Shared[int]
		var compiling atomic.Int32
		s.Close = func(int) error { return nil }
		compile := func(ctx context.Context, go_ <-chan struct{}) <-chan error {
			ended := make(chan error, 1)
			go func() {
				_, err := s.Compile(ctx, request(enginetest.ActorWasm(), core.Limits{}, ""), func(*Code) (int, error) {
					compiling.Add(1)
					select {
					case <-go_:
						return 1, nil
					case <-ctx.Done():
						return 0, ctx.Err()
					}
				})
				ended <- err
			}()
			synctest.Wait()
			return ended
		}
		first, cancelFirst := context.WithCancel(t.Context())
		second, cancelSecond := context.WithCancel(t.Context())
		proceed := make(chan struct{})
		a, b := compile(first, nil), compile(second, nil)
		c, d := compile(t.Context(), proceed), compile(t.Context(), proceed)
		if n := compiling.Load(); n != 1 {
			t.Errorf("%d compile, want 1", n)
		}
		cancelSecond()
		if err := <-b; err != context.Canceled {
			t.Errorf("the one that waited and gave up: got %v", err)
		}
		cancelFirst()
		if err := <-a; err != context.Canceled {
			t.Errorf("the one that compiled and gave up: got %v", err)
		}
		synctest.Wait()
		close(proceed)
		if err := errors.Join(<-c, <-d); err != nil || compiling.Load() != 2 {
			t.Errorf("got %v after %d compilations, want success after 2", err, compiling.Load())
		}
	})
}

// TestMemoryForCompilingIsShared: simultaneous compilations cost no more than one
// module of maximum cost, and an expensive module is not starved.
func TestMemoryForCompilingIsShared(t *testing.T) {
	m := newMemoryShares()
	var taken, ended atomic.Int64
	var all sync.WaitGroup
	for i := range 100 {
		all.Go(func() {
			cost := []int{1, maxCost / 10, maxCost / 2, maxCost}[i%4]
			release, err := m.take(t.Context(), cost)
			if err != nil {
				t.Error(err)
				return
			}
			if now := taken.Add(int64(cost)); now > maxCost {
				t.Errorf("%d are taken, want at most %d", now, maxCost)
			}
			taken.Add(-int64(cost))
			release()
			ended.Add(1)
		})
	}
	all.Wait()
	if ended.Load() != 100 || len(m.free) != shares {
		t.Errorf("%d have compiled, %d shares are free, want 100 and %d", ended.Load(), len(m.free), shares)
	}
	release, _ := m.take(t.Context(), maxCost/2)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := m.take(ctx, maxCost); err != context.Canceled {
		t.Errorf("got %v, want that it gave up", err)
	}
	release()
	if len(m.free) != shares {
		t.Errorf("%d shares are free, want %d", len(m.free), shares)
	}
}
