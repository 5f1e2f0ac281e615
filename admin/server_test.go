package admin_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/airhost/airhost/admin"
	"github.com/airhost/airhost/backends/native"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
	"github.com/airhost/airhost/internal/hosttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// component answers messages, and panics at "panic".
type component struct{}

func (component) HandleMessage(h guest.Host, _ string, message []byte) ([]byte, error) {
	switch text := string(message); text {
	case "panic":
		panic("asked to")
	case "wrong":
		return nil, guest.InvalidMessage("it is wrong")
	case "slow":
		<-time.After(100 * time.Millisecond)
	default:
		h.Log(guest.LogInfo, "got "+text)
	}
	return message, nil
}

// manager is a Manager whose changes are made up.
type manager struct {
	*host.Host
	fails error
	hold  func(context.Context) error // before a change, if not nil
}

func (m *manager) wait(ctx context.Context) error {
	if m.hold == nil {
		return nil
	}
	return m.hold(ctx)
}

func (m *manager) Restart(ctx context.Context, id core.ComponentID) error {
	if err := m.wait(ctx); err != nil {
		return err
	}
	return m.Host.Restart(ctx, id)
}

func (m *manager) Undeploy(ctx context.Context, id core.ComponentID) error {
	if err := m.wait(ctx); err != nil {
		return err
	}
	return m.Host.Undeploy(ctx, id)
}

func (m *manager) Apply(ctx context.Context, a admin.ApplyRequest, progress func(admin.Progress)) (*admin.Applied, error) {
	if err := m.wait(ctx); err != nil {
		return nil, err
	}
	progress(admin.Progress{ID: "a/b", Step: "compiling"})
	progress(admin.Progress{ID: "a/b", Step: "compiled", Seconds: 0.5})
	if m.fails != nil {
		return nil, m.fails
	}
	return &admin.Applied{File: a.File, DryRun: a.DryRun, Changes: []admin.Change{{ID: "a/b", Action: "update", Differences: []admin.Difference{{Path: "quota.burst", Old: "1", New: "2"}}}}}, nil
}

func (m *manager) Put(ctx context.Context, id core.ComponentID, text []byte, _ func(admin.Progress)) (*admin.Applied, error) {
	if err := m.wait(ctx); err != nil {
		return nil, err
	}
	return &admin.Applied{Changes: []admin.Change{{ID: id.String(), Action: "add", Error: string(text)}}}, m.fails
}

func (m *manager) Drain(ctx context.Context, request admin.DrainRequest, progress func(admin.Progress)) (*admin.Drained, error) {
	if err := m.wait(ctx); err != nil {
		return nil, err
	}
	if request.Undo {
		return &admin.Drained{Undone: true, Moved: []admin.MovedComponent{}}, nil
	}
	progress(admin.Progress{ID: "demo/echo", Step: "moved", Host: "b"})
	return &admin.Drained{Moved: []admin.MovedComponent{{ID: "demo/echo", Host: "b"}, {ID: "demo/sink", Error: "no other host"}}, Here: 1}, nil
}

func (m *manager) Failed() []admin.Component {
	return []admin.Component{{ID: "a/down", State: "failed", LastError: "no such file"}, {ID: "a/b", State: "starting"}, {ID: "a/soon", State: "starting"}}
}

func (m *manager) Ready() error { return m.fails }

// sharing is a manager with a component that runs on another host.
type sharing struct{ manager }

func (m *sharing) Failed() []admin.Component {
	return []admin.Component{{ID: "a/far", State: "elsewhere", Host: "two"}}
}

// site is a server in front of a host with one component.
type site struct {
	*admin.Server
	*admin.Client
	host    *host.Host
	manager *manager
	log     *admin.Log
	program *bytes.Buffer // the program's log
}

var (
	id      = core.MustComponentID("a/b")
	discard = slog.New(slog.DiscardHandler)
)

