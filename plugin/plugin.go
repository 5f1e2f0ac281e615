// Package plugin makes a program a plug-in of airhost: a component that runs as
// a process of its own, written as for package guest.
//
//	func main() { plugin.Serve(relay.New()) }
//
// The host starts the program, and it ends with the host. Extensions of the host
// itself are plug-ins too: see [ServeBroker] and [ServeTracker]. What a plug-in
// in another language has to do is in docs/plugin-protocol.md.
package plugin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/airhost/airhost/guest"
	"github.com/airhost/airhost/internal/frame"
	"github.com/airhost/airhost/internal/spawn"
	pluginv1 "github.com/airhost/airhost/proto/airhost/plugin/v1"
)

// Serve serves component as this process, until the host asks the process to
// end or is gone. Main should return then: five seconds later the process is
// ended.
//
// What component does besides its methods is up to it: a process may have
// goroutines, files and connections of its own. Its standard output and standard
// error become lines of the host's log; its standard input is the host's to use.
// A panic of component's is told to the host, ends the process with status 2, and the
// host starts another by its restart policy.
//
// A program that was not started by airhost as a component says so on its
// standard error and exits with status 2.
func Serve(component guest.Component) {
	s := &componentServer{component: component}
	serve("component", func(server *grpc.Server, stop func()) {
		s.stop = stop
		pluginv1.RegisterComponentServer(server, s)
	})
	if s.crashed.Load() {
		os.Exit(crashStatus)
	}
}

// crashStatus is the status of a process whose component has panicked, as that of
// any program in Go.
const crashStatus = 2

// grace is how long main may take after the end.
const grace = 5 * time.Second

// serve serves what register adds to a server, as a plug-in of a kind.
func serve(kind string, register func(server *grpc.Server, stop func())) {
	if os.Getenv(spawn.CookieKey) != kind {
		fmt.Fprintf(os.Stderr, "%s is a plug-in of airhost, of the kind %q: name it in airhost's configuration file, which starts it\n", os.Args[0], kind)
		os.Exit(2)
	}
	stopped := make(chan struct{})
	goplugin.Serve(&goplugin.ServeConfig{
		HandshakeConfig:  spawn.Handshake(kind),
		VersionedPlugins: map[int]goplugin.PluginSet{spawn.Version: {kind: registration{}}},
		GRPCServer:       newServer(register, stopped),
		Logger:           hclog.New(&hclog.LoggerOptions{Output: os.Stderr, Level: hclog.Error}),
	})
	select {
	case <-stopped:
	default: // go-plugin has said on standard error why it could not serve
		os.Exit(1)
	}
}

// window is how many bytes may be under way unread on one stream.
const window = 1 << 20

// newServer returns what makes the server that go-plugin runs. It accepts the
// connections and hands them to one of ours, which serves what register adds. stopped
// is closed when both are asked to stop.
//
// go-plugin takes standard output and standard error for a service of its own
// before it serves; with the first call, the host's health check, they become the
// files again that the host reads.
func newServer(register func(server *grpc.Server, stop func()), stopped chan<- struct{}) func([]grpc.ServerOption) *grpc.Server {
	stdout, stderr := os.Stdout, os.Stderr
	restore := sync.OnceFunc(func() { os.Stdout, os.Stderr = stdout, stderr })
	first := func(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
		restore()
		return handle(ctx, request)
	}
	return func(options []grpc.ServerOption) *grpc.Server {
		server := grpc.NewServer(append(options,
			grpc.UnaryInterceptor(first), grpc.ForceServerCodecV2(frame.Codec{}), grpc.MaxRecvMsgSize(math.MaxInt32),
			grpc.InitialWindowSize(window), grpc.InitialConnWindowSize(2*window))...)
		accepted := newHandover()
		acceptor := grpc.NewServer(grpc.Creds(accepted))
		stop := sync.OnceFunc(func() {
			close(stopped)
			time.AfterFunc(grace, func() { os.Exit(1) })
			server.Stop()
			acceptor.Stop()
		})
		healthy := health.NewServer()
		healthy.SetServingStatus(goplugin.GRPCServiceName, grpc_health_v1.HealthCheckResponse_SERVING)
		grpc_health_v1.RegisterHealthServer(server, healthy)
		register(server, stop)
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin) // ends when the host closes it or is gone
			stop()
		}()
		go func() { _ = server.Serve(accepted) }() // until stop
		return acceptor
	}
}

// registration is go-plugin's view of a service, of which it registers nothing.
type registration struct {
	goplugin.NetRPCUnsupportedPlugin
}

var _ goplugin.GRPCPlugin = registration{}

func (registration) GRPCServer(*goplugin.GRPCBroker, *grpc.Server) error { return nil }

// GRPCClient is never called: a plug-in is no client.
func (registration) GRPCClient(context.Context, *goplugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, errors.ErrUnsupported
}
