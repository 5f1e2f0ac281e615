package ingress_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/airhost/airhost/backends/native"
	"github.com/airhost/airhost/backends/process"
	"github.com/airhost/airhost/brokers/inproc"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/examples/echo"
	"github.com/airhost/airhost/guest"
	"github.com/airhost/airhost/trackers/slab"
)

// addresses is a log that finds the address of the ingress in it.
type addresses chan string

func (a addresses) Write(line []byte) (int, error) {
	if _, rest, found := strings.Cut(string(line), "listening on "); found {
		url, _, _ := strings.Cut(rest, `"`)
		a <- url
	}
	return len(line), nil
}

// refuses is a component that fails.
type refuses struct{}

func (refuses) HandleMessage(guest.Host, string, []byte) ([]byte, error) {
	return nil, guest.Failed("no such order")
}

// start runs the ingress in front of a component, and returns its URL.
func start(t *testing.T, behind func() guest.Component) (h *host.Host, url string) {
	t.Helper()
	executable := filepath.Join(t.TempDir(), "ingress")
	if report, err := exec.CommandContext(t.Context(), "go", "build", "-o", executable, "./process").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, report)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	goValues, err := native.New(native.Config{})
	must(err)
	processes, err := process.New(process.Config{Logger: slog.New(slog.DiscardHandler)})
	must(err)
	broker, err := inproc.New(inproc.Config{})
	must(err)
	tracker, err := slab.New(slab.Config{})
	must(err)
	log := make(addresses, 1)
	h, err = host.New(host.Config{Logger: slog.New(slog.NewTextHandler(log, nil))}, broker, tracker, goValues, processes)
	must(err)
	must(h.Start(t.Context()))
	t.Cleanup(func() {
		if err := h.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	limits := core.Limits{HandlerTime: time.Minute, StartTime: time.Minute} // for the slowest machine
	to, err := core.ParseIDPattern("demo/echo")
	must(err)
	must(h.Deploy(t.Context(), host.Deployment{ID: core.MustComponentID("demo/echo"), Engine: native.Name, Source: native.Source(behind), Limits: limits}))
	must(h.Deploy(t.Context(), host.Deployment{
		ID: core.MustComponentID("demo/ingress"), Engine: process.Name, Source: core.Source{Path: executable}, Limits: limits,
		Config:       []core.ConfigPair{{Key: "listen", Value: "127.0.0.1:0"}, {Key: "to", Value: "demo/echo"}},
		Capabilities: host.Capabilities{Request: []core.IDPattern{to}},
	}))
	return h, <-log
}

func post(t *testing.T, url, body string) string {
	t.Helper()
	response, err := http.Post(url, "text/plain", strings.NewReader(body))
	if err != nil {
		t.Error(err)
		return ""
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Error(err)
	}
	return fmt.Sprint(response.StatusCode, " ", string(text))
}

// TestIngress: each of many HTTP requests at once gets the answer to its own request.
func TestIngress(t *testing.T) {
	h, url := start(t, echo.New)
	var clients sync.WaitGroup
	for client := range 20 {
		clients.Go(func() {
			for n := range 20 {
				body := fmt.Sprintf("client %d, request %d", client, n)
				if got := post(t, url, body); got != "200 "+body {
					t.Errorf("%s: got %q", body, got)
				}
			}
		})
	}
	clients.Wait()
	if got := post(t, url, strings.Repeat("x", 1<<20+1)); !strings.HasPrefix(got, "413 ") {
		t.Errorf("a body of 1 MiB and a byte: got %.100q", got)
	}
	if err := h.Quiesce(t.Context()); err != nil { // then the counters are whole
		t.Fatal(err)
	}
	if s := h.Snapshot(); s.Callbacks != 400 || s.Traps > 0 {
		t.Errorf("%d callbacks and %d traps, want 400 and none", s.Callbacks, s.Traps)
	}
	if err := h.Undeploy(t.Context(), core.MustComponentID("demo/echo")); err != nil {
		t.Fatal(err)
	}
	if got := post(t, url, "hello"); !strings.HasPrefix(got, "502 target-not-found") {
		t.Errorf("without the target: got %q", got)
	}
	if err := h.Undeploy(t.Context(), core.MustComponentID("demo/ingress")); err != nil {
		t.Fatal(err)
	}
	if response, err := http.Get(url); err == nil {
		response.Body.Close()
		t.Errorf("after the end: got %s", response.Status)
	}
}

// TestIngressFails: an error of the component behind it is the answer.
func TestIngressFails(t *testing.T) {
	_, url := start(t, func() guest.Component { return refuses{} })
	if got := post(t, url, "hello"); got != "502 failed: no such order\n" {
		t.Errorf("got %q", got)
	}
}
