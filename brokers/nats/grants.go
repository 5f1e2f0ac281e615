package nats

import (
	"sync"
	"time"

	"github.com/airhost/airhost/core"
)

// grants divide the room for arrivals among the senders: all together may have maxGranted messages
// and maxGrantedBytes under way to this host.
type grants struct {
	mu     sync.Mutex         // guards the following
	recent map[route]struct{} // used since turned
	before map[route]struct{} // used in the time before that, and not since
	turned time.Time
}

type route struct {
	host string
	to   core.ComponentID
}

const (
	maxGranted      = 1 << 16
	maxGrantedBytes = 64 << 20
	minGranted      = 16       // of a route, also if there are very many
	minGrantedBytes = 64 << 10 // likewise; one message may be larger
	grantTime       = 10 * time.Second
)

// grant returns the credit of the route from a host to a component. A route has its part until it
// has not been used for grantTime, or twice that.
func (g *grants) grant(host string, to core.ComponentID) (window, bytes int) {
	now, r := time.Now(), route{host, to}
	g.mu.Lock()
	defer g.mu.Unlock()
	if now.Sub(g.turned) > grantTime {
		g.before, g.recent, g.turned = g.recent, map[route]struct{}{}, now
	}
	if _, has := g.recent[r]; !has && g.routesLocked() < maxGranted {
		delete(g.before, r)
		g.recent[r] = struct{}{}
	}
	n := max(1, g.routesLocked())
	return max(minGranted, min(maxWindow, maxGranted/n)), max(minGrantedBytes, min(maxWindowBytes, maxGrantedBytes/n))
}

// routesLocked returns how many routes have a part.
func (g *grants) routesLocked() int { return len(g.recent) + len(g.before) }
