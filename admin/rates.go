package admin

import (
	"sync"
	"time"

	"github.com/airhost/airhost/core/host"
)

// rateSamples is how many seconds a rate is the mean of.
const rateSamples = 5

// rates tell how many messages each component handles in a second.
type rates struct {
	mu      sync.Mutex // guards the following
	samples []sample   // one of each second, the oldest first
}

// sample has the messages that components have handled, by their ids.
type sample struct {
	at     time.Time
	counts map[string]uint64
}

// add notes the counts of a moment.
func (r *rates) add(at time.Time, all []host.ComponentStatus) {
	counts := make(map[string]uint64, len(all))
	for _, c := range all {
		counts[c.ID.String()] = c.Counters.Handled
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.samples = append(r.samples, sample{at, counts})
	if len(r.samples) > rateSamples+1 {
		r.samples = append(r.samples[:0], r.samples[1:]...)
	}
}

// of returns the rate of a component over the seconds that it was there. Its count goes on when a
// new version takes its place, and begins anew if it is removed and deployed again.
func (r *rates) of(id string) float64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	newest := len(r.samples) - 1
	if newest < 0 {
		return 0
	}
	last, there := r.samples[newest].counts[id]
	first, since := last, r.samples[newest].at
	for i := newest - 1; i >= 0 && there; i-- {
		count, known := r.samples[i].counts[id]
		if !known || count > first {
			break
		}
		first, since = count, r.samples[i].at
	}
	if seconds := r.samples[newest].at.Sub(since).Seconds(); seconds > 0 {
		return float64(last-first) / seconds
	}
	return 0
}

// sampleRates counts each second, until the server ends.
func (s *Server) sampleRates() {
	seconds := time.NewTicker(time.Second)
	defer seconds.Stop()
	for {
		s.rates.add(time.Now(), s.config.Host.Components())
		select {
		case <-seconds.C:
		case <-s.ending.Done():
			return
		}
	}
}
