package sandbox

import (
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/airhost/airhost/core"
)

// visitor is an instance that leaves something behind in each request.
type visitor struct {
	core.StateKeeper // nil: not called
	config           []core.ConfigPair
	interrupted      atomic.Bool
	visits, closed   int
}

func (v *visitor) Initialize(config []core.ConfigPair) error { v.config = config; return nil }
func (v *visitor) HandleHTTP([]byte, *[]byte) error          { v.visits++; return nil }
func (v *visitor) LeftBehind() bool                          { return v.visits > 0 }
func (v *visitor) MemorySize(bool) int64                     { return 1 }
func (v *visitor) Interrupt()                                { v.interrupted.Store(true) }
func (v *visitor) Close() error                              { v.closed++; return nil }

// TestServer: each request gets an instance of its own, with the configuration, while others
// ask for its size and interrupt it; each is closed once.
func TestServer(t *testing.T) {
	all := []*visitor{{}}
	s := NewServer(all[0], core.Traits{HTTP: true}, func(starting func(core.Instance)) (Serving, error) {
		if all[len(all)-1].closed == 0 {
			t.Error("there are two instances")
		}
		next := &visitor{}
		starting(next)
		all = append(all, next)
		return next, nil
	})
	config := []core.ConfigPair{{Key: "a", Value: "b"}}
	if err := s.Initialize(config); err != nil {
		t.Fatal(err)
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				s.MemorySize(false)
				s.Interrupt()
			}
		}
	}()
	for range 100 {
		if err := s.HandleMessage(core.ComponentID{}, nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	<-stopped
	if err := s.Close(); err != nil || len(all) != 100 {
		t.Fatalf("got %v, and %d instances, want 100", err, len(all))
	}
	for i, v := range all {
		if v.visits != 1 || v.closed != 1 || len(v.config) != 1 || v.config[0] != config[0] {
			t.Errorf("instance %d: %+v", i, v)
		}
	}
}

// TestServerEnds: without another instance the server has ended. One with state goes on.
func TestServerEnds(t *testing.T) {
	tried := 0
	none := func(func(core.Instance)) (Serving, error) { tried++; return nil, errors.New("no memory today") }
	s := NewServer(&visitor{}, core.Traits{HTTP: true}, none)
	if err := s.HandleMessage(core.ComponentID{}, nil, nil); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		err := s.HandleMessage(core.ComponentID{}, nil, nil)
		if trap := new(core.TrapError); !errors.As(err, &trap) || !strings.Contains(trap.Text, "no memory today") {
			t.Errorf("got %v, want a trap", err)
		}
	}
	_, health := s.Health()
	_, save := s.Save(nil)
	if all := []error{health, save, s.Initialize(nil), s.Shutdown(), s.Restore(nil), s.HandleCallback(0, nil, nil)}; slices.Contains(all, nil) || tried != 1 {
		t.Errorf("after its end: %v, and it was started again %d times", all, tried)
	}
	keeps := NewServer(&visitor{}, core.Traits{HTTP: true, State: true}, none)
	for range 3 {
		if err := keeps.HandleMessage(core.ComponentID{}, nil, nil); err != nil {
			t.Error(err)
		}
	}
}

// TestServerStarts: an interrupt reaches the next instance from the begin of its start functions on, and one of
// before then, too.
func TestServerStarts(t *testing.T) {
	for _, early := range []bool{false, true} {
		var s *Server
		s = NewServer(&visitor{}, core.Traits{HTTP: true}, func(starting func(core.Instance)) (Serving, error) {
			next := &visitor{}
			if early {
				s.Interrupt()
			}
			if starting(next); !early {
				s.Interrupt()
			}
			if !next.interrupted.Load() {
				t.Errorf("interrupted early: %v: the next instance is not", early)
			}
			return (*visitor)(nil), errInterrupted
		})
		for range 3 {
			_ = s.HandleMessage(core.ComponentID{}, nil, nil)
		}
		if _, err := s.Health(); !errors.Is(err, errInterrupted) || s.MemorySize(true) != 0 {
			t.Errorf("got %v, want %v", err, errInterrupted)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}
