package allengines

import (
	"bytes"
	"context"
	"encoding/binary"
	"log/slog"
	"os"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/airhost/airhost/backends/process"
	"github.com/airhost/airhost/backends/wasmtime"
	"github.com/airhost/airhost/backends/wazero"
	"github.com/airhost/airhost/brokers/nats"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
	"github.com/airhost/airhost/internal/natstest"
)

// counting counts its messages, as the guest tally does.
type counting struct{ count uint64 }

func (c *counting) HandleMessage(h guest.Host, _ string, message []byte) ([]byte, error) {
	if string(message) == "get" {
		return c.Save(h)
	}
	c.count++
	return nil, nil
}

func (c *counting) Save(guest.Host) ([]byte, error) {
	return binary.LittleEndian.AppendUint64(nil, c.count), nil
}

func (c *counting) Restore(_ guest.Host, state []byte) error {
	c.count = binary.LittleEndian.Uint64(state)
	return nil
}

// joined returns a host of a cluster. It stops at the end of the test.
func joined(t *testing.T, url, name string, engine core.Engine) *host.Host {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	broker, err := nats.New(nats.Config{URL: url, Host: name, Lease: nats.MinLease, Logger: log})
	check(t, err)
	tracker, err := newSlab()
	check(t, err)
	h, err := host.New(host.Config{Logger: log}, broker, tracker, engine)
	check(t, err)
	check(t, h.Start(within(t)))
	t.Cleanup(func() { check(t, h.Stop(within(t))) })
	return h
}

// TestMoves: guests of each engine move with their state, and the messages that wait are counted by the
// other host.
func TestMoves(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles a guest of 3 MB")
	}
	url := natstest.Serve(t, new(server.Options)).ClientURL()
	path, err := os.Executable()
	check(t, err)
	code, cache := tallies(t)[0], t.TempDir()
	for _, e := range []struct {
		name   string
		open   func() (core.Engine, error)
		source core.Source
	}{
		{wazero.Name, func() (core.Engine, error) { return wazero.New(wazero.Config{CacheDir: cache}) }, core.Source{Code: code}},
		{wasmtime.Name, func() (core.Engine, error) { return wasmtime.New(wasmtime.Config{CacheDir: cache}) }, core.Source{Code: code}},
		{process.Name, func() (core.Engine, error) { return process.New(process.Config{}) }, process.Source(process.Command{Path: path, Env: []string{roleVariable + "=counting", "GORACE=atexit_sleep_ms=0"}})},
	} {
		t.Run(e.name, func(t *testing.T) {
			if e.name == wasmtime.Name && !wasmtime.Available {
				t.Skip("built without cgo")
			}
			engine, err := e.open()
			check(t, err)
			t.Cleanup(func() { check(t, engine.Close(within(t))) })
			from, to := joined(t, url, "from", engine), joined(t, url, "to", engine)
			d := host.Deployment{ID: id("t/target"), Engine: e.name, Source: e.source}
			check(t, from.Deploy(within(t), d))
			number := binary.LittleEndian.AppendUint64(nil, 7)
			for range 100 {
				check(t, from.Send(d.ID, number))
			}
			check(t, from.MoveAway(within(t), d.ID, func(ctx context.Context, m *core.Moving) error {
				for range 100 {
					check(t, from.Send(d.ID, number))
				}
				if !m.HasState {
					t.Error("it has no state")
				}
				there := d
				there.Moving = m
				return to.Deploy(ctx, there)
			}))
			for _, h := range []*host.Host{from, to} {
				state, err := h.Request(within(t), d.ID, []byte("get"))
				check(t, err)
				if want := binary.LittleEndian.AppendUint64(nil, 200); !bytes.HasPrefix(state, want) {
					t.Errorf("the count is %x, want %x", state[:8], want)
				}
			}
		})
	}
}
