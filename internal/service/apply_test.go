package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/airhost/airhost/admin"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/internal/config"
)

const guests = "../../cmd/airhost/testdata/guests/"

// folder is a folder with a configuration and the guests that it names.
type folder struct {
	t    *testing.T
	path string
}

func newFolder(t *testing.T) folder {
	t.Helper()
	f := folder{t, t.TempDir()}
	f.guest("echo.wasm", "echo.wasm")
	return f
}

func (f folder) file(name string) string { return filepath.Join(f.path, name) }

func (f folder) write(name, text string) string {
	f.t.Helper()
	if err := os.WriteFile(f.file(name), []byte(text), 0o600); err != nil {
		f.t.Fatal(err)
	}
	return f.file(name)
}

// guest makes a file a copy of a guest.
func (f folder) guest(name, of string) {
	f.t.Helper()
	code, err := os.ReadFile(guests + of)
	if err != nil {
		f.t.Fatal(err)
	}
	f.write(name, string(code))
}

// serve runs the configuration of a folder until the test ends.
func (f folder) serve(text string) *Service {
	f.t.Helper()
	file, err := config.Load(f.write("airhost.yaml", text), Built())
	if err != nil {
		f.t.Fatal(err)
	}
	s, err := New(context.Background(), Config{File: file, Changes: true, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() {
		if err := s.Stop(context.Background()); err != nil && !errors.Is(err, host.ErrUnhandled) {
			f.t.Error(err)
		}
	})
	if err := errors.Join(s.DeployAll(f.t.Context()), s.Open(f.t.Context())); err != nil {
		f.t.Fatal(err)
	}
	return s
}

// apply changes the configuration, and returns the changes as "action id", or as
// "action id: error".
func (f folder) apply(s *Service, text string) []string {
	f.t.Helper()
	applied, err := s.Apply(f.t.Context(), admin.ApplyRequest{File: f.write("airhost.yaml", text)}, func(admin.Progress) {})
	if err != nil {
		f.t.Fatal(err)
	}
	return changes(applied)
}

func changes(a *admin.Applied) []string {
	all := []string{}
	for _, c := range a.Changes {
		text := c.Action + " " + c.ID
		if c.Error != "" {
			text += ": " + c.Error
		}
		all = append(all, text)
	}
	return all
}

func answers(s *Service, id, request string) (string, error) {
	response, err := s.Request(context.Background(), core.MustComponentID(id), []byte(request))
	return string(response), err
}

func same(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestApply: a file that has changed touches the components that differ, and no others.
func TestApply(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	f := newFolder(t)
	s := f.serve("components:\n- {id: a/stays, source: echo, engine: native}\n- {id: a/wasm, source: echo.wasm}\n- {id: a/goes, source: echo, engine: native}\n")
	events, cancel := s.Subscribe(100)
	defer cancel()
	const next = `
components:
- {id: a/wasm, source: echo.wasm, quota: {burst: 2}}
- {id: a/new, source: echo.wasm, limits: {memory: 64KiB}}
- {id: a/stays, source: echo, engine: native}
`
	same(t, f.apply(s, next), "remove a/goes", "add a/new", "update a/wasm")
	same(t, f.apply(s, next))
	same(t, f.apply(s, strings.Replace(next, "64KiB", "128KiB", 1)), "replace a/new")
	f.guest("echo.wasm", "trap.wasm")
	same(t, f.apply(s, strings.Replace(next, "64KiB", "128KiB", 1)), "replace a/new", "replace a/wasm")
	if _, err := answers(s, "a/wasm", "x"); err == nil || !strings.Contains(err.Error(), "trapped") {
		t.Errorf("the new code answers with %v, want that it traps", err)
	}
	if got, err := answers(s, "a/stays", "x"); got != "x" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	for len(events) > 0 {
		if e := <-events; e.Component.Name() == "stays" {
			t.Errorf("a component that has not changed was %s", e.Kind)
		}
	}
	same(t, f.apply(s, "components: [{id: a/stays, source: echo, engine: native}]"), "remove a/new", "remove a/wasm")
}

// TestDryRun: the difference is shown with its keys, and nothing changes.
func TestDryRun(t *testing.T) {
	f := newFolder(t)
	s := f.serve("components: [{id: a/b, source: echo.wasm}, {id: a/c, source: echo, engine: native}]")
	f.write("airhost.yaml", "components: [{id: a/b, source: echo.wasm, limits: {memory: 64KiB}}, {id: a/c, source: echo, engine: native}]")
	for range 2 {
		got, err := s.Apply(t.Context(), admin.ApplyRequest{DryRun: true}, func(admin.Progress) {})
		if err != nil || !got.DryRun {
			t.Fatal(got, err)
		}
		same(t, changes(got), "replace a/b")
		if d := got.Changes[0].Differences; len(d) != 1 || d[0] != (admin.Difference{Path: "limits.memory", Old: "32MiB", New: "64KiB"}) {
			t.Errorf("got the differences %+v", d)
		}
	}
}

// TestFixedKeys: keys of the host that only a restart can change are refused, each at its place.
func TestFixedKeys(t *testing.T) {
	f := newFolder(t)
	const components = "components: [{id: a/b, source: echo, engine: native}]\n"
	s := f.serve("host: {workers: 1}\n" + components)
	for text, path := range map[string]string{
		"host: {workers: 2}\n": "host.workers", "host: {workers: 1, dead_letters: 9}\n": "host.dead_letters",
		"host: {workers: 1}\nbudgets: {a: {messages_per_second: 1}}\n": "budgets",
		"host: {workers: 1}\nfunctions: {a/f: {component: a/b}}\n":     "functions",
		"host: {workers: 1, broker: channel}\n":                        "host.broker",
	} {
		f.write("airhost.yaml", text+components)
		_, err := s.Apply(t.Context(), admin.ApplyRequest{}, func(admin.Progress) {})
		var refused *admin.Error
		if !errors.As(err, &refused) || len(refused.Mistakes) != 1 || refused.Place.Path != path || refused.Place.Line == 0 {
			t.Errorf("%q: got %v", text, err)
		}
	}
}

// TestComponentsThatFail: what cannot start has failed and keeps nothing else from running; a
// restart and a changed file bring it up.
func TestComponentsThatFail(t *testing.T) {
	f := newFolder(t)
	f.guest("later.wasm", "truncated.wasm")
	const text = "components: [{id: a/b, source: later.wasm}, {id: a/c, source: echo, engine: native}]"
	s := f.serve(text)
	failed := s.Failed()
	if len(failed) != 1 || failed[0].ID != "a/b" || !strings.Contains(failed[0].LastError, "later.wasm: malformed WebAssembly") {
		t.Fatalf("got %+v", failed)
	}
	if got, err := answers(s, "a/c", "x"); got != "x" || err != nil || s.Ready() != nil {
		t.Errorf("the other component: got %q, %v; ready: %v", got, err, s.Ready())
	}
	id := core.MustComponentID("a/b")
	if err := s.Restart(t.Context(), id); err == nil || !strings.Contains(err.Error(), "malformed WebAssembly") {
		t.Errorf("got %v from a restart of what is no better", err)
	}
	f.guest("later.wasm", "echo.wasm")
	if err := s.Restart(t.Context(), id); err != nil {
		t.Error(err)
	}
	if got, err := answers(s, "a/b", "x"); got != "x" || err != nil || len(s.Failed()) > 0 {
		t.Errorf("got %q, %v and the failed %v after the restart", got, err, s.Failed())
	}
	if err := s.Undeploy(t.Context(), id); err != nil {
		t.Error(err)
	}
	same(t, f.apply(s, text), "add a/b")
}

// TestRequiredIsDown: the host is not ready while a required component is down, and does not start
// without it.
func TestRequiredIsDown(t *testing.T) {
	f := newFolder(t)
	f.guest("trap.wasm", "trap.wasm")
	s := f.serve("components: [{id: a/b, source: trap.wasm, required: true, restart: {policy: temporary}}, {id: a/c, source: echo, engine: native}]")
	if err := s.Ready(); err != nil {
		t.Fatal(err)
	}
	_, _ = answers(s, "a/b", "x") // it traps
	if err := s.Ready(); err == nil || !strings.Contains(err.Error(), "a/b, which is required, is failed") {
		t.Errorf("ready: %v", err)
	}
	file, err := config.Load(f.write("other.yaml", "components: [{id: a/b, source: bad.wasm, required: true}, {id: a/c, source: echo, engine: native}]"), Built())
	if err == nil {
		t.Fatal(file, "a source that is missing is a mistake")
	}
	f.guest("bad.wasm", "truncated.wasm")
	if file, err = config.Load(f.file("other.yaml"), Built()); err != nil {
		t.Fatal(err)
	}
	other, err := New(context.Background(), Config{File: file, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Stop(context.Background())
	if err := other.DeployAll(t.Context()); !errors.As(err, new(config.Mistakes)) {
		t.Errorf("a host without its required component starts: %v", err)
	}
}

// TestPut: one component is added, updated and replaced by an entry of its own; mistakes have
// places in it.
func TestPut(t *testing.T) {
	f := newFolder(t)
	s := f.serve("components: [{id: a/b, source: echo, engine: native}]")
	id := core.MustComponentID("a/new")
	put := func(text string) (string, error) {
		applied, err := s.Put(t.Context(), id, []byte(text), func(admin.Progress) {})
		if err != nil {
			return "", err
		}
		return strings.Join(changes(applied), ", "), nil
	}
	for _, c := range []struct{ text, want string }{
		{`{"id": "a/new", "source": "echo.wasm"}`, "add a/new"},
		{"id: a/new\nsource: echo.wasm\n", ""},
		{"id: a/new\nsource: echo.wasm\nquota: {burst: 7}\n", "update a/new"},
		{"id: a/new\nsource: echo.wasm\nquota: {burst: 7}\nlimits:\n  memory: 64KiB\n", "replace a/new"},
	} {
		if got, err := put(c.text); got != c.want || err != nil {
			t.Errorf("%q: got %q, %v, want %q", c.text, got, err, c.want)
		}
	}
	for text, want := range map[string]string{
		"id: a/new\nsource: echo.wasm\nlimits:\n  memry: 64KiB\n": "a/new:4:3: limits.memry: unknown key",
		"id: a/other\nsource: echo.wasm\n":                        "a/new:1:5: id: is a/other, want a/new",
		"[]":                                                      "a/new:1:1: want keys and values",
		"id: a/new\nsource: none.wasm\n":                          "a/new:2:9: source: ",
		"":                                                        "a/new",
		"id: a/new\n---\nid: a/new\n":                             "a/new",
	} {
		if _, err := put(text); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: got %v, want %s…", text, err, want)
		}
	}
	if got, err := answers(s, "a/new", "x"); got != "x" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}

// TestBudgetHasRoomAgain: what finds no room before a removal is tried again after it.
func TestBudgetHasRoomAgain(t *testing.T) {
	f := newFolder(t)
	const text = "budgets: {a: {memory: 96MiB}}\ncomponents: [{id: b/c, source: echo.wasm}, {id: a/%s, source: echo.wasm, limits: {memory: 64MiB}}]"
	s := f.serve(fmt.Sprintf(text, "old"))
	same(t, f.apply(s, fmt.Sprintf(text, "new")), "add a/new", "remove a/old")
	if got, err := answers(s, "a/new", "x"); got != "x" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}

// TestStopEndsAChange: a service that stops cuts off a change in progress, and refuses others.
func TestStopEndsAChange(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	f := newFolder(t)
	file, err := config.Load(f.write("airhost.yaml", "components: [{id: a/b, source: echo, engine: native}]"), Built())
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(context.Background(), Config{File: file, Changes: true, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.DeployAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.write("airhost.yaml", "components: [{id: a/b, source: echo, engine: native}, {id: a/c, source: echo.wasm}]")
	inside, stopped := make(chan struct{}), make(chan error)
	go func() {
		<-inside
		stopped <- s.Stop(context.Background())
	}()
	_, err = s.Apply(t.Context(), admin.ApplyRequest{}, func(p admin.Progress) {
		if p.Step == "compiling" {
			close(inside)
			<-s.over.Done()
		}
	})
	if err == nil {
		t.Error("a change goes on while the service stops")
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	var refused *admin.Error
	if _, err := s.Apply(t.Context(), admin.ApplyRequest{}, func(admin.Progress) {}); !errors.As(err, &refused) || refused.Code != admin.CodeStopping {
		t.Errorf("got %v after the stop", err)
	}
}

// TestWatch: a change of the file or of a source is seen once it has other content.
func TestWatch(t *testing.T) {
	f := newFolder(t)
	s := f.serve("components: [{id: a/b, source: echo.wasm}]")
	ctx, cancel := context.WithCancel(t.Context())
	seen, ended := make(chan struct{}), make(chan error)
	go func() { ended <- s.Watch(ctx, func() { seen <- struct{}{} }) }()
	for i, change := range []func(){
		func() { f.guest("echo.wasm", "trap.wasm") },
		func() { f.write("airhost.yaml", "components: [{id: a/b, source: echo.wasm, quota: {burst: 3}}]") },
		func() { f.write("airhost.yaml", "components: [") },
		func() { f.write("airhost.yaml", "components: [{id: a/b, source: more/other.wasm}]") },
		func() {
			if err := os.Mkdir(f.file("more"), 0o700); err != nil {
				t.Fatal(err)
			}
			f.guest("more/other.wasm", "echo.wasm")
			f.write("airhost.yaml", "components: [{id: a/b, source: more/other.wasm}]") // its folder was not there before
		},
		func() { f.guest("more/other.wasm", "trap.wasm") },
	} {
		change()
		select {
		case <-seen:
		case <-time.After(10 * time.Second):
			t.Fatalf("change %d was not seen", i)
		}
	}
	f.guest("more/other.wasm", "trap.wasm") // the same content
	select {
	case <-seen:
		t.Error("a change without other content was seen")
	case <-time.After(3 * quiet):
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestPathsOfFiles: a file that was started by another name is the same, with all the paths in it.
func TestPathsOfFiles(t *testing.T) {
	f := newFolder(t)
	t.Chdir(f.path)
	f.certificate(1)
	f.write("token", "0123456789abcdef")
	const text = `
host: {admin: %[1]sa.sock, admin_token_file: %[1]stoken}
gateway: {http: {listen: '127.0.0.1:0', routes: [{path: /, target: a/b}], tls: {certificate: %[1]sc.pem, key: %[1]sk.pem}}}
components: [{id: a/b, source: %[1]secho.wasm}]
`
	f.write("airhost.yaml", fmt.Sprintf(text, ""))
	file, err := config.Load("airhost.yaml", Built())
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(context.Background(), Config{File: file, Changes: true, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop(context.Background())
	if err := errors.Join(s.DeployAll(t.Context()), s.Open(t.Context())); err != nil {
		t.Fatal(err)
	}
	same(t, f.apply(s, fmt.Sprintf(text, "./")))
}
