package host_test

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"os"

	"github.com/airhost/airhost/backends/wazero"
	"github.com/airhost/airhost/brokers/inproc"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/trackers/slab"
)

// A program chooses a broker, a tracker and an engine, deploys one guest, and sends
// it a request.
func Example() {
	ctx := context.Background()
	broker, _ := inproc.New(inproc.Config{})
	tracker, _ := slab.New(slab.Config{})
	engine, _ := wazero.New(wazero.Config{})
	h, err := host.New(host.Config{Logger: slog.New(slog.DiscardHandler)}, broker, tracker, engine)
	if err != nil {
		log.Fatal(err)
	}
	_ = h.Start(ctx)
	defer engine.Close(ctx)
	defer h.Stop(ctx)

	code, _ := os.ReadFile("../../examples/c-echo/echo.wasm")
	target := core.MustComponentID("demo/echo")
	if err := h.Deploy(ctx, host.Deployment{ID: target, Engine: "wazero", Source: core.Source{Code: code}}); err != nil {
		log.Fatal(err)
	}
	response, err := h.Request(ctx, target, []byte("hello"))
	fmt.Println(string(response), err)
	// Output: hello <nil>
}
