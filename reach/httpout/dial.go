package httpout

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"github.com/airhost/airhost/core"
)

// maxAddresses is how many addresses of a name are tried.
const maxAddresses = 8

// requestKey is the key of a request's own context. The transport lets a connection be made for
// later ones when its request has ended: a guest could begin any number.
type requestKey struct{}

// dial connects to a host. It takes a place, which the connection gives back.
func (c *Client) dial(ctx context.Context, _, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTime)
	defer cancel()
	defer context.AfterFunc(c.closing, cancel)()
	if request, ok := ctx.Value(requestKey{}).(context.Context); ok {
		defer context.AfterFunc(request, cancel)()
	}
	if c.closing.Err() != nil {
		return nil, errClosed
	}
	if err := c.takePlace(ctx); err != nil {
		return nil, err
	}
	conn, err := c.connect(ctx, address)
	if err != nil {
		<-c.places
		return nil, err
	}
	return &placed{Conn: conn, places: c.places}, nil
}

// lookAgain is how often a request that waits for a place closes the connections that are idle by then.
const lookAgain = 20 * time.Millisecond

// takePlace waits for a place. Idle connections give theirs up, those included that become idle
// while it waits.
func (c *Client) takePlace(ctx context.Context) error {
	select {
	case c.places <- struct{}{}:
		return nil
	default:
	}
	again := time.NewTicker(lookAgain)
	defer again.Stop()
	for {
		c.transport.CloseIdleConnections()
		select {
		case c.places <- struct{}{}:
			return nil
		case <-again.C:
		case <-ctx.Done():
			return &core.HTTPError{Code: core.HTTPConnectionLimitReached, Text: fmt.Sprintf("http.max_connections: %d are in use", cap(c.places))}
		}
	}
}

// placed is a connection with its place.
type placed struct {
	net.Conn
	places chan struct{}
	once   sync.Once
}

// Close implements [net.Conn].
func (p *placed) Close() error {
	err := p.Conn.Close()
	p.once.Do(func() { <-p.places })
	return err
}

// connect connects to one of a host's addresses, if all of them are permitted.
func (c *Client) connect(ctx context.Context, address string) (conn net.Conn, err error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	addresses, err := c.resolve(ctx, host)
	if err != nil {
		return nil, err
	}
	for _, a := range addresses[:min(len(addresses), maxAddresses)] {
		if conn, err = connectTo(ctx, net.JoinHostPort(a.String(), port)); err == nil || ctx.Err() != nil {
			break
		}
	}
	return conn, err
}

// resolve returns the addresses of a host. That one of them is permitted is not enough: the next
// attempt would take another one.
func (c *Client) resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a}, nil // a rule has named just this address
	}
	addresses, err := c.config.Resolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, err
	}
	for i, a := range addresses {
		addresses[i] = a.Unmap() // the resolver of Go has IPv4 in this form, too
		if err := c.permits(host, addresses[i]); err != nil {
			return nil, err
		}
	}
	if len(addresses) == 0 {
		return nil, &net.DNSError{Err: "no addresses", Name: host, IsNotFound: true}
	}
	return addresses, nil
}

// connectTo connects to an address, and to no other one.
func connectTo(ctx context.Context, address string) (net.Conn, error) {
	dialer := net.Dialer{Timeout: connectTime, Control: func(_, actual string, _ syscall.RawConn) error {
		if actual != address {
			return &core.HTTPError{Code: core.HTTPDestinationProhibited, Text: "the address has changed to " + actual}
		}
		return nil
	}}
	return dialer.DialContext(ctx, "tcp", address)
}
