package enginetest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/airhost/airhost/core"
)

var enginePromises = []promise{
	{"name", "an engine has a name", testName},
	{"malformed", "malformed code is a ModuleError that names its problems", testMalformed},
	{"checksum", "code with another checksum than the source's is a ModuleError, and with the same one is compiled", testChecksum},
	{"engine-close", "after its Close an engine's Compile returns ErrClosed, and a second Close nil", testEngineClose},
	{"close-in-use", "Close waits for instances; if its context ends before, it names their number and has released nothing", testCloseInUse},
	{"component-close", "after its Close a component's Instantiate returns ErrClosed, and a second Close nil", testComponentClose},
	{"traits", "traits tell the exports of a guest", testTraits},
	{"starting", "Starting is called once, before Instantiate returns, with the instance that it returns", testStarting},
	{"own-memory", "an instance has memory of its own", testOwnMemory},
	{"concurrent", "instances are made and used at the same time", testConcurrent},
}

func testName(t *trial) {
	if t.engineUnderTest().Name() == "" {
		t.broken("got an empty name")
	}
}

func testMalformed(t *trial) {
	_, err := t.engineUnderTest().Compile(t.Context(), t.Malformed, core.Limits{})
	t.wantModuleError("compile malformed code", err)
}

// testChecksum gives the actor a checksum that no code has, and its own. An engine that reads no
// code refuses both.
func testChecksum(t *trial) {
	src := t.Actor
	src.SHA256 = bytes.Repeat([]byte{0xab}, sha256.Size)
	_, err := t.engineUnderTest().Compile(t.Context(), src, patient(core.Limits{}))
	t.wantModuleError("compile code with another checksum", err)
	src.SHA256 = src.SHA256[1:]
	_, err = t.engineUnderTest().Compile(t.Context(), src, patient(core.Limits{}))
	t.wantModuleError("compile code with a checksum that is too short", err)
	code := src.Code
	if code == nil {
		if code, err = os.ReadFile(src.Path); err != nil {
			return
		}
	}
	sum := sha256.Sum256(code)
	src.SHA256 = sum[:]
	c, err := t.engineUnderTest().Compile(t.Context(), src, patient(core.Limits{}))
	t.must("compile code with its checksum", err)
	t.must("close it", c.Close(t.Context()))
}

func (t *trial) wantModuleError(what string, err error) {
	t.Helper()
	var refused *core.ModuleError
	if !errors.As(err, &refused) || len(refused.Problems) == 0 {
		t.broken("%s: got %v\nwant a ModuleError with problems", what, err)
	}
}

func testEngineClose(t *trial) {
	engine, err := t.New()
	t.must("make an engine", err)
	t.must("close the engine", engine.Close(t.Context()))
	t.must("close the engine again", engine.Close(t.Context()))
	_, err = engine.Compile(t.Context(), t.Actor, core.Limits{})
	t.wantError("compile with a closed engine", err, core.ErrClosed)
}

