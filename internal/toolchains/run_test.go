package toolchains_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/airhost/airhost/backends/native"
	"github.com/airhost/airhost/backends/wasmtime"
	"github.com/airhost/airhost/backends/wazero"
	"github.com/airhost/airhost/brokers/inproc"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/examples/echo"
	"github.com/airhost/airhost/internal/hosttest"
	"github.com/airhost/airhost/internal/toolchains"
	"github.com/airhost/airhost/reach/httpout"
	"github.com/airhost/airhost/trackers/slab"
)

// TestComponents: each component does on both engines all that its language can.
func TestComponents(t *testing.T) {
	for _, f := range toolchains.Fixtures {
		if f.Extra || f.Tier == toolchains.Refused || slices.Contains([]string{"js-example", "js-web", "js-http"}, f.Name) {
			continue
		}
		t.Run(f.Name, func(t *testing.T) {
			onEngines(t, f, f.Build(t))
		})
	}
}

// TestCores: the core modules of C and Go are guests as they are.
func TestCores(t *testing.T) {
	for _, name := range []string{"c-echo", "c-probe", "c-probe-adapted", "go-probe"} {
		t.Run(name, func(t *testing.T) {
			f := toolchains.ByName(t, name)
			onEngines(t, f, f.Core(t))
		})
	}
}

// TestExample: examples/js-component answers as docs/components.md shows.
func TestExample(t *testing.T) {
	p := start(t, wazero.Name, toolchains.ByName(t, "js-example").Build(t))
	p.answers("world", "hello, world!")
	p.fails("", core.ErrRequestFailed, "invalid-message", "whom shall I greet?")
	p.answers("ask t/echo over there", "asked t/echo")
	must(t, p.Quiesce(p.Context()))
	p.answers("asked", "over there")
	p.fails("ask t/none hi", core.ErrRequestFailed, "failed", `{"tag":"capability-denied","val":"t/none"}`)
	if log := p.log.String(); !strings.Contains(log, "airhost/host asks t/echo") {
		t.Errorf("the log has no line of the guest: %s", log)
	}
}

func onEngines(t *testing.T, f toolchains.Fixture, path string) {
	engines := []string{wazero.Name}
	if wasmtime.Available {
		engines = append(engines, wasmtime.Name)
	}
	for _, engine := range engines {
		t.Run(engine, func(t *testing.T) {
			p := start(t, engine, path)
			if strings.Contains(f.Name, "echo") {
				p.answers("hello", "hello")
				return
			}
			p.words(f)
		})
	}
}

var (
	probeID = core.MustComponentID("t/probe")
	echoID  = core.MustComponentID("t/echo")
)

// probe is a host with a probe, and a component in Go that answers it.
type probe struct {
	testing.TB
	*host.Host
	log *hosttest.Log
}

// start starts a host with a component that may send requests to some URLs.
func start(t testing.TB, engine, path string, urls ...string) *probe {
	t.Helper()
	p := &probe{TB: t, log: new(hosttest.Log)}
	broker, err := inproc.New(inproc.Config{})
	tracker, err2 := slab.New(slab.Config{})
	log := slog.New(slog.NewTextHandler(p.log, nil))
	inGo, err3 := native.New(native.Config{})
	must(t, errors.Join(err, err2, err3))
	guests := open(t, engine, log)
	web, err := httpout.New(httpout.Config{})
	must(t, err)
	p.Host, err = host.New(host.Config{Logger: log, HTTP: web}, broker, tracker, inGo, guests)
	must(t, err)
	must(t, p.Start(context.Background()))
	t.Cleanup(func() {
		must(t, errors.Join(p.Stop(context.Background()), web.Close(), inGo.Close(context.Background()), guests.Close(context.Background())))
	})
	to, err := core.ParseIDPattern(echoID.String())
	must(t, err)
	limits := core.Limits{Memory: 256 << 20, HandlerTime: time.Minute, StartTime: time.Minute} // for the slowest machine
	must(t, p.Deploy(t.Context(), host.Deployment{ID: echoID, Engine: native.Name, Source: native.Source(echo.New)}))
	must(t, p.Deploy(t.Context(), host.Deployment{
		ID: probeID, Engine: engine, Source: core.Source{Path: path}, Limits: limits,
		Config:       []core.ConfigPair{{Key: "greeting", Value: "hello"}},
		Capabilities: host.Capabilities{Send: []core.IDPattern{to}, Request: []core.IDPattern{to}, HTTP: rules(t, urls)},
	}))
	return p
}

