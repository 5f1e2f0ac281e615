// Package httpout sends requests of components to the web, as [host.Config].HTTP. It sends those that the
// rules of a component grant, to addresses that anybody can reach, and bounds all that comes back.
//
// A request is checked as it is sent: its URL is parsed once, and has one form only
// ([core.ParseHTTPTarget]). Addresses are checked after a name has been resolved, and
// the connection is made to just these addresses. Redirects are requests like any others.
// There is no proxy, no cookie and no cache.
package httpout

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/netip"
	"os"
	"time"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
)

// Config are the settings of a client. The zero value is ready to use.
type Config struct {
	// Allow are addresses that may be reached beside the public ones, by any rule that names
	// their host. A rule with an address, or with localhost, allows these without it.
	Allow []netip.Prefix
	// CAFile, if not empty, is a file with certificates of further authorities in PEM, which are
	// trusted beside those of the system. New reads it.
	CAFile string
	// Timeout is how long a request may take with its redirects and its response, 10 s by
	// default. The time of the component's call may end it earlier.
	Timeout time.Duration
	// MaxBody is the largest body of a request and of a response in bytes, 1 MiB by default.
	// A body that is compressed is counted, and handed over, as it is.
	MaxBody int64
	// Redirects is how many redirects of a request are followed: 10 by default, at most
	// 20, and -1 for none: a component then gets the response with the redirect.
	Redirects int
	// MaxConnections is how many connections there may be, idle ones included: 256 by default.
	// MaxConnectionsPerHost is how many to the same host and port: 64 by default. A request waits
	// for a connection within its time.
	MaxConnections        int
	MaxConnectionsPerHost int
	// Resolver looks names up; [net.DefaultResolver] if nil.
	Resolver Resolver
}

// Resolver looks the addresses of a name up, as [net.Resolver] does.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

const (
	maxHeader    = 64 << 10         // of a request and of a response, in bytes
	connectTime  = 10 * time.Second // for a connection, names and TLS beside
	idleTime     = 30 * time.Second // of a connection
	maxRedirects = 20
)

// Client sends requests. Its methods may be called from any goroutine.
type Client struct {
	config    Config
	transport *http.Transport
	places    chan struct{} // one for each connection
	closing   context.Context
	close     context.CancelFunc
}

var _ host.HTTPClient = (*Client)(nil)

// New makes a client. It connects nothing.
func New(c Config) (*Client, error) {
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("httpout: %w", err)
	}
	roots, err := c.roots()
	if err != nil {
		return nil, fmt.Errorf("httpout: %w", err)
	}
	client := &Client{config: c, places: make(chan struct{}, c.MaxConnections)}
	client.closing, client.close = context.WithCancel(context.Background())
	client.transport = &http.Transport{
		DialContext:            client.dial,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
		TLSHandshakeTimeout:    connectTime,
		DisableCompression:     true,
		MaxIdleConns:           c.MaxConnections,
		MaxIdleConnsPerHost:    c.MaxConnectionsPerHost,
		MaxConnsPerHost:        c.MaxConnectionsPerHost,
		IdleConnTimeout:        idleTime,
		MaxResponseHeaderBytes: maxHeader,
	}
	return client, nil
}

// check checks the configuration and sets its defaults.
func (c *Config) check() error {
	for _, p := range c.Allow {
		if !p.IsValid() || p.Addr().Zone() != "" || p.Addr().Is4In6() {
			return fmt.Errorf("the range %s of Allow is none: write it like 10.0.0.0/8 or fd00::/8", p)
		}
	}
	if c.Redirects < -1 {
		return fmt.Errorf("the Redirects are %d, want -1 to %d: %w", c.Redirects, maxRedirects, core.ErrOutOfRange)
	}
	for _, err := range []error{
		core.CheckTime("Timeout", c.Timeout, time.Millisecond, 24*time.Hour),
		core.CheckCount("MaxBody", c.MaxBody, 1, 1<<30),
		core.CheckCount("Redirects", int64(max(0, c.Redirects)), 1, maxRedirects),
		core.CheckCount("MaxConnections", int64(c.MaxConnections), 1, math.MaxUint16),
		core.CheckCount("MaxConnectionsPerHost", int64(c.MaxConnectionsPerHost), 1, math.MaxUint16),
	} {
		if err != nil {
			return err
		}
	}
	orDefault(&c.Timeout, 10*time.Second)
	orDefault(&c.MaxBody, 1<<20)
	orDefault(&c.Redirects, 10)
	orDefault(&c.MaxConnections, 256)
	orDefault(&c.MaxConnectionsPerHost, 64)
	if c.Resolver == nil {
		c.Resolver = net.DefaultResolver
	}
	return nil
}

func orDefault[T int | int64 | time.Duration](value *T, fallback T) {
	if *value == 0 {
		*value = fallback
	}
}

// roots returns the authorities of the system with those of the file, or nil for those of the
// system alone.
func (c *Config) roots() (*x509.CertPool, error) {
	if c.CAFile == "" {
		return nil, nil
	}
	text, err := os.ReadFile(c.CAFile)
	if err != nil {
		return nil, err
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool() // a system without any
	}
	if !roots.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s has no certificate in PEM", c.CAFile)
	}
	return roots, nil
}

// Close closes all connections that are idle, and breaks off those that are being made. It comes
// after the last request.
func (c *Client) Close() error {
	c.close()
	c.transport.CloseIdleConnections()
	return nil
}

var errClosed = errors.New("the client is closed")
