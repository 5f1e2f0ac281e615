package airhostfx_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/fx"
	"go.uber.org/fx/fxtest"

	"github.com/airhost/airhost/airhostfx"
	"github.com/airhost/airhost/backends/native"
	"github.com/airhost/airhost/brokers/channel"
	"github.com/airhost/airhost/brokers/inproc"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
	"github.com/airhost/airhost/trackers/slab"
	"github.com/airhost/airhost/trackers/timermap"
)

var (
	broker  = airhostfx.Broker(inproc.New)
	tracker = airhostfx.Tracker(slab.New)
	engine  = airhostfx.Engine(native.New)
	parts   = fx.Options(broker, tracker, engine)
	quiet   = fx.Supply(slog.New(slog.DiscardHandler))
)

// TestWrongGraphs: a graph that cannot work says so before anything starts, in words
// that are not fx's.
func TestWrongGraphs(t *testing.T) {
	wrong := host.Config{Workers: -1}
	itself := fx.Provide(func() (core.Broker, error) { return inproc.New(inproc.Config{}) })
	for name, test := range map[string]struct {
		given fx.Option
		want  string
	}{
		"no broker":       {fx.Options(tracker, engine), "airhostfx: there is no broker; add one, such as airhostfx.Broker(inproc.New)"},
		"no tracker":      {fx.Options(broker, engine), "airhostfx: there is no tracker; add one, such as airhostfx.Tracker(slab.New)"},
		"no engine":       {fx.Options(broker, tracker), "airhostfx: there is no engine; add one, such as airhostfx.Engine(wazero.New)"},
		"nothing but it":  {fx.Options(), "there is no broker; add one, such as airhostfx.Broker(inproc.New)\nthere is no tracker; add"},
		"two brokers":     {fx.Options(parts, airhostfx.Broker(channel.New)), "airhostfx: there are 2 brokers, [*channel.Broker *inproc.Broker]; keep one"},
		"one by itself":   {fx.Options(parts, itself), "airhostfx: there are 2 brokers, [*inproc.Broker *inproc.Broker]; keep one"},
		"two trackers":    {fx.Options(parts, airhostfx.Tracker(timermap.New)), "airhostfx: there are 2 trackers, [*slab.Tracker *timermap.Tracker]; keep one"},
		"an engine twice": {fx.Options(parts, airhostfx.Engine(native.New)), "two of the same name"},
		"wrong host":      {fx.Options(parts, fx.Supply(wrong)), "airhostfx: host: Workers is -1"},
		"by pointer":      {fx.Options(parts, fx.Supply(&wrong)), "airhostfx: host: Workers is -1"},
		"two hosts":       {fx.Options(parts, fx.Supply(wrong, &wrong)), "airhostfx: there are two configurations, a host.Config and a *host.Config; supply one"},
	} {
		for _, option := range []fx.Option{fx.Options(), fx.Invoke(func(*host.Host) {})} {
			err := fmt.Sprint(fx.New(fx.NopLogger, option, airhostfx.Host, test.given).Err())
			if !strings.Contains(err, test.want) || strings.Contains(err, "could not build") {
				t.Errorf("%s: got %s\nwant %s", name, err, test.want)
			}
		}
	}
}

// TestWrongParts: a part's own error, or its two configurations, end the application.
func TestWrongParts(t *testing.T) {
	shards := slab.Config{Shards: -1}
	for name, test := range map[string]struct {
		given fx.Option
		want  string
	}{
		"a value":   {fx.Supply(shards), "-1 shards"},
		"a pointer": {fx.Supply(&shards), "-1 shards"},
		"both":      {fx.Supply(shards, &shards), "there are two configurations, a slab.Config and a *slab.Config; supply one"},
		"engine":    {airhostfx.Engine(func(core.Limits) (core.Engine, error) { return nil, errors.New("no such machine") }), "no such machine"},
	} {
		if err := fmt.Sprint(fx.New(fx.NopLogger, airhostfx.Host, parts, test.given).Err()); !strings.Contains(err, test.want) {
			t.Errorf("%s: got %s, want %s", name, err, test.want)
		}
	}
}

// diary notes the order of events.
type diary struct {
	mu     sync.Mutex
	events []string
}

func (d *diary) note(event string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.events = append(d.events, event)
}

// A notingEngine, like the two types below, notes in a diary when it starts and ends.
type notingEngine struct {
	core.Engine
	diary *diary
}

func (e notingEngine) Close(ctx context.Context) error {
	e.diary.note("engine closed")
	return e.Engine.Close(ctx)
}

type notingBroker struct {
	core.Broker
	diary *diary
}

func (b notingBroker) Open(ctx context.Context, home core.Origin) error {
	b.diary.note("broker opened")
	return b.Broker.Open(ctx, home)
}

type notingTracker struct {
	core.Tracker
	diary *diary
}

