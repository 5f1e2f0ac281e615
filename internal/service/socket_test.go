package service

import (
	"errors"
	"net"
	"sync"
	"testing"
	"time"
)

// TestSocket: listeners that follow each other get each connection once; a connection that nobody
// takes is closed with the socket.
func TestSocket(t *testing.T) {
	s, err := listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	const each, rounds = 20, 50
	var clients sync.WaitGroup
	connect := func() {
		c, err := net.Dial("tcp", s.Addr().String())
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		if err := c.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Error(err)
		}
		if n, err := c.Read(make([]byte, 2)); n != 1 || err != nil {
			t.Errorf("a connection got %d bytes, %v", n, err)
		}
	}
	for range rounds {
		l := s.share()
		for range each {
			clients.Go(connect)
		}
		for range each {
			c, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.Write([]byte("x")); err != nil {
				t.Error(err)
			}
			c.Close()
		}
		l.Close()
		if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("a listener that was closed: %v", err)
		}
	}
	clients.Wait()
	lost, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer lost.Close()
	last := s.share()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := lost.Read(make([]byte, 1)); err == nil {
		t.Error("a connection that nobody took stays open")
	}
	if _, err := last.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after the end of the socket: %v", err)
	}
}
