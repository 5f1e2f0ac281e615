package allengines

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"testing"

	"github.com/airhost/airhost/backends/native"
	"github.com/airhost/airhost/backends/wazero"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
	"github.com/airhost/airhost/internal/bench/measure/guests"
)

func startWasm(b *testing.B) *host.Host {
	nat, err := native.New(native.Config{})
	check(b, err)
	wz, err := wazero.New(wazero.Config{})
	check(b, err)
	h := startHost(b, host.Config{Logger: slog.New(slog.DiscardHandler)}, nat, wz)
	b.Cleanup(func() { check(b, h.Stop(context.Background())); check(b, wz.Close(context.Background())) })
	return h
}

func wasmDeployment(name, peer string, code []byte) host.Deployment {
	return host.Deployment{
		ID: id(name), Engine: "wazero", Source: core.Source{Code: code}, Capabilities: all(),
		Quota:  host.Quota{MessagesPerSecond: 1e9, Burst: 1e9, PendingRequests: 1000},
		Config: []core.ConfigPair{{Key: "peer", Value: peer}, {Key: "done", Value: "bench/done"}},
	}
}

func startMessage(op byte, n int) []byte {
	m := make([]byte, 64)
	m[0] = op
	binary.LittleEndian.PutUint64(m[8:], uint64(n))
	return m
}

// closer closes itself when it gets a message.
type closer chan struct{}

func (c closer) HandleMessage(guest.Host, string, []byte) ([]byte, error) {
	close(c)
	return nil, nil
}

func benchWasm(b *testing.B, op byte, code []byte) {
	h := startWasm(b)
	done := make(chan struct{})
	check(b, h.Deploy(within(b), host.Deployment{
		ID: id("bench/done"), Engine: native.Name,
		Source: native.Source(func() guest.Component { return closer(done) }),
	}))
	check(b, h.Deploy(within(b), wasmDeployment("bench/a", "bench/b", code)))
	check(b, h.Deploy(within(b), wasmDeployment("bench/b", "bench/a", code)))
	b.ReportAllocs()
	b.ResetTimer()
	check(b, h.Send(id("bench/a"), startMessage(op, b.N)))
	<-done
}

func BenchmarkWazeroFireAndForget(b *testing.B)   { benchWasm(b, 'B', guests.PingPong) }
func BenchmarkWazeroRequestResponse(b *testing.B) { benchWasm(b, 'S', guests.RoundTrip) }

func BenchmarkWazeroCall(b *testing.B) {
	h := startWasm(b)
	check(b, h.Deploy(within(b), wasmDeployment("bench/a", "bench/b", guests.RoundTrip)))
	ctx, payload := context.Background(), startMessage('E', 0)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := h.Request(ctx, id("bench/a"), payload); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkWazeroAppend is BenchmarkWazeroCall for a caller with room for the
// response, by the size of payload and response.
func BenchmarkWazeroAppend(b *testing.B) {
	h := startWasm(b)
	check(b, h.Deploy(within(b), wasmDeployment("bench/a", "bench/b", guests.PingPong)))
	for _, size := range []int{64, 1 << 10} {
		b.Run(fmt.Sprintf("%dB", size), func(b *testing.B) {
			message, response := make([]byte, size), []byte(nil)
			copy(message, "E")
			b.ReportAllocs()
			for b.Loop() {
				var err error
				if response, err = h.AppendRequest(context.Background(), response[:0], id("bench/a"), message); err != nil || len(response) != size {
					b.Fatal(len(response), err)
				}
			}
		})
	}
}
