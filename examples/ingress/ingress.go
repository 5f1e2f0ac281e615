// Package ingress is a component with a way in of its own: an HTTP server that makes a request
// to another component of each HTTP request. It runs as a process only, since its goroutines
// send while no method of the component runs.
package ingress

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/airhost/airhost/guest"
	"github.com/airhost/airhost/plugin"
)

const (
	// maxBody is the largest body in bytes.
	maxBody = 1 << 20
	// drainTime is how long HTTP requests have to end at the end of the component.
	drainTime = 100 * time.Millisecond
)

// Component is the ingress. Its configuration has "listen", the address, and "to", the id of
// the component that gets the requests.
type Component struct {
	plugin.Requests // gives each request its outcome

	host   guest.Host
	to     string
	server *http.Server
	ending context.Context // ends with the component
	end    context.CancelFunc
}

// New returns an ingress.
func New() guest.Component {
	c := new(Component)
	c.ending, c.end = context.WithCancel(context.Background())
	return c
}

// Initialize begins to listen.
func (c *Component) Initialize(host guest.Host, config guest.Config) error {
	address, _ := config.Get("listen")
	c.host = host
	if c.to, _ = config.Get("to"); c.to == "" || address == "" {
		return guest.Failed("the configuration needs listen, an address, and to, a component's id")
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return guest.Failed("%v", err)
	}
	c.server = &http.Server{Handler: c, ReadTimeout: 10 * time.Second, WriteTimeout: time.Minute}
	go func() { _ = c.server.Serve(listener) }() // until Shutdown
	guest.Logf(host, guest.LogInfo, "listening on http://%s", listener.Addr())
	return nil
}

// ServeHTTP answers an HTTP request, on a goroutine of the server.
func (c *Component) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
		return
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(c.ending, cancel)()
	response, err := c.Do(ctx, c.host, c.to, body, 0)
	if err != nil {
		http.Error(w, err.Error(), status(err))
		return
	}
	_, _ = w.Write(response) // the client may be gone
}

// status returns the status for a request without a response.
func status(err error) int {
	switch {
	case errors.Is(err, guest.ErrTimeout):
		return http.StatusGatewayTimeout
	case errors.Is(err, guest.ErrQueueFull), errors.Is(err, guest.ErrQuotaExceeded):
		return http.StatusTooManyRequests
	case errors.Is(err, guest.ErrUnavailable), errors.Is(err, context.Canceled):
		return http.StatusServiceUnavailable
	}
	return http.StatusBadGateway
}

// HandleMessage refuses all messages.
func (c *Component) HandleMessage(guest.Host, string, []byte) ([]byte, error) {
	return nil, guest.InvalidMessage("an ingress takes no messages")
}

// Shutdown ends the server. Requests without a response get the status 503.
func (c *Component) Shutdown(guest.Host) {
	c.end()
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	_ = c.server.Shutdown(ctx) // those that have not ended by then end with the process
}
