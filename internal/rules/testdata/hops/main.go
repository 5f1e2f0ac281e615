// Command hops sends messages between two guests and writes down how often each
// statement of the project ran meanwhile. It is built with -cover by a test:
//
//	hops ENGINE PATTERN COUNT DIRECTORY
//
// A pattern that begins with "large " has messages that are too large for a credit.
package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/coverage"
	"strconv"
	"strings"
	"time"

	"github.com/airhost/airhost/backends/native"
	"github.com/airhost/airhost/backends/wasmtime"
	"github.com/airhost/airhost/backends/wazero"
	"github.com/airhost/airhost/brokers/inproc"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/internal/bench/measure/guests"
	"github.com/airhost/airhost/trackers/slab"
)

// leftOut is the exit code for an engine that this build does not have.
const leftOut = 3

func main() {
	err := run(os.Args[1], os.Args[2], os.Args[3], os.Args[4])
	switch {
	case errors.Is(err, wasmtime.ErrLeftOut):
		os.Exit(leftOut)
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(engine, pattern, count, directory string) error {
	n, err := strconv.Atoi(count)
	if err != nil {
		return err
	}
	e, err := newEngine(engine)
	if err != nil {
		return err
	}
	h, err := startHost(e)
	if err != nil {
		return err
	}
	ctx := context.Background()
	if err := deploy(ctx, h, engine, pattern); err != nil {
		return err
	}
	if err := send(ctx, h, pattern, n); err != nil { // fills caches and pools
		return err
	}
	if err := coverage.ClearCounters(); err != nil {
		return err
	}
	if err := send(ctx, h, pattern, n); err != nil {
		return err
	}
	return errors.Join(coverage.WriteCountersDir(directory), coverage.WriteMetaDir(directory), h.Stop(ctx), e.Close(ctx))
}

// closer is an engine that its caller closes.
type closer interface {
	core.Engine
	Close(context.Context) error
}

func newEngine(name string) (closer, error) {
	switch name {
	case "wasmtime":
		return wasmtime.New(wasmtime.Config{})
	case native.Name:
		return native.New(native.Config{})
	}
	return wazero.New(wazero.Config{})
}

func startHost(engine core.Engine) (*host.Host, error) {
	broker, err := inproc.New(inproc.Config{})
	if err != nil {
		return nil, err
	}
	tracker, err := slab.New(slab.Config{})
	if err != nil {
		return nil, err
	}
	logger := slog.New(slog.NewTextHandler(io.Discard, nil))
	h, err := host.New(host.Config{Logger: logger}, broker, tracker, engine)
	if err != nil {
		return nil, err
	}
	return h, h.Start(context.Background())
}

// source returns the guest of a pattern.
func source(engine, pattern string) core.Source {
	if engine == native.Name {
		if strings.HasSuffix(pattern, "request-response") {
			return native.Source(guests.NewRoundTrip)
		}
		return native.Source(guests.NewPingPong)
	}
	if strings.HasSuffix(pattern, "request-response") {
		return core.Source{Code: guests.RoundTrip}
	}
	return core.Source{Code: guests.PingPong}
}

// deploy deploys two guests that send to each other.
func deploy(ctx context.Context, h *host.Host, engine, pattern string) error {
	source := source(engine, pattern)
	for _, names := range [][2]string{{"hops/a", "hops/b"}, {"hops/b", "hops/a"}} {
		peer, err := core.ParseIDPattern(names[1])
		if err != nil {
			return err
		}
		to := []core.IDPattern{peer}
		if err := h.Deploy(ctx, host.Deployment{
			ID: core.MustComponentID(names[0]), Engine: engine, Source: source,
			Capabilities: host.Capabilities{Send: to, Request: to},
			Quota:        host.Quota{MessagesPerSecond: 1e9, Burst: 1e9, PendingRequests: 1000},
			Config:       []core.ConfigPair{{Key: "peer", Value: names[1]}, {Key: "done", Value: "hops/done"}},
		}); err != nil {
			return err
		}
	}
	return nil
}

// send starts n hops or round trips and waits for their end.
func send(ctx context.Context, h *host.Host, pattern string, n int) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	message := make([]byte, 64)
	if strings.HasPrefix(pattern, "large ") {
		message = make([]byte, 5000)
	}
	message[0] = guests.OpBall
	if strings.HasSuffix(pattern, "request-response") {
		message[0] = guests.OpStart
	}
	binary.LittleEndian.PutUint64(message[8:], uint64(n))
	if err := h.Send(core.MustComponentID("hops/a"), message); err != nil {
		return err
	}
	return h.Quiesce(ctx)
}
