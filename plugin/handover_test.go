package plugin

import (
	"errors"
	"net"
	"testing"

	"google.golang.org/grpc/credentials"
)

func TestHandover(t *testing.T) {
	h := newHandover()
	given, other := net.Pipe()
	defer given.Close()
	defer other.Close()
	handed := make(chan error, 1)
	go func() {
		_, _, err := h.ServerHandshake(given)
		handed <- err
	}()
	if conn, err := h.Accept(); conn != given || err != nil {
		t.Errorf("Accept = %v, %v", conn, err)
	}
	if err := <-handed; err != credentials.ErrConnDispatched {
		t.Errorf("the acceptor is told %v, and would close it", err)
	}
	for range 2 {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, _, err := h.ServerHandshake(given); !errors.Is(err, net.ErrClosed) {
		t.Errorf("ServerHandshake after Close: %v", err)
	}
	if _, err := h.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept after Close: %v", err)
	}
}
