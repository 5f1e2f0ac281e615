package admin

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path"
	"sync"
	"time"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
)

// SenderID is the sender that components see in messages of clients.
var SenderID = core.MustComponentID(core.HostNamespace + "/admin")

const (
	maxHeader  = 16 << 10 // bytes
	headerTime = 10 * time.Second
	idleTime   = 2 * time.Minute
)

// Server serves the API of a host. Its methods may be called from any goroutine.
type Server struct {
	config  Config
	caller  host.Caller
	log     *slog.Logger
	started time.Time
	token   [sha256.Size]byte // its digest
	mux     *http.ServeMux
	server  http.Server
	events  feed[Event]
	behind  chan chan struct{} // a send asks for the events to catch up; the channel is closed when they have
	rates   rates
	cluster cluster

	description []byte // of the API

	streams, messages, changes, bytes room // bytes are those of messages

	ending context.Context // ends with the first Stop: streams must end then
	end    context.CancelFunc
	giveUp context.CancelFunc // ends the requests that Stop does not wait for any more
	gaveUp context.Context
	work   sync.WaitGroup // the goroutines of the server
	inside sync.WaitGroup // requests in progress

	mu       sync.Mutex // guards the following
	begun    bool       // Start was called
	stopped  bool       // Stop was called
	listener *listener
	served   chan error // gets the end of the HTTP server
}

// New returns a server, which listens from Start on.
func New(c Config) (*Server, error) {
	if err := c.normalize(); err != nil {
		return nil, fmt.Errorf("admin API: %w", err)
	}
	caller, err := c.Host.As(SenderID)
	if err != nil {
		return nil, err
	}
	s := &Server{
		config: c, caller: caller, log: c.Logger, started: time.Now(), token: sha256.Sum256([]byte("Bearer " + c.Token)),
		description: OpenAPI(), behind: make(chan chan struct{}),
	}
	s.streams.most, s.messages.most, s.changes.most, s.bytes.most = c.MaxStreams, c.MaxRequests, c.MaxRequests, c.MaxMessageBytes
	s.cluster.views.most = mostViews
	s.events.stamp = func(e *Event, number, missed uint64) { e.Number, e.Missed = number, e.Missed+missed }
	s.ending, s.end = context.WithCancel(context.Background())
	s.gaveUp, s.giveUp = context.WithCancel(context.Background())
	s.mux = s.routes()
	s.server = http.Server{
		Handler: s.Handler(), MaxHeaderBytes: maxHeader,
		ReadTimeout: c.ReadTimeout, ReadHeaderTimeout: min(headerTime, c.ReadTimeout), IdleTimeout: idleTime,
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	return s, nil
}

// Handler returns the API as a handler for a server of the program's own, which must keep
// strangers out if there is no Token. Events and rates are there between Start and Stop; Start
// listens only if [Config] Listen is set.
func (s *Server) Handler() http.Handler { return http.HandlerFunc(s.serve) }

// Start listens and serves until Stop. The socket is for the user alone: its mode is 0600. One
// that a process has left behind is replaced; one where somebody answers is an error. A server is
// started once.
func (s *Server) Start(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.begun || s.stopped {
		return errors.New("admin API: the server was started or stopped before")
	}
	listener, err := s.listen(ctx)
	if err != nil {
		return fmt.Errorf("admin API: %w", err)
	}
	s.begun = true
	changes, cancel := s.config.Host.Subscribe(subscribed)
	context.AfterFunc(s.ending, cancel)
	s.work.Go(func() { s.takeEvents(changes) })
	s.work.Go(s.sampleRates)
	s.config.Host.AnswerCluster(s.answerCluster)
	if listener == nil {
		return nil
	}
	s.listener, s.served = listener, make(chan error, 1)
	go func() { s.served <- s.server.Serve(listener) }()
	return nil
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

// Stop removes the socket, ends streams with an event "end", takes no request any more, and waits
// until those in progress have been answered. If ctx ends before, they are canceled, and Stop
// returns ctx's error.
func (s *Server) Stop(ctx context.Context) error {
	s.mu.Lock()
	if s.stopped = true; s.listener != nil && s.ending.Err() == nil {
		s.listener.remove() // while nobody can take it for one that was left behind
	}
	s.end()
	if s.begun {
		s.config.Host.AnswerCluster(nil)
	}
	served, listener := s.served, s.listener
	s.mu.Unlock()
	s.work.Wait()
	var err error
	if served != nil {
		err = s.server.Shutdown(ctx)
	}
	if err = errors.Join(err, s.drain(ctx)); err != nil {
		_ = s.server.Close() // its connections are of no use any more
		err = ctx.Err()
	}
	s.giveUp()
	if served != nil {
		end := <-served
		served <- end // for another Stop
		listener.refusals.Wait()
		if !errors.Is(end, http.ErrServerClosed) {
			err = errors.Join(err, end)
		}
	}
	if err != nil {
		return fmt.Errorf("admin API: %w", err)
	}
	return nil
}

// drain waits until no request is in progress, or ctx ends.
func (s *Server) drain(ctx context.Context) error {
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.inside.Wait()
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// enter counts a request in progress, unless the server has stopped. The caller must call Done.
func (s *Server) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return false
	}
	s.inside.Add(1)
	return true
}

// serve answers a request.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	if !s.enter() {
		s.refuse(w, &Error{Status: http.StatusServiceUnavailable, Code: CodeStopping, Message: "the host is stopping"})
		return
	}
	defer s.inside.Done()
	if !public[r.URL.Path] && !s.authorized(r) {
		w.Header().Set("WWW-Authenticate", `Bearer realm="airhost"`)
		s.refuse(w, &Error{Status: http.StatusUnauthorized, Code: CodeUnauthorized, Message: "the token is missing or wrong: send that of host.admin_token_file as Authorization: Bearer TOKEN"})
		return
	}
	if asked := r.URL.EscapedPath(); asked != "/" && asked != path.Clean("/"+asked) {
		s.refuse(w, nothingAt(r)) // a redirection would lose a body
		return
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(s.gaveUp, cancel)()
	s.mux.ServeHTTP(w, r.WithContext(ctx))
}

