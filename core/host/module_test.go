package host_test

import (
	"fmt"
	"testing"

	"go.uber.org/fx"

	"github.com/airhost/airhost/backends/native"
	"github.com/airhost/airhost/brokers/channel"
	"github.com/airhost/airhost/brokers/inproc"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/trackers/slab"
	"github.com/airhost/airhost/trackers/timermap"
)

// TestWrongGraphs: a graph that cannot work says so before anything starts.
func TestWrongGraphs(t *testing.T) {
	for name, test := range map[string]struct {
		modules fx.Option
		want    string
	}{
		"no broker":    {fx.Options(slab.Module, native.Module), "core.Broker"},
		"no tracker":   {fx.Options(inproc.Module, native.Module), "core.Tracker"},
		"two brokers":  {fx.Options(inproc.Module, channel.Module, slab.Module), "already provided"},
		"two trackers": {fx.Options(inproc.Module, slab.Module, timermap.Module), "already provided"},
		"bad config":   {fx.Options(inproc.Module, slab.Module, fx.Supply(host.Config{Workers: -1})), "negative value"},
		"same engines": {fx.Options(inproc.Module, slab.Module, native.Module, native.Module), "two of the same name"},
	} {
		t.Run(name, func(t *testing.T) {
			app := fx.New(fx.NopLogger, host.Module, test.modules, fx.Invoke(func(*host.Host) {}))
			contains(t, "error", fmt.Sprint(app.Err()), test.want)
		})
	}
}
