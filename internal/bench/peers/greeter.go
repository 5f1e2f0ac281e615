package main

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/knqyf263/go-plugin/examples/helloworld/greeting"

	"github.com/airhost/airhost/internal/bench/data/cells"
)

//go:embed guests/greeter.wasm
var greeterModule []byte

// greeter is knqyf263/go-plugin by the project's own example, with the host code from
// its generator; the payload is the name to greet. The plug-in is in C, as airhost's
// guests are. Users write theirs in Go, and then Go's runtime in the guest takes most
// of the time: see BenchmarkGreeterInGo.
type greeter struct {
	plugin interface {
		greeting.Greeter
		Close(context.Context) error
	}
	payload []byte
}

func openGreeter(ctx context.Context, _ cells.Pattern, payload int) (host, error) {
	// Plug-ins can only be loaded from files.
	directory, err := os.MkdirTemp("", "greeter")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(directory)
	file := filepath.Join(directory, "greeter.wasm")
	if err := os.WriteFile(file, greeterModule, 0o600); err != nil {
		return nil, err
	}
	return loadGreeter(ctx, file, payload)
}

func loadGreeter(ctx context.Context, file string, payload int) (*greeter, error) {
	loader, err := greeting.NewGreeterPlugin(ctx)
	if err != nil {
		return nil, err
	}
	plugin, err := loader.Load(ctx, file)
	if err != nil {
		return nil, err
	}
	return &greeter{plugin, newMessage(payload)}, nil
}

// run implements host.
func (g *greeter) run(n int) error { return call(g.call).times(n, g.payload) }

func (g *greeter) call(payload []byte) ([]byte, error) {
	reply, err := g.plugin.Greet(context.Background(), &greeting.GreetRequest{Name: string(payload)})
	if err != nil {
		return nil, err
	}
	return []byte(reply.Message), nil
}

// counts implements host. The plug-in returns its count for an empty name.
func (g *greeter) counts() (counts, error) {
	reply, err := g.plugin.Greet(context.Background(), new(greeting.GreetRequest))
	if err != nil {
		return counts{}, err
	}
	handled, err := strconv.ParseUint(reply.Message, 10, 64)
	if err != nil {
		return counts{}, fmt.Errorf("the plug-in's count: %w", err)
	}
	return counts{Handled: handled}, nil
}

// close implements host.
func (g *greeter) close() error { return g.plugin.Close(context.Background()) }