// testCloseInUse closes an engine and its component while an instance lives, and while
// the instance handles a message.
func testCloseInUse(t *trial) {
	engine, err := t.New()
	t.must("make an engine", err)
	c, err := engine.Compile(t.Context(), t.Actor, patient(core.Limits{}))
	t.must("compile", err)
	host := &Services{}
	in, err := c.Instantiate(t.Context(), core.Environment{ID: self, Host: host, Limits: patient(core.Limits{})})
	t.must("make an instance", err)
	closers := map[string]func(context.Context) error{"the engine": engine.Close, "the component": c.Close}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	refused := func(when string) {
		for what, closes := range closers {
			err := closes(ended)
			t.wantError("close "+what+" "+when, err, core.ErrInUse)
			t.wantError("close "+what+" "+when, err, context.Canceled)
			if err != nil && !strings.Contains(err.Error(), "1") {
				t.broken("close %s %s: got %v\nwant the number of instances, 1, in it", what, when, err)
			}
		}
	}
	refused("while an instance lives")
	host.Calling = func(string) { refused("while an instance is in a call") }
	want(t, "its response", t.ask(in, "t"), number(0))
	host.Calling = nil
	want(t, "its next response", t.ask(in, "eon"), []byte("on"))
	second, err := c.Instantiate(t.Context(), core.Environment{ID: self, Host: host, Limits: patient(core.Limits{})})
	t.must("make another instance", err)
	t.must("close it", second.Close())

	waits, closed := &waitContext{Context: t.Context(), asked: make(chan struct{})}, make(chan error, 1)
	go func() { closed <- engine.Close(waits) }()
	t.soon("close the engine until the context ends", func() { <-waits.asked })
	want(t, "the response of an instance whose engine is about to close", t.ask(in, "eon"), []byte("on"))
	t.must("close the instance", in.Close())
	t.soon("the Close of an engine without instances", func() { t.must("close the engine", <-closed) })
	_, err = c.Instantiate(t.Context(), core.Environment{ID: self, Host: host})
	t.wantError("make an instance with a closed engine", err, core.ErrClosed)
	t.must("close the component", c.Close(ended))
}

// waitContext closes asked on the first call of Done.
type waitContext struct {
	context.Context
	asked chan struct{}
	once  sync.Once
}

func (c *waitContext) Done() <-chan struct{} {
	c.once.Do(func() { close(c.asked) })
	return c.Context.Done()
}

func testComponentClose(t *trial) {
	c, err := t.engineUnderTest().Compile(t.Context(), t.Actor, core.Limits{})
	t.must("compile", err)
	t.must("close the component", c.Close(t.Context()))
	t.must("close the component again", c.Close(t.Context()))
	_, err = c.Instantiate(t.Context(), core.Environment{ID: self, Host: &Services{}})
	t.wantError("make an instance of a closed component", err, core.ErrClosed)
}

func testTraits(t *trial) {
	actor := t.theActor().Traits()
	want(t, "the actor's traits", [3]bool{actor.Callback, actor.Management, actor.State}, [3]bool{true, true, true})
	responder := t.component("responder", t.Responder, core.Limits{}).Traits()
	want(t, "the responder's traits", [3]bool{responder.Callback, responder.Management, responder.State}, [3]bool{})
}

func testStarting(t *trial) {
	var seen []core.Instance
	in, err := t.theActor().Instantiate(t.Context(), core.Environment{
		ID: self, Host: &Services{}, Starting: func(in core.Instance) { seen = append(seen, in) },
	})
	t.must("make an instance", err)
	defer in.Close()
	if len(seen) != 1 || seen[0] != in {
		t.broken("got Starting called with %v\nwant once, with %v", seen, in)
	}
}

func testOwnMemory(t *trial) {
	first, _ := t.actor()
	second, _ := t.actor()
	t.ask(first, "n")
	t.ask(first, "n")
	want(t, "messages that the first has had", t.ask(first, "n"), number(3))
	want(t, "messages that the second has had", t.ask(second, "n"), number(1))
}

func testConcurrent(t *trial) {
	c := t.theActor()
	failures := make([]error, 16)
	var made, all sync.WaitGroup
	made.Add(len(failures))
	for i := range failures {
		all.Go(func() { failures[i] = live(t, c, &made, fmt.Sprint("instance ", i)) })
	}
	all.Wait()
	t.must("instances at the same time", errors.Join(failures...))
}

// live makes an instance, waits until all other instances are made, and uses and closes
// its own.
func live(t *trial, c core.Component, made *sync.WaitGroup, name string) error {
	in, err := c.Instantiate(t.Context(), core.Environment{ID: self, Host: &Services{}})
	made.Done()
	if err != nil {
		return err
	}
	made.Wait()
	for range 100 {
		got, err := try(in, "e", name)
		if err != nil || string(got) != name {
			return errors.Join(fmt.Errorf("%s: got %q, %v", name, got, err), in.Close())
		}
	}
	return in.Close()
}