func newHost(t testing.TB, log *slog.Logger) *host.Host {
	t.Helper()
	h := hosttest.New(t, host.Config{Logger: log})
	t.Cleanup(func() { _ = h.Stop(context.Background()) }) // messages may be left
	deploy(t, h)
	return h
}

// deploy deploys the component a/b.
func deploy(t testing.TB, h *host.Host) {
	t.Helper()
	check(t, h.Deploy(t.Context(), host.Deployment{ID: id, Engine: native.Name, Source: native.Source(func() guest.Component { return component{} }), Restart: host.Restart{Policy: host.RestartTemporary}}))
}

func serve(t testing.TB, change func(*admin.Config)) *site {
	t.Helper()
	s := &site{program: new(bytes.Buffer)}
	s.log = admin.NewLog(slog.NewTextHandler(s.program, &slog.HandlerOptions{Level: slog.LevelDebug - 4}), slog.LevelInfo)
	logger := slog.New(s.log.Handler())
	s.host = newHost(t, logger)
	s.manager = &manager{Host: s.host}
	c := admin.Config{
		Host: s.host, Manager: s.manager, Log: s.log, Name: "airhost", File: "/etc/airhost.yaml", Version: "v1", Logger: logger,
		Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "metrics") }),
		Listen:  filepath.Join(shortDir(t), "s.sock"),
	}
	if change != nil {
		change(&c)
	}
	var err error
	s.Server, err = admin.New(c)
	check(t, err)
	check(t, s.Start(context.Background()))
	s.Client = admin.NewClient(c.Listen, c.Token)
	if !admin.IsSocket(c.Listen) {
		s.Client = admin.NewClient(s.Addr().String(), c.Token)
	}
	t.Cleanup(func() {
		s.Client.Close()
		check(t, s.Server.Stop(context.Background()))
	})
	return s
}

// shortDir is a folder with a name that is short enough for sockets.
func shortDir(t testing.TB) string {
	t.Helper()
	folder, err := os.MkdirTemp("", "a")
	check(t, err)
	t.Cleanup(func() { os.RemoveAll(folder) })
	return folder
}

// raw sends a request as curl does, and returns "status body".
func (s *site) raw(t testing.TB, method, path, body string, headers ...string) string {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, s.Addr().Network(), s.Addr().String())
	}}}
	r, err := http.NewRequestWithContext(t.Context(), method, "http://airhost"+path, strings.NewReader(body))
	check(t, err)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	response, err := client.Do(r)
	check(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	check(t, err)
	asDescribed(t, method, path, response.StatusCode, response.Header.Get("Content-Type"), string(text))
	return fmt.Sprintf("%d %s", response.StatusCode, text)
}

// failed checks that an error is one of the server's.
func failed(t testing.TB, err error, status int, code string) {
	t.Helper()
	var refused *admin.Error
	if !errors.As(err, &refused) || refused.Status != status || refused.Code != code {
		t.Errorf("got %v (%+v), want %d %s", err, refused, status, code)
	}
}

func TestMessages(t *testing.T) {
	s := serve(t, nil)
	ctx := t.Context()
	for _, message := range []string{"", "hello", "\x00\xff", strings.Repeat("x", 100_000)} {
		if got, err := s.Request(ctx, id, []byte(message), 0); string(got) != message || err != nil {
			t.Errorf("got %.20q, %v, want %.20q", got, err, message)
		}
	}
	check(t, s.Send(ctx, id, []byte("note")))
	check(t, s.host.Quiesce(ctx))
	_, err := s.Request(ctx, core.MustComponentID("a/none"), nil, 0)
	failed(t, err, 404, "target-not-found")
	failed(t, s.Send(ctx, core.MustComponentID("a/none"), nil), 404, "target-not-found")
	failed(t, s.Send(ctx, core.MustComponentID("a/soon"), nil), 503, "unavailable")
	_, err = s.Request(ctx, id, []byte("wrong"), 0)
	failed(t, err, 400, "invalid-message")
	_, err = s.Request(ctx, id, []byte("slow"), 10*time.Millisecond)
	failed(t, err, 504, "timeout")
	_, err = s.Request(ctx, id, make([]byte, 2<<20), 0)
	failed(t, err, 413, "too-large")
	_, err = s.Request(ctx, id, []byte("panic"), 0)
	failed(t, err, 502, "trapped")
}