func open(t testing.TB, engine string, log *slog.Logger) (e core.Engine) {
	t.Helper()
	cache := filepath.Join(toolchains.Cache(t), "code")
	var err error
	if engine == wazero.Name {
		e, err = wazero.New(wazero.Config{CacheDir: cache, Logger: log})
	} else {
		e, err = wasmtime.New(wasmtime.Config{CacheDir: cache, Logger: log})
	}
	must(t, err)
	return e
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (p *probe) ask(message string) (string, error) {
	p.Helper()
	response, err := p.Request(p.Context(), probeID, []byte(message))
	return string(response), err
}

func (p *probe) answers(message, want string) {
	p.Helper()
	if got, err := p.ask(message); err != nil || got != want {
		p.Errorf("%s: got %s, %v, want %s", message, got, err, want)
	}
}

// answered reads an answer into value.
func (p *probe) answered(message string, value any) {
	p.Helper()
	got, err := p.ask(message)
	if err == nil {
		err = json.Unmarshal([]byte(got), value)
	}
	if err != nil {
		p.Fatalf("%s: got %s, %v", message, got, err)
	}
}

// words says all words of the probes.
func (p *probe) words(f toolchains.Fixture) {
	p.answers("echo a b", `"a b"`)
	p.answers("self", `"t/probe"`)
	p.answers("log a line", `"logged"`)
	p.answers("callbacks", "[]")
	p.answers("send t/echo hi", `"sent"`)
	p.refused("send t/none hi")
	p.requests()
	p.timers()
	p.fails("fail for a reason", core.ErrRequestFailed, "failed", "for a reason")
	p.fails("invalid or so", core.ErrRequestFailed, "invalid-message", "or so")
	if strings.HasPrefix(f.Name, "js") || strings.HasPrefix(f.Name, "qjs") {
		p.answers("config", `{"greeting":"hello"}`)
		p.refused("call price/lookup x")
		p.refused("publish orders.new x")
	}
	p.system(f)
	p.fails("trap", core.ErrRequestTrapped)
	p.answers("echo again", `"again"`)
	if log := p.log.String(); !strings.Contains(log, "a line") {
		p.Errorf("the log has no line of the guest: %s", log)
	}
}

func (p *probe) refused(message string) {
	p.Helper()
	var answer struct{ Refused any }
	if p.answered(message, &answer); answer.Refused == nil {
		p.Errorf("%s: it was not refused", message)
	}
}

func (p *probe) fails(message string, want error, texts ...string) {
	p.Helper()
	_, err := p.ask(message)
	if !errors.Is(err, want) {
		p.Errorf("%s: got %v, want %v", message, err, want)
		return
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			p.Errorf("%s: got %v, want %q in it", message, err, text)
		}
	}
}

// requests sends a request, and another one that is refused.
func (p *probe) requests() {
	p.Helper()
	var id string
	p.answered("request t/echo over there", &id)
	must(p.TB, p.Quiesce(p.Context()))
	p.answers("callbacks", `[["`+id+`","ok","over there"]]`)
	p.refused("request t/none hi")
}

// timers starts a timer and asks until it has fired.
func (p *probe) timers() {
	p.Helper()
	var id string
	if p.answered("after 1 soon", &id); id == "" || id == "0" {
		p.Errorf("got the timer %q", id)
	}
	var fired []string
	for len(fired) == 0 && p.Context().Err() == nil {
		p.answered("fired", &fired)
	}
	if len(fired) != 1 || fired[0] != "soon" {
		p.Errorf("timers that have fired: %q, want soon", fired)
	}
}

// system checks the time, random numbers and the console.
func (p *probe) system(f toolchains.Fixture) {
	p.Helper()
	var times []any
	p.answered("date", &times)
	now, late := float64(time.Now().UnixMilli()), float64(time.Minute.Milliseconds())
	if got := times[0].(float64); f.HasClock() && (got < now-late || got > now) {
		p.Errorf("its clock says %v at %v", got, now)
	}
	if !f.HasWASI() {
		return
	}
	var numbers []float64
	p.answered("random", &numbers)
	if len(numbers) != 3 || numbers[0] == numbers[1] || numbers[1] == numbers[2] {
		p.Errorf("random numbers are %v", numbers)
	}
	if !f.HasConsole() {
		p.fails("console to you", core.ErrRequestTrapped)
		if !strings.Contains(p.log.String(), "console is not defined") {
			p.Errorf("the log has no standard error: %s", p.log.String())
		}
		return
	}
	p.answers("console to you", `"written"`)
	for _, line := range []string{"to stdout: to you", "to stderr: to you"} {
		if !strings.Contains(p.log.String(), line) {
			p.Errorf("the log has no %q: %s", line, p.log.String())
		}
	}
}

// TestRefused: a component that cannot run is refused with the reason.
func TestRefused(t *testing.T) {
	path := toolchains.ByName(t, "c-echo-utf16").Build(t)
	if _, err := os.Stat(path); err != nil {
		t.Fatal(err)
	}
	e, err := wazero.New(wazero.Config{})
	must(t, err)
	_, err = e.Compile(t.Context(), core.Source{Path: path}, core.Limits{})
	if err == nil || !strings.Contains(err.Error(), "utf16") {
		t.Errorf("got %v, want a refusal of UTF-16", err)
	}
	must(t, e.Close(t.Context()))
}
