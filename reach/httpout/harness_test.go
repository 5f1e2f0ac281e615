package httpout_test

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/reach/httpout"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// resolver has the addresses of names. Each lookup takes the next set of a name, and the last
// one again and again.
type resolver struct {
	mu    sync.Mutex
	names map[string][]string
	asked int
}

// LookupNetIP implements [httpout.Resolver].
func (r *resolver) LookupNetIP(_ context.Context, _, host string) (all []netip.Addr, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked++
	sets := r.names[host]
	if len(sets) == 0 {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	if len(sets) > 1 {
		r.names[host] = sets[1:]
	}
	for text := range strings.FieldsSeq(sets[0]) {
		all = append(all, netip.MustParseAddr(text))
	}
	return all, nil
}

// local resolves names to this machine.
func local(names ...string) *resolver {
	r := &resolver{names: make(map[string][]string)}
	for _, name := range names {
		r.names[name] = []string{"127.0.0.1"}
	}
	return r
}

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}

func newClient(t testing.TB, c httpout.Config) *httpout.Client {
	t.Helper()
	client, err := httpout.New(c)
	check(t, err)
	t.Cleanup(func() { check(t, client.Close()) })
	return client
}

// serve starts a server, and returns its port.
func serve(t testing.TB, handler http.HandlerFunc) (port string) {
	t.Helper()
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	_, port, _ = net.SplitHostPort(s.Listener.Addr().String())
	return port
}

// raw starts a server that answers each connection with a text.
func raw(t testing.TB, answer string) (port string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
				_, _ = conn.Read(make([]byte, 4096))
				_, _ = io.WriteString(conn, answer)
				_ = conn.Close()
			})
		}
	})
	t.Cleanup(func() { _ = l.Close(); running.Wait() })
	_, port, _ = net.SplitHostPort(l.Addr().String())
	return port
}

func echo(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	w.Header().Set("X-Method", r.Method)
	_, _ = io.WriteString(w, r.Host+r.RequestURI+" "+string(body))
}

func rules(t testing.TB, all ...string) (rs core.HTTPRules) {
	t.Helper()
	for _, text := range all {
		r, err := core.ParseHTTPRule(text)
		check(t, err)
		rs = append(rs, r)
	}
	return rs
}

// do sends a request.
func do(t testing.TB, c *httpout.Client, rs core.HTTPRules, r core.HTTPRequest) (*core.HTTPResponse, error) {
	t.Helper()
	send, err := c.Prepare(&r, rs)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	return send(ctx)
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// refused checks that an error has a code, and a text.
func refused(t testing.TB, what string, err error, code core.HTTPErrorCode, text string) {
	t.Helper()
	var e *core.HTTPError
	if !errors.As(err, &e) || e.Code != code || !strings.Contains(e.Text, text) {
		t.Errorf("%s: got %v, want %s with %q", what, err, code, text)
	}
}

// quiet is the log of servers with clients that are expected to go away.
func quiet() *log.Logger { return log.New(io.Discard, "", 0) }