func TestComponents(t *testing.T) {
	s := serve(t, nil)
	ctx := t.Context()
	_, err := s.Request(ctx, id, []byte("x"), 0)
	check(t, errors.Join(err, s.host.Quiesce(ctx))) // then the counters are whole
	all, err := s.Components(ctx)
	check(t, err)
	if len(all) != 3 || all[0].ID != "a/b" || all[0].State != "running" || all[0].Handled != 1 || all[1].ID != "a/down" || all[1].Health != "unhealthy" {
		t.Errorf("got %+v", all)
	}
	one, err := s.Component(ctx, id)
	if err != nil || one.ID != "a/b" || one.Engine != "native" || one.Instances != 1 {
		t.Errorf("got %+v, %v", one, err)
	}
	_, err = s.Component(ctx, core.MustComponentID("a/none"))
	failed(t, err, 404, "not-found")
	check(t, s.Client.Restart(ctx, id))
	failed(t, s.Client.Restart(ctx, core.MustComponentID("a/none")), 404, "target-not-found")
	check(t, s.Client.Undeploy(ctx, id))
	failed(t, s.Client.Undeploy(ctx, id), 404, "target-not-found")
	state, err := s.Client.Snapshot(ctx)
	if err != nil || state.Counters["handled"] != 1 || !state.Ready || state.Name != "airhost" || state.PID != os.Getpid() || state.Components != 0 {
		t.Errorf("got %+v, %v", state, err)
	}
}

func TestDeadLetters(t *testing.T) {
	s := serve(t, nil)
	ctx := t.Context()
	for range 3 {
		check(t, s.Send(ctx, id, []byte("panic")))
		check(t, s.host.Quiesce(ctx))
		_ = s.host.Restart(ctx, id)
	}
	all, err := s.DeadLetters(ctx)
	if err != nil || len(all) != 3 || all[0].Number != 1 || all[0].From != "airhost/admin" || all[0].Pattern != "fire-and-forget" || all[0].Payload != nil {
		t.Fatalf("got %+v, %v", all, err)
	}
	one, err := s.DeadLetter(ctx, 2)
	if err != nil || string(one.Payload) != "panic" || one.To != "a/b" {
		t.Errorf("got %+v, %v", one, err)
	}
	check(t, s.Resend(ctx, 2))
	check(t, s.host.Quiesce(ctx))
	failed(t, s.Resend(ctx, 2), 404, "not-found")
	check(t, s.DropDeadLetter(ctx, 1))
	failed(t, s.DropDeadLetter(ctx, 1), 404, "not-found")
	if n, err := s.DropDeadLetters(ctx); n != 2 || err != nil {
		t.Errorf("dropped %d, %v, want the last one and that of the resend", n, err)
	}
}

