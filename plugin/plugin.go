// Package plugin makes a program a plug-in of airhost: a component that runs in a
// process of its own. The component is written for package guest.
//
//	func main() { plugin.Serve(relay.New()) }
//
// The host starts the program, and the program ends with the host.
//
// # Sending at any time
//
// Here, and nowhere else, all goroutines of the program may use the [guest.Host] that a method of
// the component has got, at any time from the beginning of the component's first call to the end of
// Shutdown: so a component can serve others than the host, such as HTTP clients. Each service
// returns with the host's answer, as within a method. While a method runs, goroutines ask the
// host one after the other; at other times all that wait ask together, in a turn that the
// host gives the process soon. A goroutine's messages arrive in the order in which it has sent them.
//
//   - The outcome of a request comes by HandleCallback, as always. It may come before
//     [guest.Host.Request] has returned on another goroutine; [Requests] matches the two.
//   - [guest.Host.Call] is for methods alone. At other times it returns guest.CallUnavailable.
//   - A goroutine may hold a lock while it asks the host, also one that a method waits for.
//   - After Shutdown, after a panic of a method, and when the host is gone, services return
//     guest.CaseUnavailable. The same is true between calls of a host that is older than this
//     package and gives no turns: the error says so.
//
// Brokers and
// trackers can be plug-ins too: see [ServeBroker] and [ServeTracker]. The protocol,
// for plug-ins in other languages, is in docs/plugin-protocol.md.
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

// Serve runs component in this process, until the host ends the process or is gone.
// Then main should return: five seconds later Serve ends the process.
//
// A process may have goroutines, files and connections of its own. Its standard output
// and standard error become lines of the host's log. Its standard input belongs to the
// host. If component panics, Serve reports it to the host and ends the process with
// status 2, and the host restarts the process by its restart policy.
//
// If airhost did not start the program as a component, Serve prints that to standard
// error and exits with status 2.
func Serve(component guest.Component) {
	s := &componentServer{component: component, wants: make(chan struct{}, 1)}
	serve("component", func(server *grpc.Server, stop func()) {
		s.stop = stop
		pluginv1.RegisterComponentServer(server, s)
	})
	if s.crashed.Load() {
		os.Exit(crashStatus)
	}
}

// crashStatus is the exit status of a process after a panic of its component. It is the
// status of any Go program that panics.
const crashStatus = 2

// grace is the time that main has to return after the end.
const grace = 5 * time.Second

// serve serves the services that register adds to a server, as a plug-in of a kind.
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
	default: // go-plugin has printed its error to standard error
		os.Exit(1)
	}
}

// window is the size of the flow-control window of one stream in bytes.
const window = 1 << 20

// newServer returns a function that makes the server that go-plugin runs. That server
// passes its connections to a server of ours, which serves the services that register
// adds. stopped is closed when both are asked to stop.
//
// go-plugin replaces standard output and standard error before it serves. The first
// call, which is the host's health check, restores the files that the host reads.
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
			_, _ = io.Copy(io.Discard, os.Stdin) // returns when the host closes standard input or is gone
			stop()
		}()
		go func() { _ = server.Serve(accepted) }() // until stop is called
		return acceptor
	}
}

// registration is a plug-in for go-plugin that registers no service.
type registration struct {
	goplugin.NetRPCUnsupportedPlugin
}

var _ goplugin.GRPCPlugin = registration{}

func (registration) GRPCServer(*goplugin.GRPCBroker, *grpc.Server) error { return nil }

// GRPCClient is never called: a plug-in is not a client.
func (registration) GRPCClient(context.Context, *goplugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, errors.ErrUnsupported
}
