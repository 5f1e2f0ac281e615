package sandbox

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/airhost/airhost/core"
)

// Serving is an instance of an engine whose guest handles requests of HTTP: see [State.HandleHTTP].
type Serving interface {
	core.StateKeeper
	core.Sizer
	HandleHTTP(message []byte, response *[]byte) error
	LeftBehind() bool
}

// Server is a [core.Instance] of a guest that handles requests of HTTP. Many such guests are built
// for hosts where an instance has one request, and leave its resources behind: then the next
// request gets another instance, with the same configuration. A guest that exports
// component-state keeps its instance.
type Server struct {
	fresh       func(starting func(core.Instance)) (Serving, error)
	config      []core.ConfigPair
	keepsState  bool
	over        error // why there is no instance any more, or nil
	interrupted atomic.Bool

	mu       sync.Mutex    // guards the following for the methods that any goroutine may call
	current  Serving       // nil while the next one starts
	starting core.Instance // its start functions run; or nil
}

var (
	_ core.StateKeeper = (*Server)(nil)
	_ core.Sizer       = (*Server)(nil)
)

// NewServer returns a server whose first instance is this one. fresh makes another one, whose start
// functions have run; it calls starting before that, as [core.Environment.Starting] has it.
func NewServer(first Serving, traits core.Traits, fresh func(starting func(core.Instance)) (Serving, error)) *Server {
	return &Server{current: first, keepsState: traits.State, fresh: fresh}
}

// Initialize implements [core.Instance].
func (s *Server) Initialize(config []core.ConfigPair) error {
	if s.over != nil {
		return s.over
	}
	s.config = slices.Clone(config)
	return s.current.Initialize(config)
}

// HandleMessage implements [core.Instance].
func (s *Server) HandleMessage(_ core.ComponentID, message []byte, response *[]byte) error {
	if s.over == nil && !s.keepsState && s.current.LeftBehind() {
		s.over = s.renew()
	}
	if s.over != nil {
		return s.over
	}
	return s.current.HandleHTTP(message, response)
}

// renew replaces the instance. The last one is closed before, so that there are never two. If there
// is no other one, the server ends with the error.
func (s *Server) renew() error {
	s.mu.Lock()
	last := s.current
	s.current = nil
	s.mu.Unlock()
	err := last.Close()
	if err == nil {
		err = s.start()
	}
	if err == nil {
		err = s.current.Initialize(s.config)
	}
	if err == nil {
		return nil
	}
	if trap := new(core.TrapError); !errors.As(err, &trap) {
		err = &core.TrapError{Kind: core.TrapFault, Text: FirstLine("there is no new instance for the request: " + err.Error())}
	}
	return err
}

// start starts the next instance, which can be interrupted from the begin on.
func (s *Server) start() error {
	next, err := s.fresh(s.starts)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.starting = nil
	if err == nil {
		s.current = next
	}
	return err
}

// starts notes an instance before its start functions run.
func (s *Server) starts(next core.Instance) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.starting = next; s.interrupted.Load() { // perhaps the last one alone was
		next.Interrupt()
	}
}

// HandleCallback implements [core.Instance].
func (s *Server) HandleCallback(id core.RequestID, response []byte, failure *core.RequestError) error {
	if s.over != nil {
		return s.over
	}
	return s.current.HandleCallback(id, response, failure)
}

// Health implements [core.Instance].
func (s *Server) Health() (core.HealthStatus, error) {
	if s.over != nil {
		return 0, s.over
	}
	return s.current.Health()
}

// Shutdown implements [core.Instance].
func (s *Server) Shutdown() error {
	if s.over != nil {
		return s.over
	}
	return s.current.Shutdown()
}

// Save implements [core.StateKeeper].
func (s *Server) Save(dst []byte) ([]byte, error) {
	if s.over != nil {
		return dst, s.over
	}
	return s.current.Save(dst)
}

// Restore implements [core.StateKeeper].
func (s *Server) Restore(state []byte) error {
	if s.over != nil {
		return s.over
	}
	return s.current.Restore(state)
}

// Interrupt implements [core.Instance].
func (s *Server) Interrupt() {
	s.interrupted.Store(true)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, in := range []core.Instance{s.current, s.starting} {
		if in != nil {
			in.Interrupt()
		}
	}
}

// MemorySize implements [core.Sizer].
func (s *Server) MemorySize(resting bool) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current == nil {
		return 0
	}
	return s.current.MemorySize(resting)
}

// Close implements [core.Instance].
func (s *Server) Close() error {
	if s.over == nil {
		s.over = core.ErrClosed
	}
	if s.current == nil {
		return nil
	}
	return s.current.Close()
}