// refuse answers a request that is looked at no further. Its connection ends with it.
func (s *Server) refuse(w http.ResponseWriter, e *Error) {
	w.Header().Set("Connection", "close")
	s.writeError(w, e)
}

// authorized reports whether a request shows the token, if there is one. It compares digests,
// so that the time that it takes tells nothing, not even a length.
func (s *Server) authorized(r *http.Request) bool {
	if s.config.Token == "" {
		return true
	}
	got := sha256.Sum256([]byte(r.Header.Get("Authorization")))
	return subtle.ConstantTimeCompare(got[:], s.token[:]) == 1
}

// public are the paths that need no token.
var public = map[string]bool{"/livez": true, "/readyz": true, "/metrics": true}

// listen returns the listener of the configured address; nil without one.
func (s *Server) listen(ctx context.Context) (l *listener, err error) {
	c := s.config
	switch {
	case c.Listen == "":
		return nil, nil
	case c.Token != "" && (len(c.Token) < MinToken || !visible(c.Token)):
		return nil, fmt.Errorf("a token needs at least %d visible ASCII characters: change host.admin_token_file", MinToken)
	case IsSocket(c.Listen):
		l, err = listenSocket(ctx, c.Listen)
	case c.Token == "":
		return nil, fmt.Errorf("%s needs a token of at least %d characters: set host.admin_token_file", c.Listen, MinToken)
	default:
		l = new(listener)
		l.Listener, err = new(net.ListenConfig).Listen(ctx, "tcp", c.Listen)
	}
	if err != nil {
		return nil, err
	}
	l.connections.most, l.refusing.most = c.MaxConnections, maxRefusals
	return l, nil
}
