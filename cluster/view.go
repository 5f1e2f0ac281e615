package cluster

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/airhost/airhost/core"
)

// The values of a directory, as JSON. The keys are host.HOST, can.HOST and c.NAMESPACE.NAME; '.' in
// names is written '='.
type (
	// hostValue is the lease of a host.
	hostValue struct {
		Session  string `json:"session"` // another one for each time that the host has got a lease
		Lease    int64  `json:"lease_ms"`
		Draining bool   `json:"draining,omitempty"`
		Gone     bool   `json:"gone,omitempty"`  // the lease is over
		Clean    bool   `json:"clean,omitempty"` // the host itself has ended it, after its components
	}
	// canValue has the components that a host can run.
	canValue struct {
		Session    string   `json:"session"`
		Components []string `json:"components"`
	}
	// claimValue is the claim of a component.
	claimValue struct {
		Host    string `json:"host"`
		Session string `json:"session"`
		Fence   uint64 `json:"fence"`
		Floor   uint64 `json:"floor"`          // messages with a lower fence are refused
		Free    bool   `json:"free,omitempty"` // the host has given it up
		Move    string `json:"move,omitempty"` // names the hand-over by which the host got it
		// FromHost and FromSession are those that have handed it over.
		FromHost    string `json:"from_host,omitempty"`
		FromSession string `json:"from_session,omitempty"`
	}
)

const (
	hostPrefix  = "host."
	canPrefix   = "can."
	claimPrefix = "c."
)

func part(name string) string { return strings.ReplaceAll(name, ".", "=") }

func name(part string) string { return strings.ReplaceAll(part, "=", ".") }

func claimKey(id core.ComponentID) string {
	namespace, name, _ := strings.Cut(id.String(), "/")
	return claimPrefix + part(namespace) + "." + part(name)
}

func parseClaimKey(key string) (core.ComponentID, bool) {
	namespace, rest, _ := strings.Cut(strings.TrimPrefix(key, claimPrefix), ".")
	id, err := core.ParseComponentID(name(namespace) + "/" + name(rest))
	return id, err == nil
}

// view is the directory as a host knows it.
type view struct {
	complete bool // all values that there were at the beginning have come
	hosts    map[string]*hostView
	claims   map[core.ComponentID]claimView
	came     time.Time // when a host was last seen that had not been there
	changed  time.Time // when a host has last come or gone
}

type hostView struct {
	hostValue
	revision    uint64
	seen        time.Time // when the last renewal was seen, by this host's clock
	can         map[core.ComponentID]bool
	canSession  string
	canRevision uint64
}

type claimView struct {
	claimValue
	revision uint64
}

func newView() *view {
	return &view{hosts: map[string]*hostView{}, claims: map[core.ComponentID]claimView{}}
}

func (v *view) host(name string) *hostView {
	h := v.hosts[name]
	if h == nil {
		h = &hostView{}
		v.hosts[name] = h
	}
	return h
}

// note takes a value of the directory. One that is not understood is left out: it may be of a later
// version.
func (v *view) note(key string, value []byte, revision uint64, now time.Time) {
	switch {
	case key == "":
		v.complete = true
	case strings.HasPrefix(key, hostPrefix):
		var got hostValue
		if json.Unmarshal(value, &got) == nil {
			v.noteHost(v.host(name(strings.TrimPrefix(key, hostPrefix))), got, revision, now)
		}
	case strings.HasPrefix(key, canPrefix):
		var got canValue
		if json.Unmarshal(value, &got) == nil {
			v.noteCan(v.host(name(strings.TrimPrefix(key, canPrefix))), got, revision, now)
		}
	case strings.HasPrefix(key, claimPrefix):
		var got claimValue
		id, ok := parseClaimKey(key)
		if ok && json.Unmarshal(value, &got) == nil && revision > v.claims[id].revision {
			v.claims[id] = claimView{got, revision}
		}
	}
}

func (v *view) noteHost(h *hostView, got hostValue, revision uint64, now time.Time) {
	if revision <= h.revision {
		return
	}
	if got.Session != h.Session || h.Draining != got.Draining {
		v.came, v.changed = now, now
	}
	if got.Gone != h.Gone {
		v.changed = now
	}
	h.hostValue, h.revision, h.seen = got, revision, now
}

func (v *view) noteCan(h *hostView, got canValue, revision uint64, now time.Time) {
	if revision <= h.canRevision {
		return
	}
	if got.Session != h.canSession {
		v.came, v.changed = now, now
	}
	h.canSession, h.canRevision, h.can = got.Session, revision, make(map[core.ComponentID]bool, len(got.Components))
	for _, text := range got.Components {
		if id, err := core.ParseComponentID(text); err == nil {
			h.can[id] = true
		}
	}
}

// over reports whether a host has not renewed its lease for the time of it.
func (h *hostView) over(now time.Time) bool {
	return !h.Gone && h.revision > 0 && now.Sub(h.seen) >= time.Duration(h.Lease)*time.Millisecond
}

// lives reports whether a session of a host has its lease.
func (v *view) lives(host, session string) bool {
	h := v.hosts[host]
	return h != nil && h.Session == session && !h.Gone
}

// candidates are the hosts that may run a component, but one.
func (v *view) candidates(id core.ComponentID, but string) (all []string) {
	for name, h := range v.hosts {
		if name != but && !h.Gone && !h.Draining && h.revision > 0 && h.canSession == h.Session && h.can[id] {
			all = append(all, name)
		}
	}
	return all
}

// owned reports whether a host that lives has a claim.
func (v *view) owned(c claimView) bool {
	return c.revision > 0 && !c.Free && v.lives(c.Host, c.Session)
}

// next is the claim of a host that takes a component after another claim. Its floor stays if the
// owner before has given the component up, since its messages may still be under way.
func (v *view) next(before claimView, host, session string) claimValue {
	next := claimValue{Host: host, Session: session, Fence: max(before.Fence, before.revision) + 1, Floor: before.Floor}
	h := v.hosts[before.Host]
	clean := before.Free || h != nil && h.Session == before.Session && h.Gone && h.Clean
	if !clean {
		next.Floor = next.Fence
	}
	return next
}
