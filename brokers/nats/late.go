package nats

import "errors"

// errLate is why a frame is discarded that was under way on a connection which its host has lost. Its
// messages came back there, and those that were sent since then may have been handled: it would
// break their order.
var errLate = errors.New("the frame comes after a later one of its route")

// firstRoute is the number before that of a broker's first route. Its upper half tells this run of
// the host from others: a receipt for an earlier run is for no route of this one, and a frame of
// this run is not late for one of an earlier.
func firstRoute(random uint64) uint64 { return max(random>>runBits, 1) << runBits }

// runBits are the bits of a route's number that count.
const runBits = 32

// progress are how far each host has come with its frames to a component.
type progress map[string]position

type position struct{ route, frame uint64 }

// maxProgress bounds the hosts of a component. Beyond, all are forgotten.
const maxProgress = maxPeers

// isLate reports whether a frame comes after a later one, and notes how far its host has come.
// Hosts that do not tell their runs apart are taken as they come.
func (p progress) isLate(host string, route, frame uint64) bool {
	if route>>runBits == 0 {
		return false
	}
	last := p[host]
	if last.route>>runBits == route>>runBits && (route < last.route || route == last.route && frame <= last.frame) {
		return true
	}
	if len(p) >= maxProgress && last.route == 0 {
		clear(p)
	}
	p[host] = position{route, frame}
	return false
}
