package admin

import (
	"cmp"
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/netutil"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
)

// SenderID is the sender that components see in messages of clients.
var SenderID = core.MustComponentID(core.HostNamespace + "/admin")

// Config are the settings of a server. Host is needed; each other field may be left out.
type Config struct {
	Host *host.Host
	// Manager makes changes. Without one components can be restarted and removed, and no
	// configuration can be applied.
	Manager Manager
	// Log has the lines and the levels of the program's log.
	Log *Log
	// Metrics answers GET /metrics.
	Metrics http.Handler
	// Name, File and Version describe the program.
	Name, File, Version string
	// Listen is the path of a Unix socket, or host:port.
	Listen string
	// Token is needed for host:port: clients must show it. At least [MinToken] characters.
	Token string
	// Logger gets requests that change something, and failures; slog.Default() if nil.
	Logger *slog.Logger
}

// MinToken is the least length of a token, in bytes.
const MinToken = 16

const (
	maxConnections = 256
	maxHeader      = 64 << 10
	readTime       = time.Minute // for a whole request to come
	idleTime       = 2 * time.Minute
)

// Server serves the API of a host. Its methods may be called from any goroutine.
type Server struct {
	config  Config
	caller  host.Caller
	log     *slog.Logger
	started time.Time
	mux     *http.ServeMux
	server  http.Server

	ending  context.Context // ends when streams must end
	end     context.CancelFunc
	streams atomic.Int64
	events  feed[Event]
	bounds  bounds
	work    sync.WaitGroup // the goroutines of the server

	mu       sync.Mutex // guards the following
	rates    rates
	listener net.Listener
	served   chan error // gets the end of the server
	cancel   func()     // ends the subscription
}

// New returns a server, which listens from Start on.
func New(c Config) (*Server, error) {
	caller, err := c.Host.As(SenderID)
	if err != nil {
		return nil, err
	}
	c.Logger = cmp.Or(c.Logger, slog.Default())
	s := &Server{config: c, caller: caller, log: c.Logger, started: time.Now()}
	s.events.stamp = func(e *Event, number, missed uint64) { e.Number, e.Missed = number, e.Missed+missed }
	s.ending, s.end = context.WithCancel(context.Background())
	s.mux = s.routes()
	s.server = http.Server{
		Handler: s.authorized(s.mux), MaxHeaderBytes: maxHeader,
		ReadTimeout: readTime, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: idleTime,
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	return s, nil
}

// Handler returns the API as a handler for a server of the program's own, which must keep
// strangers out. Events and rates are there between Start and Stop; Start listens only if
// [Config] Listen is set.
func (s *Server) Handler() http.Handler { return s.mux }

// Start listens and serves until Stop. The socket is for the user alone: its mode is 0600. One
// that a process has left behind is replaced; one where somebody answers is an error.
func (s *Server) Start(ctx context.Context) error {
	listener, err := s.listen(ctx)
	if err != nil {
		return fmt.Errorf("admin API: %w", err)
	}
	changes, cancel := s.config.Host.Subscribe(subscribed)
	s.work.Go(func() { s.takeEvents(changes) })
	s.work.Go(s.sampleRates)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cancel = cancel
	if listener == nil {
		return nil
	}
	s.listener, s.served = listener, make(chan error, 1)
	served := s.served
	go func() { served <- s.server.Serve(netutil.LimitListener(listener, maxConnections)) }()
	return nil
}

// sampleRates counts each second, until the server ends.
func (s *Server) sampleRates() {
	seconds := time.NewTicker(time.Second)
	defer seconds.Stop()
	for {
		all := s.config.Host.Components()
		s.mu.Lock()
		s.rates.sample(all)
		s.mu.Unlock()
		select {
		case <-seconds.C:
		case <-s.ending.Done():
			return
		}
	}
}

// Addr returns the address on which the server listens; nil before Start.
func (s *Server) Addr() net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener == nil {
		return nil
	}
	return s.listener.Addr()
}

// Stop ends streams, takes no request any more, and waits until those in progress have been
// answered, or until ctx ends. It removes the socket.
func (s *Server) Stop(ctx context.Context) error {
	s.end()
	s.mu.Lock()
	cancel, served, listener := s.cancel, s.served, s.listener
	s.cancel = nil
	s.mu.Unlock()
	if cancel != nil {
		cancel()
	}
	s.work.Wait()
	if served == nil {
		return nil
	}
	err := s.server.Shutdown(ctx)
	if err != nil {
		_ = s.server.Close()
	}
	end := <-served
	served <- end // for another Stop
	if !errors.Is(end, http.ErrServerClosed) {
		err = errors.Join(err, end)
	}
	if socket, ok := listener.(*socketListener); ok {
		socket.remove()
	}
	if err != nil {
		return fmt.Errorf("admin API: %w", err)
	}
	return nil
}

// authorized lets only clients through that show the token, if there is one. Health and metrics
// are for everybody.
func (s *Server) authorized(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		want := "Bearer " + s.config.Token
		if s.config.Token != "" && !public[r.URL.Path] && subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), []byte(want)) != 1 {
			w.Header().Set("WWW-Authenticate", `Bearer realm="airhost"`)
			writeError(w, &Error{Status: http.StatusUnauthorized, Code: CodeUnauthorized, Message: "the token is missing or wrong: send that of host.admin_token_file as Authorization: Bearer TOKEN"})
			return
		}
		next.ServeHTTP(w, r)
	})
}

// public are the paths that need no token.
var public = map[string]bool{"/livez": true, "/readyz": true, "/metrics": true}

// listen returns the listener of the configured address; nil without one.
func (s *Server) listen(ctx context.Context) (net.Listener, error) {
	switch address := s.config.Listen; {
	case address == "":
		return nil, nil
	case IsSocket(address):
		return listenSocket(ctx, address)
	case len(s.config.Token) < MinToken:
		return nil, fmt.Errorf("%s needs a token of at least %d characters: set host.admin_token_file", address, MinToken)
	default:
		return new(net.ListenConfig).Listen(ctx, "tcp", address)
	}
}

// ReadToken reads a file with a token: one line of at least [MinToken] characters without
// spaces. The file should be readable by its owner alone.
func ReadToken(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	token := strings.TrimSpace(string(text))
	switch {
	case len(token) < MinToken:
		return "", fmt.Errorf("%s: the token has %d characters, want at least %d: head -c 32 /dev/urandom | base64 > %s", path, len(token), MinToken, path)
	case !visible(token):
		return "", fmt.Errorf("%s: the token must be one word of visible ASCII characters", path)
	}
	return token, nil
}
