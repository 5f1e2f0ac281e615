package admin

import (
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
)

const (
	// subscribed is how many changes of components wait for the server.
	subscribed = 4096
	// entrySize is about how many bytes an entry of a feed takes beside its texts.
	entrySize = 128
)

// takeEvents hands the changes of the host's components to streams, until the subscription ends.
func (s *Server) takeEvents(changes <-chan host.Event) {
	defer s.events.end()
	for {
		select {
		case c, more := <-changes:
			if !more {
				return
			}
			s.addEvent(c)
		case done := <-s.behind:
			for n := len(changes); n > 0; n-- {
				if c, more := <-changes; more {
					s.addEvent(c)
				}
			}
			close(done)
		}
	}
}

// catchUp returns when the changes that the host has made so far are in the feed: a client that
// restarts a component, and then asks for the events, finds the restart.
func (s *Server) catchUp() {
	s.mu.Lock()
	begun := s.begun
	s.mu.Unlock()
	if !begun {
		return // there are no events before Start
	}
	done := make(chan struct{})
	select {
	case s.behind <- done:
		<-done
	case <-s.ending.Done():
	}
}

func (s *Server) addEvent(c host.Event) {
	e := Event{Time: c.Time, Kind: string(c.Kind), Component: c.Component.String(), Required: c.Required, Missed: c.Missed}
	if c.Reason != nil {
		e.Reason = core.CutText(c.Reason.Error(), core.MaxErrorText)
	}
	if c.Kind == host.EventHealth {
		e.Health = c.Health.String()
	}
	size := entrySize + len(e.Reason) + e.ofCluster(c)
	s.events.add(e, size)
}
