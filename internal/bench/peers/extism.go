package main

import (
	"context"
	_ "embed"
	"encoding/binary"
	"fmt"
	"time"

	extism "github.com/extism/go-sdk"

	"github.com/airhost/airhost/internal/bench/data/cells"
)

//go:embed guests/extism.wasm
var extismModule []byte

// extismHost is a plug-in on Extism's SDK for Go, called as its README shows.
type extismHost struct {
	plugin  *extism.Plugin
	payload []byte
}

// openExtism sets up a plug-in that nothing can interrupt.
func openExtism(ctx context.Context, _ cells.Pattern, payload int) (host, error) {
	return newExtism(ctx, 0, payload)
}

// openExtismTimeout sets up a plug-in with a time limit for each call, which airhost
// has by default.
func openExtismTimeout(ctx context.Context, _ cells.Pattern, payload int) (host, error) {
	return newExtism(ctx, 250*time.Millisecond, payload)
}

func newExtism(ctx context.Context, timeout time.Duration, payload int) (*extismHost, error) {
	manifest := extism.Manifest{
		Wasm:    []extism.Wasm{extism.WasmData{Data: extismModule}},
		Timeout: uint64(timeout.Milliseconds()),
	}
	plugin, err := extism.NewPlugin(ctx, manifest, extism.PluginConfig{}, nil)
	if err != nil {
		return nil, err
	}
	return &extismHost{plugin, newMessage(payload)}, nil
}

// run implements host.
func (e *extismHost) run(n int) error { return call(e.call).times(n, e.payload) }

func (e *extismHost) call(payload []byte) ([]byte, error) {
	_, response, err := e.plugin.Call("echo", payload)
	return response, err
}

// counts implements host.
func (e *extismHost) counts() (counts, error) {
	_, count, err := e.plugin.Call("count", nil)
	if err != nil {
		return counts{}, err
	}
	if len(count) != 8 {
		return counts{}, fmt.Errorf("the plug-in's count has %d bytes, want 8", len(count))
	}
	return counts{Handled: binary.LittleEndian.Uint64(count)}, nil
}

// close implements host.
func (e *extismHost) close() error { return e.plugin.Close(context.Background()) }