func TestApply(t *testing.T) {
	s := serve(t, nil)
	ctx := t.Context()
	var steps []string
	note := func(p admin.Progress) { steps = append(steps, p.Step) }
	got, err := s.Client.Apply(ctx, admin.ApplyRequest{File: "/a.yaml", DryRun: true}, note)
	if err != nil || got.File != "/a.yaml" || !got.DryRun || len(got.Changes) != 1 || strings.Join(steps, " ") != "compiling compiled" {
		t.Errorf("got %+v, %v after %v", got, err, steps)
	}
	got, err = s.Client.Put(ctx, id, []byte("id: a/b"), nil)
	if err != nil || len(got.Failed()) != 1 || got.Changes[0].Error != "id: a/b" {
		t.Errorf("got %+v, %v", got, err)
	}
	want := `200 {"file":"","dry_run":false,"changes":[`
	if got := s.raw(t, "POST", "/v1/apply", "{}"); !strings.HasPrefix(got, strings.Replace(want, `"file":"",`, "", 1)) {
		t.Errorf("in JSON: got %s", got)
	}
	place := admin.Place{File: "a.yaml", Line: 2, Column: 3, Path: "components", Excerpt: "    2 | x\n      | ^"}
	s.manager.fails = &admin.Error{Status: 422, Code: admin.CodeInvalidConfiguration, Message: "no", Place: &place, Mistakes: []admin.Mistake{{Message: "no", Place: place}}}
	_, err = s.Client.Apply(ctx, admin.ApplyRequest{}, nil)
	var refused *admin.Error
	if !errors.As(err, &refused) || refused.Error() != "a.yaml:2:3: components: no\n    2 | x\n      | ^" || *refused.Place != place {
		t.Errorf("got %v", err)
	}
	if got := s.raw(t, "POST", "/v1/apply", "{}"); !strings.HasPrefix(got, `422 {"error":{"code":"invalid-configuration","message":"no","place":{"file":"a.yaml","line":2`) {
		t.Errorf("in JSON: got %s", got)
	}
	s.manager.hold = func(context.Context) error { return s.manager.fails } // before the first step
	if got := s.raw(t, "POST", "/v1/apply", "{}", "Accept", "text/event-stream"); !strings.HasPrefix(got, `422 {"error":{"code":"invalid-configuration"`) {
		t.Errorf("before a stream begins: got %s", got)
	}
	for code, status := range map[string]int{admin.CodeInvalidConfiguration: 422, admin.CodeConflict: 409, admin.CodeStopping: 503, "other": 502} {
		s.manager.hold = func(context.Context) error { return &admin.Error{Code: code} }
		failed(t, s.Client.Restart(ctx, id), status, code)
		s.manager.fails = &admin.Error{Code: code}
		s.manager.hold = nil
		_, err := s.Client.Apply(ctx, admin.ApplyRequest{}, nil) // after its first steps
		failed(t, err, status, code)
	}
	s.manager.fails = refused
	if got := s.raw(t, "GET", "/readyz", ""); got != "503 a.yaml:2:3: components: no\n    2 | x\n      | ^\n" {
		t.Errorf("got %s", got)
	}
}

