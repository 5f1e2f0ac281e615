package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/airhost/airhost/admin"
)

// fakeHost answers as the admin API of a host that has these components and dead letters.
type fakeHost struct {
	t       *testing.T
	file    string // its configuration
	socket  string
	token   string // that it wants, if any
	applied *admin.Applied
	refusal *admin.Error   // of apply
	drained *admin.Drained // nil if drain does not end
	steps   []admin.Progress
	events  []admin.Event
	logs    []admin.LogEntry
	cluster *admin.Cluster
	open    bool // streams do not end

	mu         sync.Mutex
	components []admin.Component
	letters    []admin.DeadLetter
	levels     admin.LogLevels
	asked      []string // method, path and body of each request
}

var fakeTime = time.Date(2026, 11, 29, 5, 51, 55, 0, time.UTC)

// newFakeHost starts one on the default socket of a file.
func newFakeHost(t *testing.T) *fakeHost {
	t.Helper()
	t.Setenv("XDG_RUNTIME_DIR", "")
	t.Setenv(hostVariable, "")
	t.Setenv(tokenVariable, "")
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	f := &fakeHost{
		t: t, file: writeFile(t, "shop.yaml", "components:\n- {id: file/echo, source: echo, engine: native}\n"), levels: admin.LogLevels{Level: "info", Components: map[string]string{"shop/orders": "debug"}},
		components: []admin.Component{
			{ID: "shop/audit", Engine: "native", State: "failed", Required: true, LastError: "deployment of shop/audit: \x1b[2J no such file"},
			{ID: "shop/echo", Engine: "wazero", State: "running", Health: "healthy", Instances: 4, Waiting: 12, Rate: 1234.5, Memory: 12_900_000, Handled: 1_000_000},
			{ID: "shop/orders", Engine: "wasmtime", State: "running", Health: "degraded", Instances: 1, Rate: 0.25, Memory: 65536, Handled: 7, Errors: 3, Restarts: 2, LastError: "trap: unreachable"},
		},
		letters: []admin.DeadLetter{
			{Number: 3, From: "shop/echo", To: "shop/orders", Pattern: "fire-and-forget", Reason: "handler-failed: no", Size: 6, Time: fakeTime, Payload: []byte("hello\n")},
			{Number: 12, From: "airhost/http", To: "shop/audit", Pattern: "request-response", Reason: "target-not-found", Size: 2048, Time: fakeTime.Add(time.Second), Payload: []byte("\x00\x01\x02abc")},
		},
	}
	f.socket = socketOf(t, f.file)
	f.serve("unix", f.socket)
	return f
}

// serve makes the host answer at one more address, and returns that.
func (f *fakeHost) serve(network, address string) string {
	f.t.Helper()
	listener, err := net.Listen(network, address)
	if err != nil {
		f.t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(f)
	server.Listener.Close()
	server.Listener = listener
	server.Start()
	f.t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	return listener.Addr().String()
}

func (f *fakeHost) requests() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.asked)
}

func (f *fakeHost) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		f.t.Error(err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, strings.TrimSpace(r.Method+" "+r.URL.String()+" "+string(body)))
	if f.token != "" && r.Header.Get("Authorization") != "Bearer "+f.token {
		f.refuse(w, http.StatusUnauthorized, admin.CodeUnauthorized, "a token is needed")
		return
	}
	switch path := strings.TrimPrefix(r.URL.Path, "/v1/"); {
	case path == "components":
		f.answer(w, f.components)
	case strings.HasPrefix(path, "components/"):
		f.component(w, strings.TrimSuffix(strings.TrimPrefix(path, "components/"), "/restart"))
	case path == "log-level":
		f.level(w, r, body)
	case strings.HasPrefix(path, "dead-letters"):
		f.letter(w, r, strings.Split(path, "/")[1:])
	case path == "apply":
		f.apply(w, f.applied)
	case path == "drain" && f.drained == nil:
		<-r.Context().Done()
	case path == "drain":
		f.apply(w, f.drained)
	case path == "cluster" && f.cluster == nil:
		f.refuse(w, http.StatusNotImplemented, admin.CodeNotSupported, "this host has no cluster: host.broker is not nats")
	case path == "cluster":
		f.answer(w, f.cluster)
	case path == "events":
		stream(f, w, r, f.events)
	case path == "logs":
		stream(f, w, r, f.logs)
	case path == "snapshot":
		f.answer(w, admin.Snapshot{Name: "shop.yaml", File: f.file, Ready: true})
	case path == "requests" || path == "messages":
		f.message(w, r, path, body)
	default:
		f.refuse(w, http.StatusNotFound, admin.CodeNotFound, "no route "+path)
	}
}

