package main

import (
	"context"
	"os"
	"os/exec"
	"sync/atomic"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/airhost/airhost/internal/bench/data/cells"
)

// handshake marks a process of this program that go-plugin has started as the
// plug-in.
var handshake = plugin.HandshakeConfig{
	ProtocolVersion: 1, MagicCookieKey: "AIRHOST_PEERS_PLUGIN", MagicCookieValue: "echo",
}

// isHashicorpPlugin reports whether this process was started as the plug-in.
func isHashicorpPlugin() bool {
	return os.Getenv(handshake.MagicCookieKey) == handshake.MagicCookieValue
}

// serveHashicorpPlugin is the plug-in's process, until its host ends it.
func serveHashicorpPlugin() {
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig: handshake,
		Plugins:         plugin.PluginSet{echoName: echoPlugin{}},
		GRPCServer:      plugin.DefaultGRPCServer,
		Logger:          hclog.NewNullLogger(),
	})
}

const echoName = "echo"

// echoPlugin is the plug-in, for both processes.
type echoPlugin struct{ plugin.NetRPCUnsupportedPlugin }

// GRPCServer implements plugin.GRPCPlugin.
func (echoPlugin) GRPCServer(_ *plugin.GRPCBroker, server *grpc.Server) error {
	server.RegisterService(&echoService, new(echoServer))
	return nil
}

// GRPCClient implements plugin.GRPCPlugin.
func (echoPlugin) GRPCClient(_ context.Context, _ *plugin.GRPCBroker, connection *grpc.ClientConn) (any, error) {
	return connection, nil
}

// echoServer is the plug-in's service: it answers each request with its own bytes.
// The messages are protobuf's own for bytes and a number, so that no code has to be
// generated.
type echoServer struct{ handled atomic.Uint64 }

func (s *echoServer) echo(_ context.Context, request *wrapperspb.BytesValue) (*wrapperspb.BytesValue, error) {
	s.handled.Add(1)
	return request, nil
}

func (s *echoServer) count(context.Context, *emptypb.Empty) (*wrapperspb.UInt64Value, error) {
	return wrapperspb.UInt64(s.handled.Load()), nil
}

const (
	echoMethod  = "/airhost.peers.Echo/Echo"
	countMethod = "/airhost.peers.Echo/Count"
)

var echoService = grpc.ServiceDesc{
	ServiceName: "airhost.peers.Echo",
	HandlerType: (*any)(nil),
	Methods: []grpc.MethodDesc{
		{MethodName: "Echo", Handler: unary((*echoServer).echo)},
		{MethodName: "Count", Handler: unary((*echoServer).count)},
	},
}

// unary is the handler that protobuf's generator writes for a method without
// interceptors.
func unary[In, Out any](method func(*echoServer, context.Context, *In) (Out, error)) grpc.MethodHandler {
	return func(server any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
		in := new(In)
		if err := decode(in); err != nil {
			return nil, err
		}
		return method(server.(*echoServer), ctx, in)
	}
}

// hashicorp is a plug-in process on hashicorp/go-plugin, by gRPC over a Unix
// socket, without TLS, which is go-plugin's default.
type hashicorp struct {
	client     *plugin.Client
	connection *grpc.ClientConn
	payload    []byte
}

func openHashicorp(_ context.Context, _ cells.Pattern, payload int) (host, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	client := plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig:  handshake,
		Plugins:          plugin.PluginSet{echoName: echoPlugin{}},
		Cmd:              exec.Command(self),
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		Logger:           hclog.NewNullLogger(),
	})
	connection, err := dispense(client)
	if err != nil {
		client.Kill()
		return nil, err
	}
	return &hashicorp{client, connection, newMessage(payload)}, nil
}

func dispense(client *plugin.Client) (*grpc.ClientConn, error) {
	protocol, err := client.Client()
	if err != nil {
		return nil, err
	}
	dispensed, err := protocol.Dispense(echoName)
	if err != nil {
		return nil, err
	}
	return dispensed.(*grpc.ClientConn), nil
}

// run implements host.
func (h *hashicorp) run(n int) error {
	return call(h.call).times(n, h.payload)
}

func (h *hashicorp) call(payload []byte) ([]byte, error) {
	response := new(wrapperspb.BytesValue)
	if err := h.connection.Invoke(context.Background(), echoMethod, wrapperspb.Bytes(payload), response); err != nil {
		return nil, err
	}
	return response.GetValue(), nil
}

// counts implements host.
func (h *hashicorp) counts() (counts, error) {
	count := new(wrapperspb.UInt64Value)
	err := h.connection.Invoke(context.Background(), countMethod, new(emptypb.Empty), count)
	return counts{Handled: count.GetValue()}, err
}

// close implements host.
func (h *hashicorp) close() error {
	h.client.Kill()
	return nil
}