// TestWrongRequests: each gets its status, in JSON.
func TestWrongRequests(t *testing.T) {
	s := serve(t, nil)
	for _, c := range []struct{ method, path, body, want string }{
		{"GET", "/", "", `404 {"error":{"code":"not-found","message":"there is nothing at /:`},
		{"GET", "/v1/", "", `404 `}, {"GET", "/v2/components", "", `404 `}, {"GET", "/v1/components/a", "", `404 `},
		{"GET", "/v1/components/A/b", "", `404 {"error":{"code":"not-found"`}, {"GET", "/v1/components/a/b%2fc", "", "404 "},
		{"POST", "/v1/components", "", `405 {"error":{"code":"invalid-request","message":"POST is not possible here, want GET"}}`},
		{"POST", "/v1/apply", "", `400 {"error":{"code":"invalid-request","message":"the body is empty, want a JSON object"`},
		{"POST", "/v1/apply", `{"fil": "x"}`, `400 {"error":{"code":"invalid-request","message":"the body is not as it should be: unknown field \"fil\"`},
		{"POST", "/v1/apply", `{"file": 1}`, `400 {"error":{"code":"invalid-request","message":"file must be a string and is number"`},
		{"POST", "/v1/apply", `{} {}`, `400 `}, {"POST", "/v1/apply", `{"file": "a.yaml"}`, `400 {"error":{"code":"invalid-request","message":"file is \"a.yaml\", want an absolute path`},
		{"POST", "/v1/apply", `{"file": "` + strings.Repeat("x", 20_000) + `"}`, `413 `},
		{"PUT", "/v1/components/a/b", strings.Repeat("x", 2<<20), `413 {"error":{"code":"too-large"`},
		{"POST", "/v1/requests", "x", `400 {"error":{"code":"invalid-request","message":"the target is missing`},
		{"POST", "/v1/requests?target=x", "x", `400 `}, {"POST", "/v1/requests?target=a/b&timeout=x", "x", `400 `}, {"POST", "/v1/requests?target=a/b&timeout=-1s", "x", `400 `},
		{"GET", "/v1/dead-letters/x", "", "404 "}, {"GET", "/v1/dead-letters/9", "", "404 "}, {"POST", "/v1/dead-letters/18446744073709551616/resend", "", "404 "},
		{"GET", "/v1/events?follow=perhaps", "", "400 "}, {"GET", "/v1/events?last=-1", "", "400 "}, {"GET", "/v1/events?last=1&last=1", "", `400 {"error":{"code":"invalid-request","message":"the parameter last is there 2 times`},
		{"GET", "/v1/events?lst=1", "", `400 {"error":{"code":"invalid-request","message":"there is no parameter \"lst\" here, did you mean last?`}, {"GET", "/v1/snapshot?%zz", "", "400 "}, {"GET", "/v1/snapshot?all", "", "400 "},
		{"GET", "/v1/component", "", `404 {"error":{"code":"not-found","message":"there is nothing at /v1/component: did you mean /v1/components?`}, {"POST", "/v1/components/a/b/restat", "", "404 {\"error\":{\"code\":\"not-found\",\"message\":\"there is nothing at /v1/components/a/b/restat: did you mean /v1/components/a/b/restart?"},
		{"GET", "//v1/components", "", "404 "}, {"GET", "/v1/../v1/components", "", "404 "}, {"GET", "/v1/components/", "", "404 "}, {"POST", "/livez", "", "405 "}, {"OPTIONS", "/v1/apply", "", "405 "}, {"GET", "/v1/events?component=x", "", "400 "}, {"GET", "/v1/logs?level=loud", "", "400 "},
		{"PUT", "/v1/log-level", `{"level": "loud"}`, "400 "}, {"PUT", "/v1/log-level", `{"level": "default"}`, "400 "}, {"PUT", "/v1/log-level", `{"level": "info", "component": "a/none"}`, "404 "},
		{"GET", "/livez", "", "200 ok\n"}, {"GET", "/readyz", "", "200 ok\n"}, {"GET", "/metrics", "", "200 metrics"},
	} {
		if got := s.raw(t, c.method, c.path, c.body); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s %s: got %.200s, want %s…", c.method, c.path, got, c.want)
		}
	}
	for _, c := range []struct{ path, want string }{{"/v1/events", "400 "}, {"/v1/logs", "400 "}} {
		if got := s.raw(t, "GET", c.path, "", "Last-Event-ID", "x"); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: got %.100s", c.path, got)
		}
	}
}

// newRequest returns a request as the server gets it, or an error for one that no server would pass
// on.
func newRequest(method, path, body string) (*http.Request, error) {
	r, err := http.NewRequest(method, "http://airhost/"+strings.TrimPrefix(path, "/"), strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	return http.ReadRequest(bufio.NewReader(strings.NewReader(fmt.Sprintf("%s %s HTTP/1.1\r\nHost: airhost\r\nContent-Length: %d\r\n\r\n%s", r.Method, r.URL.RequestURI(), len(body), body))))
}

func newRecorder() *httptest.ResponseRecorder { return httptest.NewRecorder() }

// entries returns the texts of all entries of a stream.
func entries[T any](t testing.TB, all iter.Seq2[T, error], text func(T) string) (got []string) {
	t.Helper()
	return collect(t, -1, all, text)
}

func decode[T any](t testing.TB, text []byte) (value T) {
	t.Helper()
	check(t, json.Unmarshal(text, &value))
	return value
}
