package service

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"sync"
	"syscall"
	"time"
)

// socket listens for gateways that follow each other on one address. Its own goroutine takes the
// connections, so that none is refused between two gateways. A second descriptor of the socket
// would not do: net makes the socket blocking for a moment when it gives one out, and an Accept
// that begins in that moment does not end with the listener.
type socket struct {
	*net.TCPListener
	accepted chan accepted
	giveUp   chan struct{} // closed when nobody takes connections any more
	ended    chan struct{} // closed when no connection comes any more
}

// accepted is a result of Accept.
type accepted struct {
	connection net.Conn
	err        error
}

func listen(ctx context.Context, address string) (*socket, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("gateway: %w: stop the program that listens there, or change gateway.http.listen", err)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("gateway: %w: change gateway.http.listen to a port from 1024 on, or allow this user the one it has", err)
	case err != nil:
		return nil, fmt.Errorf("gateway: %w", err)
	}
	s := &socket{TCPListener: listener.(*net.TCPListener), accepted: make(chan accepted), giveUp: make(chan struct{}), ended: make(chan struct{})}
	go s.run()
	return s, nil
}

// run hands connections, and errors, to the gateways that accept, until the socket is closed.
func (s *socket) run() {
	defer close(s.ended)
	for {
		connection, err := s.TCPListener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		select {
		case s.accepted <- accepted{connection, err}:
		case <-s.giveUp:
			if connection != nil {
				_ = connection.Close() // its client has sent nothing that was read
			}
		}
	}
}

// handOver is how long Close waits for a gateway to take the last connection.
const handOver = time.Second

// Close lets no connection come any more. The last one goes to a gateway that still accepts.
func (s *socket) Close() error {
	err := s.TCPListener.Close()
	patience := time.NewTimer(handOver)
	defer patience.Stop()
	select {
	case <-s.ended:
	case <-patience.C:
		close(s.giveUp)
		<-s.ended
	}
	return err
}

// share returns a listener for one gateway. To close it closes the socket for no other.
func (s *socket) share() net.Listener {
	l := &share{socket: s, closed: make(chan struct{})}
	l.close = sync.OnceFunc(func() { close(l.closed) })
	return l
}

// share is a gateway's listener on a socket.
type share struct {
	socket *socket
	closed chan struct{}
	close  func()
}

func (l *share) Accept() (net.Conn, error) {
	select {
	case <-l.closed: // before connections, which are for the next gateway
		return nil, net.ErrClosed
	default:
	}
	select {
	case a := <-l.socket.accepted:
		return a.connection, a.err
	case <-l.closed:
	case <-l.socket.ended:
	}
	return nil, net.ErrClosed
}

func (l *share) Close() error {
	l.close()
	return nil
}

func (l *share) Addr() net.Addr { return l.socket.Addr() }
