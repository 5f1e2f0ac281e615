package airhost_test

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"os"

	"github.com/airhost/airhost"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
)

// A host, one component, one request.
func Example() {
	ctx := context.Background()
	h, err := airhost.New(airhost.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		log.Fatal(err)
	}
	defer h.Close(ctx)

	echo, err := h.DeployFile(ctx, "demo/echo", "examples/c-echo/echo.wasm")
	if err != nil {
		log.Fatal(err)
	}
	response, err := h.Request(ctx, echo, []byte("hello"))
	fmt.Println(string(response), err)
	// Output: hello <nil>
}

// A component with limits of its own that may send requests to all of demo.
func ExampleHost_Host() {
	ctx := context.Background()
	h := airhost.Must(airhost.New(airhost.Config{Logger: slog.New(slog.DiscardHandler)}))
	defer h.Close(ctx)

	err := h.Host().Deploy(ctx, host.Deployment{
		ID: core.MustComponentID("demo/echo"), Engine: "wazero",
		Source:       core.Source{Path: "examples/c-echo/echo.wasm"},
		Limits:       core.Limits{Memory: 1 << 20},
		Capabilities: host.Capabilities{Request: []core.IDPattern{airhost.Must(core.ParseIDPattern("demo/*"))}},
	})
	fmt.Println(err, len(h.Host().Components()))
	// Output: <nil> 1
}

// A component binary, as toolchains make them, embedded in the program. It is deployed as a
// core module is.
func ExampleHost_Host_component() {
	ctx := context.Background()
	h := airhost.Must(airhost.New(airhost.Config{Logger: slog.New(slog.DiscardHandler)}))
	defer h.Close(ctx)

	binary := airhost.Must(os.ReadFile("cmd/airhost/testdata/guests/wrapped.wasm")) // or by go:embed
	id := core.MustComponentID("demo/echo")
	err := h.Host().Deploy(ctx, host.Deployment{ID: id, Engine: "wazero", Source: core.Source{Code: binary}})
	if err != nil {
		log.Fatal(err)
	}
	response, err := h.Request(ctx, id, []byte("hello"))
	fmt.Println(string(response), err)
	// Output: hello <nil>
}

// Several requests at the same time. The second round uses the memory of the first one's
// responses.
func ExampleHost_RequestMany() {
	ctx := context.Background()
	h := airhost.Must(airhost.New(airhost.Config{Logger: slog.New(slog.DiscardHandler)}))
	defer h.Close(ctx)
	echo := airhost.Must(h.DeployFile(ctx, "demo/echo", "examples/c-echo/echo.wasm"))

	requests := make([]host.Request, 2)
	for _, round := range [][2]string{{"a", "b"}, {"c", "d"}} {
		for i, text := range round {
			requests[i].Payload = []byte(text)
		}
		err := h.RequestMany(ctx, echo, requests)
		fmt.Printf("%s %s %v\n", requests[0].Response, requests[1].Response, err)
	}
	// Output:
	// a b <nil>
	// c d <nil>
}
