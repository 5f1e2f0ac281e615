package admin

import (
	"github.com/airhost/airhost/core/host"
)

// subscribed is how many changes of components wait for the server.
const subscribed = 4096

// takeEvents hands the changes of the host's components to streams, until the subscription ends.
func (s *Server) takeEvents(changes <-chan host.Event) {
	for c := range changes {
		e := Event{Time: c.Time, Kind: string(c.Kind), Component: c.Component.String(), Required: c.Required, Missed: c.Missed}
		if c.Reason != nil {
			e.Reason = c.Reason.Error()
		}
		if c.Kind == host.EventHealth {
			e.Health = c.Health.String()
		}
		s.events.add(e, 128+len(e.Reason))
	}
	s.events.end()
}

// rates tell how many messages each component handles in a second.
type rates struct {
	samples []map[string]uint64 // the counts of the last seconds, the oldest first
}

// rateSeconds is the time of which a rate is the mean.
const rateSeconds = 5

// sample notes the counts of a second.
func (r *rates) sample(all []host.ComponentStatus) {
	counts := make(map[string]uint64, len(all))
	for _, c := range all {
		counts[c.ID.String()] = c.Counters.Handled
	}
	r.samples = append(r.samples, counts)
	if len(r.samples) > rateSeconds+1 {
		r.samples = append(r.samples[:0], r.samples[1:]...)
	}
}

// of returns the rate of a component in the seconds that it was there.
func (r *rates) of(id string) float64 {
	if len(r.samples) == 0 {
		return 0
	}
	newest := len(r.samples) - 1
	last, there := r.samples[newest][id]
	first, seconds := last, 0
	for i := newest - 1; i >= 0 && there; i-- {
		count, known := r.samples[i][id]
		if !known || count > first {
			break // it was removed and added in between
		}
		first, seconds = count, newest-i
	}
	if seconds == 0 {
		return 0
	}
	return float64(last-first) / float64(seconds)
}
