package rules

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// TestLockStatesAreInNames: each function leaves locks as it found them, or its name
// says how it changes them.
func TestLockStatesAreInNames(t *testing.T) {
	follows := 0
	for _, file := range written(t, "*.go", ":!*_test.go") {
		files := token.NewFileSet()
		f, err := parser.ParseFile(files, filepath.Join(root, file), nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			if d, ok := d.(*ast.FuncDecl); ok {
				follows++
				for _, mistake := range lockMistakes(files, d) {
					t.Errorf("%s: %s: %s", file, d.Name.Name, mistake)
				}
			}
		}
	}
	if follows < 1000 {
		t.Errorf("only %d functions were followed", follows)
	}
}

// TestLockMistakes follows made-up functions.
func TestLockMistakes(t *testing.T) {
	for body, want := range map[string]string{
		"func (c *C) a() { c.mu.Lock(); if x { c.mu.Unlock(); return }; c.n++; c.mu.Unlock() }":                    "",
		"func (c *C) a() { c.mu.Lock(); defer c.mu.Unlock(); if x { return }; c.n++ }":                             "",
		"func (c *C) a() { c.mu.Lock(); for c.n > 0 { c.mu.Unlock(); f(); c.mu.Lock() }; c.mu.Unlock() }":          "",
		"func (c *C) a() { for { c.mu.Lock(); if c.n > 0 { c.mu.Unlock(); break }; c.mu.Unlock() } }":              "",
		"func (c *C) a() { c.mu.Lock(); switch { case x: c.mu.Unlock(); return; default: c.n++ }; c.mu.Unlock() }": "",
		"func (c *C) a() { c.mu.Lock(); select { case <-x: c.mu.Unlock(); case y <- 1: c.mu.Unlock() } }":          "",
		"func (c *C) a() { c.mu.Lock(); if x { panic(1) }; c.mu.Unlock() }":                                        "",
		"func (c *C) a() { c.mu.Lock(); c.bLocked(); c.cAndUnlock() }":                                             "",
		"func (c *C) a() { c.lockAndB(f()); c.part.bLocked(); c.mu.Unlock() }":                                     "",
		"func (c *C) a() { d.mu.Lock(); go func() { c.mu.Lock(); c.mu.Unlock() }(); d.mu.Unlock() }":               "",
		"func (c *C) a() { c.mu.Lock(); each(func() { c.bLocked() }); c.mu.Unlock() }":                             "",
		"func (c *C) aLocked() { c.mu.Unlock(); f(); c.mu.Lock() }":                                                "",
		"func (s *S) aLocked(c *C) { s.mu.Lock(); defer s.mu.Unlock(); c.bLocked() }":                              "",
		"func (c *C) aAndUnlock() { switch { case x: c.mu.Unlock(); f(); return; case y: c.n++ }; c.mu.Unlock() }": "",
		"func (c *C) lockAndA(x int) { c.mu.Lock(); c.bLocked() }":                                                 "",
		"func (c *C) a() { if !c.mu.TryLock() { return }; c.n++; c.mu.Unlock() }":                                  "",
		"func (c *C) a() { c.mu.Lock(); defer c.mu.Unlock(); d := c; d.bLocked() }":                                "",
		"func (c *C) a() { switch { case x: c.mu.Lock(); fallthrough; case y: c.mu.Unlock() } }":                   "unlocks c.mu, which is not held",
		"func (c *C) a() { if c.mu.TryLock() { c.n++ } }":                                                          "returns with c.mu held, want no lock",
		"func (c *C) Lock() { c.mu.Lock() }":                                                                       "",
		"func (c *C) a() { c.mu.Lock(); if x { return }; c.mu.Unlock() }":                                          "returns with c.mu held, want no lock",
		"func (c *C) a() { c.mu.Unlock() }":                                                                        "unlocks c.mu, which is not held",
		"func (c *C) a() { c.mu.Unlock(); f(); c.mu.Lock() }":                                                      "unlocks c.mu, which is not held",
		"func (c *C) a() { c.mu.Lock(); c.mu.Lock(); c.mu.Unlock() }":                                              "locks c.mu twice",
		"func (c *C) a() { for { c.mu.Lock() } }":                                                                  "locks c.mu twice",
		"func (c *C) a() { c.bLocked() }":                                                                          "calls bLocked without a lock",
		"func (c *C) a() { d.mu.Lock(); c.bLocked(); d.mu.Unlock() }":                                              "calls bLocked without a lock",
		"func (c *C) a() { c.mu.Lock(); c.bAndUnlock(); c.mu.Unlock() }":                                           "unlocks c.mu, which is not held",
		"func (c *C) a() { c.lockAndB() }":                                                                         "returns with c.mu held, want no lock",
		"func (c *C) a() { defer c.mu.Unlock() }":                                                                  "unlocks c.mu, which is not held",
		"func (c *C) a() { c.mu.Lock(); go c.f(func() { c.mu.Unlock() }) }":                                        "returns with c.mu held, want no lock",
		"func (c *C) a() { go func() { c.mu.Lock() }() }":                                                          "returns with c.mu held, want no lock",
		"func (c *C) a() { c.mu.Lock(); x: for { for { c.mu.Unlock(); break x } } ; c.n++; c.mu.Unlock() }":        "unlocks c.mu, which is not held",
		"func (c *C) aLocked() { if x { c.mu.Unlock() } }":                                                         "returns with no lock held, want c.mu",
		"func (c *C) aAndUnlock() { if x { c.mu.Unlock() } }":                                                      "returns with c.mu held, want no lock",
		"func (c *C) lockAndA() { c.mu.Lock(); c.mu.Unlock() }":                                                    "returns with no lock held, want c.mu",
		"// a counts, with c.mu held.\nfunc (c *C) a() { c.n++ }":                                                  "name it …Locked",
	} {
		files := token.NewFileSet()
		f, err := parser.ParseFile(files, "made_up.go", "package p\n"+body, parser.ParseComments)
		if err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		got := strings.Join(lockMistakes(files, f.Decls[0].(*ast.FuncDecl)), "\n")
		if want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%s\ngives %q, want %q", body, got, want)
		}
	}
}