func (t notingTracker) Start(context.Context) error {
	t.diary.note("tracker started")
	return nil
}

func (t notingTracker) Close() error {
	t.diary.note("tracker closed")
	return t.Tracker.Close()
}

// noting are these parts. Each constructor takes the
// diary from the graph, as it would take a configuration.
var noting = fx.Options(
	airhostfx.Engine(func(d *diary) (notingEngine, error) {
		e, err := native.New(native.Config{})
		return notingEngine{e, d}, err
	}),
	airhostfx.Broker(func(d *diary) (notingBroker, error) {
		b, err := inproc.New(inproc.Config{})
		return notingBroker{b, d}, err
	}),
	airhostfx.Tracker(func(d *diary) (notingTracker, error) {
		tr, err := slab.New(slab.Config{})
		return notingTracker{tr, d}, err
	}),
)

// noter is a component that notes its life.
type noter struct {
	guest.Component
	name  string
	diary *diary
	fails bool
}

func (n noter) Initialize(guest.Host, guest.Config) error {
	n.diary.note(n.name + " initialized")
	if n.fails {
		return errors.New("not today")
	}
	return nil
}

func (n noter) Shutdown(guest.Host) { n.diary.note(n.name + " shut down") }

func deployed(d *diary, name string, fails bool) fx.Option {
	component := func() guest.Component { return noter{name: name, diary: d, fails: fails} }
	deployment := host.Deployment{ID: core.MustComponentID("a/" + name), Engine: native.Name, Source: native.Source(component)}
	return fx.Supply(fx.Annotate(deployment, fx.ResultTags(`group:"deployments"`)))
}

// TestLife: the application starts the parts, the host and the components in this
// order, and stops them in the other one.
func TestLife(t *testing.T) {
	d := new(diary)
	app := fxtest.New(t, airhostfx.Host, noting, quiet, fx.Supply(d), deployed(d, "b", false), deployed(d, "a", false))
	app.RequireStart().RequireStop()
	want := []string{
		"tracker started", "broker opened", "a initialized", "b initialized",
		"a shut down", "b shut down", "tracker closed", "engine closed", "tracker closed",
	}
	if len(d.events) == len(want) { // the host starts and stops its components in no order
		slices.Sort(d.events[2:4])
		slices.Sort(d.events[4:6])
	}
	if !slices.Equal(d.events, want) {
		t.Errorf("got %q\nwant %q", d.events, want)
	}
}

// TestDeploymentFails: the application does not start then, and leaves nothing open.
func TestDeploymentFails(t *testing.T) {
	d := new(diary)
	app := fx.New(fx.NopLogger, airhostfx.Host, noting, quiet, fx.Supply(d), deployed(d, "a", false), deployed(d, "b", true), deployed(d, "c", false))
	if err := app.Start(t.Context()); !errors.As(err, new(*core.ComponentError)) {
		t.Errorf("got %v, want the error of b", err)
	}
	want := []string{
		"tracker started", "broker opened", "a initialized", "b initialized", "c initialized",
		"a shut down", "c shut down", "tracker closed", "engine closed", "tracker closed",
	}
	if len(d.events) == len(want) {
		slices.Sort(d.events[2:5])
		slices.Sort(d.events[5:7])
	}
	if !slices.Equal(d.events, want) {
		t.Errorf("got %q\nwant %q", d.events, want)
	}
}

// TestProvidedByItself: a broker and a tracker that the graph has outside of the groups
// are used.
func TestProvidedByItself(t *testing.T) {
	var h *host.Host
	app := fxtest.New(t, airhostfx.Host, engine, quiet, fx.Populate(&h),
		fx.Provide(func() (core.Broker, error) { return inproc.New(inproc.Config{}) }),
		fx.Provide(func() (core.Tracker, error) { return slab.New(slab.Config{}) }))
	app.RequireStart()
	if got := h.Engines(); !slices.Equal(got, []string{native.Name}) {
		t.Errorf("engines %q", got)
	}
	app.RequireStop()
}

// TestLogger: the graph's logger is used by the host and by parts whose configuration
// names none, and by no other part.
func TestLogger(t *testing.T) {
	type config struct {
		Logger *slog.Logger
		Name   string
	}
	own, logged := slog.New(slog.DiscardHandler), new(bytes.Buffer)
	logger := slog.New(slog.NewTextHandler(logged, nil))
	for name, test := range map[string]struct {
		given fx.Option
		want  config
	}{
		"no configuration": {fx.Options(), config{logger, ""}},
		"none named":       {fx.Supply(config{Name: "n"}), config{logger, "n"}},
		"one of its own":   {fx.Supply(&config{own, "n"}), config{own, "n"}},
	} {
		var got config
		take := func(c config) (core.Engine, error) {
			got = c
			return native.New(native.Config{})
		}
		app := fxtest.New(t, airhostfx.Host, broker, tracker, airhostfx.Engine(take), fx.Supply(logger), test.given, deployed(new(diary), "a", false))
		app.RequireStart().RequireStop()
		if got != test.want {
			t.Errorf("%s: got %v, want %v", name, got, test.want)
		}
	}
	if !strings.Contains(logged.String(), "a/a") {
		t.Errorf("the host's log has nothing of the component: %q", logged)
	}
}

