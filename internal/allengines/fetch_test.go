package allengines

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/airhost/airhost/backends/native"
	"github.com/airhost/airhost/backends/process"
	"github.com/airhost/airhost/backends/wasmtime"
	"github.com/airhost/airhost/backends/wazero"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/enginetest"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
	"github.com/airhost/airhost/guest/web"
	"github.com/airhost/airhost/internal/hosttest"
	"github.com/airhost/airhost/reach/httpout"
)

// fetcher is a component that posts to the URL that a message names, and answers with the
// response's body.
type fetcher struct{}

// HandleMessage implements [guest.Component].
func (fetcher) HandleMessage(at guest.Host, _ string, message []byte) ([]byte, error) {
	client := http.Client{Transport: web.Transport(at)}
	r, err := client.Post(string(message), "text/plain", bytes.NewReader([]byte("hello")))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r.Body)
}

// fetchConfig is the configuration of a host whose components reach a server.
func fetchConfig(t *testing.T) (config host.Config, log *safeLog) {
	t.Helper()
	client, err := httpout.New(httpout.Config{})
	check(t, err)
	t.Cleanup(func() { check(t, client.Close()) })
	log = new(safeLog)
	return host.Config{HTTP: client, Logger: slog.New(slog.NewTextHandler(log, nil))}, log
}

func served(t *testing.T, handler http.HandlerFunc) (url string, granted core.HTTPRules) {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	rule, err := core.ParseHTTPRule(server.URL + "/a/*")
	check(t, err)
	return server.URL, core.HTTPRules{rule}
}

func told(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	fmt.Fprintf(w, "%s %s %s", r.Method, r.URL.Path, body)
}

// TestFetchInWasm: a core module sends requests by the host's function, on every engine.
func TestFetchInWasm(t *testing.T) {
	engines := []string{wazero.Name}
	if wasmtime.Available {
		engines = append(engines, wasmtime.Name)
	}
	for _, name := range engines {
		t.Run(name, func(t *testing.T) {
			url, granted := served(t, told)
			config, log := fetchConfig(t)
			h := startHost(t, config, newHouse(t).engine(name))
			d := host.Deployment{ID: id("t/a"), Engine: name, Source: core.Source{Code: enginetest.ActorWasm().Code}, Limits: core.Limits{HandlerTime: time.Minute}}
			d.Capabilities.HTTP = granted
			check(t, h.Deploy(within(t), d))
			for path, want := range map[string]string{
				"/a/x": "\x00HTTP/1.1 200 OK\r\n",
				"/b":   "\x01\x02HTTP-request-denied: capabilities.http does not grant",
			} {
				answer, err := h.Request(within(t), id("t/a"), []byte(called("airhost/fetch", "POST "+url+path+" HTTP/1.1\r\nhost: x\r\n\r\nhello")))
				if !strings.HasPrefix(string(answer), want) || err != nil {
					t.Errorf("%s: got %q, %v, want %q", path, answer, err, want)
				}
				if path == "/a/x" && !strings.HasSuffix(string(answer), "\r\n\r\nPOST /a/x hello") {
					t.Errorf("got %q", answer)
				}
			}
			check(t, h.Stop(context.Background()))
			if want := "component=t/a target=" + url + "/b pattern=http"; !strings.Contains(log.text.String(), want) {
				t.Errorf("the log lacks %s", want)
			}
		})
	}
}

// TestFetchInProcess: a process does so with net/http.
func TestFetchInProcess(t *testing.T) {
	path, err := os.Executable()
	check(t, err)
	engine, err := process.New(process.Config{})
	check(t, err)
	url, granted := served(t, told)
	config, _ := fetchConfig(t)
	h := startHost(t, config, engine)
	d := host.Deployment{
		ID: id("t/fetcher"), Engine: process.Name, Source: process.Source(process.Command{Path: path, Env: []string{roleVariable + "=fetcher", "GORACE=atexit_sleep_ms=0"}}),
		Limits: core.Limits{HandlerTime: time.Minute},
	}
	d.Capabilities.HTTP = granted
	check(t, h.Deploy(within(t), d))
	if answer, err := h.Request(within(t), d.ID, []byte(url+"/a/x")); string(answer) != "POST /a/x hello" || err != nil {
		t.Errorf("got %q, %v", answer, err)
	}
	if _, err := h.Request(within(t), d.ID, []byte(url+"/b")); err == nil || !strings.Contains(err.Error(), "HTTP-request-denied") {
		t.Errorf("another path: %v", err)
	}
	check(t, h.Stop(context.Background()))
	check(t, engine.Close(context.Background()))
}

// TestFetchQuotaRace: instances that race have one quota together, and each refusal is recorded.
func TestFetchQuotaRace(t *testing.T) {
	var now, most atomic.Int64
	refused := make(chan struct{})
	url, granted := served(t, func(w http.ResponseWriter, r *http.Request) {
		n := now.Add(1)
		defer now.Add(-1)
		for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
		}
		select {
		case <-refused:
		case <-time.After(20 * time.Second):
		}
		told(w, r)
	})
	config, log := fetchConfig(t)
	h := hosttest.New(t, config)
	d := host.Deployment{
		ID: id("t/fetcher"), Engine: native.Name, Source: native.Source(func() guest.Component { return fetcher{} }), Instances: 8, Spread: host.SpreadAny,
		Quota: host.Quota{HTTPRequests: 3}, Limits: core.Limits{HandlerTime: time.Minute},
	}
	d.Capabilities.HTTP = granted
	check(t, h.Deploy(within(t), d))
	var all sync.WaitGroup
	var answered, full atomic.Int64
	for range 8 {
		all.Go(func() {
			answer, err := h.Request(context.Background(), d.ID, []byte(url+"/a/x"))
			switch {
			case err == nil && string(answer) == "POST /a/x hello":
				answered.Add(1)
			case errors.As(err, new(*core.RequestError)) && strings.Contains(err.Error(), "quota.http_requests: 3 are under way"):
				if full.Add(1) == 5 {
					close(refused)
				}
			default:
				t.Errorf("got %q, %v", answer, err)
			}
		})
	}
	all.Wait()
	if answered.Load() != 3 || full.Load() != 5 || most.Load() > 3 {
		t.Errorf("%d answers, %d refusals, %d requests at the same time, want 3, 5 and 3", answered.Load(), full.Load(), most.Load())
	}
	check(t, h.Stop(context.Background()))
	if n := strings.Count(log.text.String(), "pattern=http reason=\"connection-limit-reached"); n != 5 {
		t.Errorf("%d refusals are in the log, want 5", n)
	}
}
