package airhostfx_test

import (
	"context"
	"fmt"
	"log/slog"

	"go.uber.org/fx"

	"github.com/airhost/airhost/airhostfx"
	"github.com/airhost/airhost/backends/wazero"
	"github.com/airhost/airhost/brokers/inproc"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/trackers/slab"
)

// A host over the parts of one's choice. The application starts and stops it.
func Example() {
	app := fx.New(airhostfx.Host, airhostfx.Engine(wazero.New), airhostfx.Broker(inproc.New), airhostfx.Tracker(slab.New), fx.Supply(wazero.Config{}),
		fx.NopLogger)
	fmt.Println(app.Start(context.Background()), app.Stop(context.Background()))
	// Output: <nil> <nil>
}

// A component that is deployed with the application, and a hook that sends it a request.
// The host logs to the graph's logger.
func Example_deployment() {
	echo := host.Deployment{
		ID: core.MustComponentID("demo/echo"), Engine: "wazero",
		Source: core.Source{Path: "../examples/c-echo/echo.wasm"},
	}
	ask := func(lifecycle fx.Lifecycle, h *host.Host) {
		lifecycle.Append(fx.StartHook(func(ctx context.Context) error {
			response, err := h.Request(ctx, echo.ID, []byte("hello"))
			fmt.Println(string(response))
			return err
		}))
	}
	app := fx.New(
		airhostfx.Host, airhostfx.Engine(wazero.New), airhostfx.Broker(inproc.New), airhostfx.Tracker(slab.New),
		fx.Supply(fx.Annotate(echo, fx.ResultTags(`group:"deployments"`)), slog.New(slog.DiscardHandler)),
		fx.Invoke(ask), fx.NopLogger,
	)
	fmt.Println(app.Start(context.Background()), app.Stop(context.Background()))
	// Output:
	// hello
	// <nil> <nil>
}