// shutdowns notes with which options the application is shut down.
type shutdowns []string

func (s *shutdowns) Shutdown(options ...fx.ShutdownOption) error {
	*s = append(*s, fmt.Sprint(options))
	return errors.New("nobody listens")
}

// failing is a deployment of a component that fails at its first message.
func failing(name string, required bool) host.Deployment {
	component := func() guest.Component { return noter{name: name, diary: new(diary)} }
	return host.Deployment{
		ID: core.MustComponentID("a/" + name), Engine: native.Name, Source: native.Source(component),
		Restart: host.Restart{Policy: host.RestartTemporary}, Required: required,
	}
}

// fail makes components fail, and waits until all subscribers have been told.
func fail(h *host.Host, names ...string) error {
	events, cancel := h.Subscribe(10)
	defer cancel()
	for _, name := range names {
		if err := h.Send(core.MustComponentID("a/"+name), nil); err != nil {
			return err
		}
	}
	for failed := 0; failed < len(names); {
		if event := <-events; event.Kind == host.EventFailed {
			failed++
		}
	}
	return nil
}

// TestShutdownOnFailure: a required component that fails shuts the application down once, with
// exit code 1, if the application asks for it. Other components do not.
func TestShutdownOnFailure(t *testing.T) {
	for name, test := range map[string]struct {
		asked fx.Option
		fail  []string
		want  int
	}{
		"required":     {airhostfx.ShutdownOnFailure, []string{"required"}, 1},
		"two of them":  {airhostfx.ShutdownOnFailure, []string{"required", "other", "required2"}, 1},
		"not required": {airhostfx.ShutdownOnFailure, []string{"other"}, 0},
		"none":         {airhostfx.ShutdownOnFailure, nil, 0},
		"nobody asks":  {fx.Options(), []string{"required"}, 0},
	} {
		var h *host.Host
		got := new(shutdowns)
		app := fxtest.New(t, airhostfx.Host, parts, quiet, test.asked, fx.Populate(&h),
			fx.Decorate(func(fx.Shutdowner) fx.Shutdowner { return got }))
		app.RequireStart()
		for _, d := range []host.Deployment{failing("required", true), failing("required2", true), failing("other", false)} {
			if err := h.Deploy(t.Context(), d); err != nil {
				t.Fatal(err)
			}
		}
		if err := fail(h, test.fail...); err != nil {
			t.Fatal(err)
		}
		app.RequireStop() // the events that have come are read to the end
		if len(*got) != test.want || test.want > 0 && (*got)[0] != "[1]" {
			t.Errorf("%s: shut down with %q, want %d times with [1]", name, *got, test.want)
		}
	}
}

// TestShutdownOnMissedFailure: the application is shut down also if there was no room for the
// event of the failure.
func TestShutdownOnMissedFailure(t *testing.T) {
	for _, required := range []bool{true, false} {
		got := new(shutdowns)
		crowd := []fx.Option{airhostfx.Host, parts, quiet, fx.Decorate(func(fx.Shutdowner) fx.Shutdowner { return got })}
		for i := range 100 { // the event of each is more than the application reads by now
			d := failing(fmt.Sprint("x", i), required && i == 99)
			crowd = append(crowd, fx.Supply(fx.Annotate(d, fx.ResultTags(`group:"deployments"`))))
		}
		fails := func(lifecycle fx.Lifecycle, h *host.Host) {
			lifecycle.Append(fx.StartHook(func() error { return fail(h, "x99") }))
		}
		app := fxtest.New(t, append(crowd, fx.Invoke(fails), airhostfx.ShutdownOnFailure)...)
		app.RequireStart().RequireStop()
		if want := map[bool]int{true: 1}[required]; len(*got) != want {
			t.Errorf("required %v: shut down %d times, want %d", required, len(*got), want)
		}
	}
}

// TestExitCode: the end of an application that is shut down by a failure has exit code 1.
func TestExitCode(t *testing.T) {
	var h *host.Host
	app := fxtest.New(t, airhostfx.Host, parts, quiet, airhostfx.ShutdownOnFailure, fx.Populate(&h),
		fx.Supply(fx.Annotate(failing("required", true), fx.ResultTags(`group:"deployments"`))))
	app.RequireStart()
	ended := app.Wait()
	if err := fail(h, "required"); err != nil {
		t.Fatal(err)
	}
	if signal := <-ended; signal.ExitCode != 1 {
		t.Errorf("got exit code %d, want 1", signal.ExitCode)
	}
	app.RequireStop()
}
