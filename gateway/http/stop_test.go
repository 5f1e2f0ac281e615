package http_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/airhost/airhost/core"
	gateway "github.com/airhost/airhost/gateway/http"
)

// TestStopAnswersAll stops gateways while clients come: each request over a connection that was
// made gets its answer.
func TestStopAnswersAll(t *testing.T) {
	for range 30 {
		s := start(t, gateway.Config{Routes: []gateway.Route{{Path: "/", Target: core.MustComponentID("a/echo")}}})
		s.deploy(t, "a/echo", func(_ string, message []byte) ([]byte, error) { return message, nil })
		var clients sync.WaitGroup
		var once sync.Once
		some := make(chan struct{})
		for range 4 {
			clients.Go(func() {
				for s.answers(t) {
					once.Do(func() { close(some) })
				}
			})
		}
		<-some
		check(t, s.Stop(t.Context()))
		clients.Wait()
		if n := s.Connections(); n > 0 {
			t.Errorf("%d connections are left", n)
		}
	}
}

// answers sends a request over a connection of its own. It returns false if no connection can be
// made any more.
func (s *site) answers(t *testing.T) bool {
	transport := &http.Transport{DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url, strings.NewReader("x"))
	check(t, err)
	response, err := transport.RoundTrip(request)
	var dial *net.OpError
	switch {
	case errors.As(err, &dial) && dial.Op == "dial" || errors.Is(err, syscall.ECONNRESET):
		return false // also a connection that the system made and nobody took
	case err != nil:
		t.Errorf("a request without an answer: %v", err)
		return false
	}
	defer response.Body.Close()
	return response.StatusCode == http.StatusOK
}

// TestRetire: a gateway that has retired answers on the connections that it has, and they end.
func TestRetire(t *testing.T) {
	s := start(t, gateway.Config{Routes: []gateway.Route{{Path: "/", Target: core.MustComponentID("a/echo")}}})
	s.deploy(t, "a/echo", func(_ string, message []byte) ([]byte, error) { return message, nil })
	client := &http.Client{Transport: &http.Transport{}}
	for i, ends := range []bool{false, true} {
		response, err := client.Post(s.url, "", strings.NewReader("x"))
		check(t, err)
		_, err = io.Copy(io.Discard, response.Body) // or the client closes the connection
		check(t, errors.Join(err, response.Body.Close()))
		if response.StatusCode != http.StatusOK || response.Close != ends {
			t.Errorf("answer %d: %s, the connection ends: %v", i, response.Status, response.Close)
		}
		s.Retire()
	}
	if _, err := client.Post(s.url, "", strings.NewReader("x")); err == nil {
		t.Error("a gateway that has retired takes a connection")
	}
	check(t, s.Stop(t.Context()))
}
