package plugin

import (
	"net"
	"sync"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/airhost/airhost/internal/spawn"
)

// handover passes the connections that one server accepts to another server: it is the
// credentials of the first and the listener of the second. go-plugin makes its own
// listener and credentials and exports neither. With handover, a connection can be
// made attentive below them.
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

// ServerHandshake passes conn to the other server.
func (h *handover) ServerHandshake(conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	select {
	case h.conns <- spawn.BusyPoll(conn):
		return nil, nil, credentials.ErrConnDispatched
	case <-h.closed:
		return nil, nil, net.ErrClosed
	}
}

// Clone returns h: the other server has only this listener.
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
