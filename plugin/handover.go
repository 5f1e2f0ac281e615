package plugin

import (
	"net"
	"sync"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/airhost/airhost/internal/spawn"
)

// handover hands the connections that one server accepts to another: it is the
// credentials of the one and the listener of the other. go-plugin makes the
// listener and the credentials, and shows neither; this is how a connection can
// be made attentive below them.
type handover struct {
	credentials.TransportCredentials
	conns  chan net.Conn
	closed chan struct{}
	close  func()
}

var (
	_ credentials.TransportCredentials = (*handover)(nil)
	_ net.Listener                     = (*handover)(nil)
)

func newHandover() *handover {
	h := &handover{TransportCredentials: insecure.NewCredentials(), conns: make(chan net.Conn), closed: make(chan struct{})}
	h.close = sync.OnceFunc(func() { close(h.closed) })
	return h
}

// ServerHandshake hands conn over.
func (h *handover) ServerHandshake(conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	select {
	case h.conns <- spawn.BusyPoll(conn):
		return nil, nil, credentials.ErrConnDispatched
	case <-h.closed:
		return nil, nil, net.ErrClosed
	}
}

// Clone returns h: the other server has but this one.
func (h *handover) Clone() credentials.TransportCredentials { return h }

func (h *handover) Accept() (net.Conn, error) {
	select {
	case conn := <-h.conns:
		return conn, nil
	case <-h.closed:
		return nil, net.ErrClosed
	}
}

func (h *handover) Close() error {
	h.close()
	return nil
}

func (h *handover) Addr() net.Addr { return &net.UnixAddr{Name: "handover", Net: "unix"} }
