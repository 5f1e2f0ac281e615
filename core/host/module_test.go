package host_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"go.uber.org/fx"
	"go.uber.org/fx/fxtest"

	"github.com/airhost/airhost/backends/native"
	"github.com/airhost/airhost/brokers/channel"
	"github.com/airhost/airhost/brokers/inproc"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/trackers/slab"
	"github.com/airhost/airhost/trackers/timermap"
)

// TestWrongGraphs: a graph that cannot work says so before anything starts, in words
// that are not fx's.
func TestWrongGraphs(t *testing.T) {
	wrong := host.Config{Workers: -1}
	own := fx.Provide(func() (core.Broker, error) { return inproc.New(inproc.Config{}) })
	for name, test := range map[string]struct {
		modules fx.Option
		want    string
	}{
		"no broker":       {fx.Options(slab.Module, native.Module), "host: there is no broker; add the module of one, such as brokers/inproc"},
		"no tracker":      {fx.Options(inproc.Module, native.Module), "host: there is no tracker; add"},
		"no engine":       {fx.Options(inproc.Module, slab.Module), "host: there is no engine; add"},
		"two brokers":     {fx.Options(inproc.Module, channel.Module, slab.Module, native.Module), "host: there are 2 brokers, ["},
		"one of each":     {fx.Options(inproc.Module, own, slab.Module, native.Module), "host: there are 2 brokers, [*inproc.Broker *inproc.Broker]"},
		"two trackers":    {fx.Options(inproc.Module, slab.Module, timermap.Module, native.Module), "host: there are 2 trackers, ["},
		"bad config":      {fx.Options(inproc.Module, slab.Module, native.Module, fx.Supply(wrong)), "host: Workers is -1"},
		"by pointer":      {fx.Options(inproc.Module, slab.Module, native.Module, fx.Supply(&wrong)), "host: Workers is -1"},
		"two configs":     {fx.Options(inproc.Module, slab.Module, native.Module, fx.Supply(wrong, &wrong)), "host: there are two configurations"},
		"same engines":    {fx.Options(inproc.Module, slab.Module, native.Module, fx.Provide(fx.Annotate(func() core.Engine { return toyEngineNamed("native") }, fx.ResultTags(`group:"engines"`)))), "two of the same name"},
		"nothing but it":  {fx.Options(), "host: there is no tracker"},
		"part by pointer": {fx.Options(channel.Module, slab.Module, native.Module, fx.Supply(&channel.Config{Capacity: -1})), "capacity -1"},
	} {
		for _, option := range []fx.Option{fx.Options(), fx.Invoke(func(*host.Host) {})} {
			app := fx.New(fx.NopLogger, option, host.Module, test.modules)
			err := fmt.Sprint(app.Err())
			contains(t, name, err, test.want)
			if strings.HasPrefix(test.want, "host: ") && strings.Contains(err, "could not build") {
				t.Errorf("%s: in the words of fx: %s", name, err)
			}
		}
	}
}

// toyEngineNamed is an engine of another's name.
type toyEngineNamed string

func (e toyEngineNamed) Name() string                { return string(e) }
func (e toyEngineNamed) Close(context.Context) error { return nil }
func (e toyEngineNamed) Compile(context.Context, core.Source, core.Limits) (core.Component, error) {
	return nil, core.ErrClosed
}

// TestGraph: a graph with a part of one's own and a configuration by pointer works.
func TestGraph(t *testing.T) {
	own := fx.Provide(func() (core.Broker, error) { return inproc.New(inproc.Config{}) })
	var h *host.Host
	app := fxtest.New(t, host.Module, own, slab.Module, native.Module, fx.Supply(&host.Config{Logger: slog.New(slog.DiscardHandler)}), fx.Populate(&h))
	app.RequireStart()
	check(t, h.Deploy(t.Context(), deployment("a/echo", echo)))
	app.RequireStop()
}
