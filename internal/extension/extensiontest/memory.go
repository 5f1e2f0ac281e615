// Package extensiontest supports the tests of extensions: with simulated processes,
// and with the test's own executable as a process.
package extensiontest

import (
	"context"
	"net"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/airhost/airhost/internal/extension"
	"github.com/airhost/airhost/internal/spawn"
)

// memory simulates a process by a server behind an in-memory connection.
type memory struct {
	conn    *grpc.ClientConn
	server  *grpc.Server
	serving sync.WaitGroup
}

// InMemory returns a function that starts simulated processes. register adds the
// services of each process.
func InMemory(register func(grpc.ServiceRegistrar), options ...grpc.ServerOption) func(context.Context) (extension.Process, error) {
	return func(context.Context) (extension.Process, error) {
		listener := bufconn.Listen(1 << 20)
		p := &memory{server: grpc.NewServer(append(options, grpc.MaxRecvMsgSize(extension.MaxFrame))...)}
		register(p.server)
		p.serving.Go(func() { _ = p.server.Serve(listener) })
		dial := func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }
		var err error
		p.conn, err = grpc.NewClient("passthrough:///memory", grpc.WithContextDialer(dial),
			grpc.WithTransportCredentials(insecure.NewCredentials()))
		return p, err
	}
}

func (p *memory) Conn() *grpc.ClientConn { return p.conn }

func (p *memory) Exit() *spawn.ExitError { return &spawn.ExitError{Status: "exit status 0"} }

func (p *memory) Close(context.Context) error {
	err := p.conn.Close()
	p.server.Stop()
	p.serving.Wait()
	return err
}
