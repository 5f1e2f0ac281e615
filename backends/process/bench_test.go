package process_test

import (
	"context"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/airhost/airhost/backends/process"
	"github.com/airhost/airhost/brokers/inproc"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/trackers/slab"
)

func init() { roles["unary"] = serveUnary }

var handshake = goplugin.HandshakeConfig{ProtocolVersion: 1, MagicCookieKey: "AIRHOST_UNARY", MagicCookieValue: "echo"}

// unaryEcho is a plain go-plugin service.
type unaryEcho struct {
	goplugin.NetRPCUnsupportedPlugin
}

const unaryMethod = "/airhost.test.Echo/Echo"

var unaryService = grpc.ServiceDesc{
	ServiceName: "airhost.test.Echo",
	HandlerType: (*any)(nil),
	Methods: []grpc.MethodDesc{{MethodName: "Echo", Handler: func(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
		in := new(wrapperspb.BytesValue)
		return in, decode(in)
	}}},
}

func (unaryEcho) GRPCServer(_ *goplugin.GRPCBroker, server *grpc.Server) error {
	server.RegisterService(&unaryService, nil)
	return nil
}

func (unaryEcho) GRPCClient(_ context.Context, _ *goplugin.GRPCBroker, conn *grpc.ClientConn) (any, error) {
	return conn, nil
}

func serveUnary() {
	goplugin.Serve(&goplugin.ServeConfig{
		HandshakeConfig: handshake, Plugins: goplugin.PluginSet{"echo": unaryEcho{}},
		GRPCServer: goplugin.DefaultGRPCServer, Logger: hclog.NewNullLogger(),
	})
}

func startUnary(b *testing.B) *grpc.ClientConn {
	path, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(path)
	cmd.Env = []string{roleVariable + "=unary"}
	client := goplugin.NewClient(&goplugin.ClientConfig{
		HandshakeConfig: handshake, Plugins: goplugin.PluginSet{"echo": unaryEcho{}}, Cmd: cmd, AutoMTLS: true, SkipHostEnv: true,
		AllowedProtocols: []goplugin.Protocol{goplugin.ProtocolGRPC}, Logger: hclog.NewNullLogger(),
	})
	b.Cleanup(client.Kill)
	protocol, err := client.Client()
	if err != nil {
		b.Fatal(err)
	}
	return protocol.(*goplugin.GRPCClient).Conn
}

// BenchmarkOneInFlight compares a component with a plain unary echo of go-plugin,
// with one request in flight. Both alternate every hundred requests, so other load
// on the machine disturbs both. It reports medians.
func BenchmarkOneInFlight(b *testing.B) {
	unary, h := startUnary(b), startHost(b, "responder")
	message := make([]byte, 64)
	request := &wrapperspb.BytesValue{Value: message}
	var plain, ours []time.Duration
	for b.Loop() {
		plain = appendTimes(b, plain, func() error {
			return unary.Invoke(b.Context(), unaryMethod, request, new(wrapperspb.BytesValue))
		})
		ours = appendTimes(b, ours, func() error {
			_, err := h.Request(context.Background(), echoID, message)
			return err
		})
	}
	b.ReportMetric(float64(median(plain)), "unary-ns")
	b.ReportMetric(float64(median(ours)), "request-ns")
	b.ReportMetric(float64(median(ours))/float64(median(plain)), "request/unary")
}

func appendTimes(b *testing.B, times []time.Duration, call func() error) []time.Duration {
	for range 100 {
		start := time.Now()
		if err := call(); err != nil {
			b.Fatal(err)
		}
		times = append(times, time.Since(start))
	}
	return times
}

func median(times []time.Duration) time.Duration {
	slices.Sort(times)
	return times[len(times)/2]
}

func startHost(b *testing.B, role string) *host.Host {
	engine, err := process.New(process.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	broker, _ := inproc.New(inproc.Config{})
	tracker, _ := slab.New(slab.Config{})
	h, err := host.New(host.Config{Logger: slog.New(slog.DiscardHandler)}, broker, tracker, engine)
	if err != nil {
		b.Fatal(err)
	}
	if err := h.Start(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := h.Stop(context.Background()); err != nil {
			b.Error(err)
		}
	})
	err = h.Deploy(b.Context(), host.Deployment{ID: echoID, Engine: process.Name, Source: source(role), Limits: core.Limits{Mailbox: 1 << 16, HandlerTime: time.Minute}})
	if err != nil {
		b.Fatal(err)
	}
	return h
}

var echoID = core.MustComponentID("test/echo")

// BenchmarkManyInFlight compares 1,024 requests in flight to a component with a
// plain unary echo, with one and with 1,024 calls in flight.
func BenchmarkManyInFlight(b *testing.B) {
	unary, h := startUnary(b), startHost(b, "responder")
	message := make([]byte, 64)
	request := &wrapperspb.BytesValue{Value: message}
	echo := func() error { return unary.Invoke(b.Context(), unaryMethod, request, new(wrapperspb.BytesValue)) }
	one := rate(b, 1, 2000, echo)
	many := rate(b, 1024, 20_000, echo)
	b.ResetTimer()
	ours := rate(b, 1024, b.N, func() error {
		_, err := h.Request(context.Background(), echoID, message)
		return err
	})
	b.ReportMetric(ours, "requests/s")
	b.ReportMetric(ours/one, "×unary")
	b.ReportMetric(ours/many, "×unary-many")
}

// rate makes n calls from this many goroutines and returns the calls per second.
func rate(b *testing.B, goroutines, n int, call func() error) float64 {
	var left atomic.Int64
	left.Store(int64(n))
	start := time.Now()
	var all sync.WaitGroup
	for range goroutines {
		all.Go(func() {
			for left.Add(-1) >= 0 {
				if err := call(); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	return float64(n) / time.Since(start).Seconds()
}