func (f *fakeHost) answer(w http.ResponseWriter, value any) {
	if err := json.NewEncoder(w).Encode(value); err != nil {
		f.t.Error(err)
	}
}

func (f *fakeHost) refuse(w http.ResponseWriter, status int, code, message string) {
	w.WriteHeader(status)
	f.answer(w, map[string]any{"error": admin.Error{Code: code, Message: message}})
}

func (f *fakeHost) component(w http.ResponseWriter, id string) {
	if !slices.Contains(idsOf(f.components), id) {
		f.refuse(w, http.StatusNotFound, "target-not-found", "restart of "+id+": target-not-found: "+id)
	}
}

func (f *fakeHost) level(w http.ResponseWriter, r *http.Request, body []byte) {
	if r.Method == http.MethodGet {
		f.answer(w, f.levels)
		return
	}
	var l admin.LogLevel
	if err := json.Unmarshal(body, &l); err != nil {
		f.t.Error(err)
	}
	if l.Component == "" {
		f.levels.Level = l.Level
	} else {
		f.component(w, l.Component)
		f.levels.Components[l.Component] = l.Level
	}
}

func (f *fakeHost) letter(w http.ResponseWriter, r *http.Request, rest []string) {
	if len(rest) == 0 {
		if r.Method == http.MethodDelete {
			f.answer(w, admin.Dropped{Dropped: len(f.letters)})
			f.letters = nil
			return
		}
		list := slices.Clone(f.letters)
		for i := range list {
			list[i].Payload = nil
		}
		f.answer(w, list)
		return
	}
	number, _ := strconv.ParseUint(rest[0], 10, 64)
	i := slices.IndexFunc(f.letters, func(l admin.DeadLetter) bool { return l.Number == number })
	switch {
	case i < 0:
		f.refuse(w, http.StatusNotFound, admin.CodeNotFound, "there is no dead letter "+rest[0])
	case r.Method == http.MethodGet:
		f.answer(w, f.letters[i])
	case len(rest) > 1 && f.letters[i].Size > len(f.letters[i].Payload):
		f.refuse(w, http.StatusConflict, admin.CodeConflict, "it was not kept whole")
	default:
		f.letters = slices.Delete(f.letters, i, i+1)
	}
}

func (f *fakeHost) apply(w http.ResponseWriter, result any) {
	for _, step := range f.steps {
		f.event(w, "progress", step)
	}
	if f.refusal != nil {
		f.event(w, "error", map[string]any{"error": f.refusal})
		return
	}
	f.event(w, "result", result)
}

func (f *fakeHost) event(w http.ResponseWriter, name string, value any) {
	data, err := json.Marshal(value)
	if err != nil {
		f.t.Error(err)
	}
	fmt.Fprintf(w, "event: %s\ndata: %s\n\n", name, data)
	if err := http.NewResponseController(w).Flush(); err != nil {
		f.t.Error(err)
	}
}

func stream[T any](f *fakeHost, w http.ResponseWriter, r *http.Request, entries []T) {
	for _, e := range entries {
		f.event(w, "entry", e)
	}
	if f.open && r.URL.Query().Has("follow") {
		f.mu.Unlock() // ServeHTTP locks, and other requests go on
		<-r.Context().Done()
		f.mu.Lock()
	}
}

func (f *fakeHost) message(w http.ResponseWriter, r *http.Request, path string, body []byte) {
	switch target := r.URL.Query().Get("target"); {
	case target == "shop/audit":
		f.refuse(w, http.StatusServiceUnavailable, "unavailable", "request to shop/audit: unavailable")
	case path == "messages":
		w.WriteHeader(http.StatusAccepted)
	default:
		_, _ = fmt.Fprintf(w, "answer to %s from %s", body, target)
	}
}

// tcpHost makes the fake answer at host:port too, with a token.
func (f *fakeHost) tcpHost() (address, tokenFile string) {
	f.token = "a-token-of-24-characters"
	return f.serve("tcp", "127.0.0.1:0"), writeFile(f.t, "token", f.token+"\n")
}

// noHost returns a configuration whose host does not run.
func noHost(t *testing.T) (file, socket string) {
	t.Helper()
	t.Setenv("XDG_RUNTIME_DIR", "")
	file = filepath.Join(t.TempDir(), "none.yaml")
	if err := os.WriteFile(file, []byte(oneEcho), 0o600); err != nil {
		t.Fatal(err)
	}
	return file, socketOf(t, file)
}

func socketOf(t *testing.T, file string) string {
	t.Helper()
	socket, err := admin.DefaultSocket(file)
	if err != nil {
		t.Fatal(err)
	}
	return socket
}
