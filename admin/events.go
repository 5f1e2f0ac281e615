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
	for c := range changes {
		e := Event{Time: c.Time, Kind: string(c.Kind), Component: c.Component.String(), Required: c.Required, Missed: c.Missed}
		if c.Reason != nil {
			e.Reason = core.CutText(c.Reason.Error(), core.MaxErrorText)
		}
		if c.Kind == host.EventHealth {
			e.Health = c.Health.String()
		}
		s.events.add(e, entrySize+len(e.Reason))
	}
	s.events.end()
}
