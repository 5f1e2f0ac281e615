// Package http lets HTTP requests in: each route passes the bodies of its requests to a
// component, and answers with the component's response. Components see the sender
// airhost/gateway.
package http

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/netutil"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
)

// SenderID is the sender that components see.
var SenderID = core.MustComponentID(core.HostNamespace + "/gateway")

// Config are the settings of a gateway. A zero field stands for its default.
type Config struct {
	// Listen is the address, as for [net.Listen] with tcp: host:port. Port 0 is any free one.
	Listen string
	// Listener, if not nil, is used in place of Listen. The gateway closes it.
	Listener net.Listener
	// Certificate and Key are PEM files. With them the gateway speaks HTTPS, HTTP/2 included;
	// without, HTTP/1.1 and HTTP/2 with prior knowledge.
	Certificate, Key string

	Routes []Route

	MaxBody   int // of a request, in bytes; 1 MiB by default, 1 GiB at most
	MaxHeader int // of a request, in bytes, from 1 KiB to 1 MiB; 64 KiB by default
	// MaxConnections is how many connections there are at the same time; more wait until one
	// is closed. It is also how many requests are handled at the same time, of which HTTP/2
	// has several in a connection; more get 503. 1,000 by default.
	MaxConnections int
	ReadTimeout    time.Duration // for a whole request to come; 10 s by default
	WriteTimeout   time.Duration // for a response to leave; 10 s by default
	IdleTimeout    time.Duration // between two requests of a connection; 1 minute by default

	// Logger gets the failures of connections and of components; slog.Default() if nil.
	Logger *slog.Logger
}

// Gateway is an HTTP server in front of a host. Its methods may be called from any goroutine.
type Gateway struct {
	caller host.Caller
	config Config
	log    *slog.Logger
	routes atomic.Pointer[http.ServeMux]
	server http.Server
	buffer sync.Pool    // of *[]byte
	inside atomic.Int64 // requests in progress
	pair   atomic.Pointer[tls.Certificate]

	retired atomic.Bool // connections end with their next response
	open    open

	mu       sync.Mutex // guards the following
	listener net.Listener
	served   chan error // gets the end of the server
}

// New checks the settings and returns a gateway, which listens from Start on.
func New(h *host.Host, config Config) (*Gateway, error) {
	if err := config.normalize(); err != nil {
		return nil, fmt.Errorf("gateway: %w", err)
	}
	caller, err := h.As(SenderID)
	if err != nil {
		return nil, err
	}
	g := &Gateway{caller: caller, config: config, log: config.Logger}
	g.buffer.New = func() any { return new([]byte) }
	if err := g.SetRoutes(config.Routes); err != nil {
		return nil, err
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(config.Certificate == "")
	g.server = http.Server{
		Handler: g, Protocols: protocols, MaxHeaderBytes: config.MaxHeader,
		ReadTimeout: config.ReadTimeout, ReadHeaderTimeout: config.ReadTimeout, IdleTimeout: config.IdleTimeout,
		ErrorLog: slog.NewLogLogger(g.log.Handler(), slog.LevelDebug), ConnState: g.open.note,
	}
	return g, nil
}

func (c *Config) normalize() error {
	if (c.Certificate == "") != (c.Key == "") {
		return errors.New("a certificate needs a key, and a key a certificate")
	}
	err := cmp.Or(
		core.CheckCount("max_body", int64(c.MaxBody), 1, 1<<30),
		core.CheckCount("max_header", int64(c.MaxHeader), 1<<10, 1<<20),
		core.CheckCount("max_connections", int64(c.MaxConnections), 1, 1e6),
		core.CheckTime("read_timeout", c.ReadTimeout, time.Millisecond, time.Hour),
		core.CheckTime("write_timeout", c.WriteTimeout, time.Millisecond, time.Hour),
		core.CheckTime("idle_timeout", c.IdleTimeout, time.Millisecond, 24*time.Hour),
	)
	c.MaxBody, c.MaxHeader, c.MaxConnections = cmp.Or(c.MaxBody, 1<<20), cmp.Or(c.MaxHeader, 64<<10), cmp.Or(c.MaxConnections, 1000)
	c.ReadTimeout, c.WriteTimeout = cmp.Or(c.ReadTimeout, 10*time.Second), cmp.Or(c.WriteTimeout, 10*time.Second)
	c.IdleTimeout = cmp.Or(c.IdleTimeout, time.Minute)
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return err
}

// Start listens and serves until Stop. It returns an error if it cannot listen, or cannot read
// the certificate.
func (g *Gateway) Start(ctx context.Context) error {
	var settings *tls.Config
	if g.config.Certificate != "" {
		if err := g.ReloadCertificate(); err != nil {
			return err
		}
		settings = &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return g.pair.Load(), nil }, MinVersion: tls.VersionTLS12}
	}
	listener := g.config.Listener
	if listener == nil {
		var err error
		if listener, err = new(net.ListenConfig).Listen(ctx, "tcp", g.config.Listen); err != nil {
			return fmt.Errorf("gateway: %w", err)
		}
	}
	listener = netutil.LimitListener(listener, g.config.MaxConnections)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.listener, g.served = listener, make(chan error, 1)
	g.server.TLSConfig = settings
	served := g.served
	go func() {
		if settings != nil {
			served <- g.server.ServeTLS(listener, "", "")
			return
		}
		served <- g.server.Serve(listener)
	}()
	return nil
}

// ReloadCertificate reads the certificate and its key again. Connections that begin later get
// it. After an error they get the one before.
func (g *Gateway) ReloadCertificate() error {
	pair, err := tls.LoadX509KeyPair(g.config.Certificate, g.config.Key)
	if err != nil {
		return fmt.Errorf("gateway: %w", err)
	}
	g.pair.Store(&pair)
	return nil
}

// Addr returns the address on which the gateway listens; nil before Start.
func (g *Gateway) Addr() net.Addr {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.listener == nil {
		return nil
	}
	return g.listener.Addr()
}
