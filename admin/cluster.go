package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
)

// Cluster is the cluster of a host, as the host sees it.
type Cluster struct {
	Name       string        `json:"name"`
	Connected  bool          `json:"connected" doc:"The host has its connection. Without it the states of the others are unknown."`
	Server     string        `json:"server,omitempty" doc:"The address of the server, or of the last one, without passwords."`
	Since      time.Time     `json:"since" doc:"When the connection was made, or lost."`
	Reconnects uint64        `json:"reconnects" doc:"How often the connection was lost and made again."`
	Hosts      []ClusterHost `json:"hosts" doc:"The host itself first, and then the others by name."`
}

// ClusterHost is one host of a cluster.
type ClusterHost struct {
	Name   string            `json:"name"`
	Self   bool              `json:"self" doc:"It is the host that answers."`
	Labels map[string]string `json:"labels,omitempty"`
	Since  time.Time         `json:"since" doc:"When the host that answers has seen it first; of that one, when it connected first."`
	Error  string            `json:"error,omitempty" doc:"Why its state is unknown."`
	// State is nil if there is an Error.
	State *HostState `json:"state,omitempty" doc:"What it tells of itself."`
}

// HostState is the state that a host tells the others of its cluster. There are no texts of components in it.
type HostState struct {
	Version    string             `json:"version" doc:"Of its program."`
	Started    time.Time          `json:"started"`
	Ready      bool               `json:"ready"`
	Connected  time.Time          `json:"connected" doc:"Since when it has its connection."`
	Reconnects uint64             `json:"reconnects"`
	Total      int                `json:"total" doc:"Components that it has, those without room in the answer too."`
	Drain      string             `json:"drain,omitempty" enum:"draining,drained" doc:"It was drained, and takes no components with place: any: draining while it still has some, then drained."`
	Components []ClusterComponent `json:"components" doc:"Its components by id, as many as the answer has room for."`
}

// The values of [HostState] Drain.
const (
	HostDraining = "draining"
	HostDrained  = "drained"
)

// ClusterComponent is a component of a host of a cluster.
type ClusterComponent struct {
	ID        string  `json:"id"`
	Engine    string  `json:"engine"`
	State     string  `json:"state" doc:"As that of Component."`
	Health    string  `json:"health"`
	Required  bool    `json:"required,omitempty"`
	Instances int     `json:"instances"`
	Waiting   int     `json:"waiting" doc:"Messages in its mailbox."`
	Durable   bool    `json:"durable,omitempty" doc:"It has a durable mailbox."`
	Stored    int     `json:"stored,omitempty" doc:"Messages in its durable mailbox that were not handled, as far as its host knows."`
	Rate      float64 `json:"rate" doc:"Messages that it has handled, each second, in the last seconds."`
	Memory    int64   `json:"memory"`
	Handled   uint64  `json:"handled"`
	Errors    uint64  `json:"errors"`
	Restarts  uint64  `json:"restarts"`
}

// askTime is how long the other hosts have for their answers.
const askTime = time.Second

// mostViews is how many clients get the state of a cluster at the same time: it may be large.
const mostViews = 4

// cluster is the state of the cluster that is being found out.
type cluster struct {
	views room
	mu    sync.Mutex // guards the following
	now   *view      // nil if the hosts are not being asked
}

// view is shared by all clients that come while the hosts are being asked.
type view struct {
	done   chan struct{} // closed when result is there
	result *Cluster
}

// state is the state that the host tells the others, and itself. A component that runs elsewhere is in
// the state of that host.
func (s *Server) state() HostState {
	all := slices.DeleteFunc(s.components(), func(c Component) bool { return c.State == "elsewhere" })
	h := HostState{Version: s.config.Version, Started: s.started, Ready: s.ready() == nil, Total: len(all), Components: make([]ClusterComponent, len(all))}
	if c, ok := s.config.Host.Cluster(); ok {
		h.Connected, h.Reconnects = c.Since, c.Reconnects
	}
	if s.config.Draining != nil {
		h.Drain = s.config.Draining()
	}
	for i, c := range all {
		h.Components[i] = ClusterComponent{
			ID: c.ID, Engine: c.Engine, State: c.State, Health: c.Health, Required: c.Required, Instances: c.Instances,
			Waiting: c.Waiting, Durable: c.Durable, Stored: c.Stored, Rate: c.Rate, Memory: c.Memory, Handled: c.Handled, Errors: c.Errors, Restarts: c.Restarts,
		}
	}
	return h
}

// answerCluster is the answer to another host that asks for the state: as many components as so
// many bytes have room for.
func (s *Server) answerCluster(most int) []byte {
	h := s.state()
	for {
		text, err := json.Marshal(h)
		switch n := len(h.Components); {
		case err != nil: // a rate that JSON lacks
			return nil
		case len(text) <= most || n == 0:
			return text
		default:
			h.Components = h.Components[:min(n-1, n*most/len(text))]
		}
	}
}

// readState reads the answer of another host.
func readState(text []byte) (*HostState, error) {
	h := new(HostState)
	if err := json.Unmarshal(text, h); err != nil {
		return nil, fmt.Errorf("its answer cannot be read: %w", err)
	}
	for _, c := range h.Components {
		if _, err := core.ParseComponentID(c.ID); err != nil {
			return nil, fmt.Errorf("its answer cannot be read: %w", err)
		}
	}
	if h.Components == nil {
		h.Components = []ClusterComponent{}
	}
	h.Total = max(h.Total, len(h.Components))
	if h.Drain != HostDraining && h.Drain != HostDrained { // what a later version may tell
		h.Drain = ""
	}
	return h, nil
}

func (s *Server) getCluster(_ http.ResponseWriter, r *http.Request) (any, error) {
	if _, ok := s.config.Host.Cluster(); !ok {
		return nil, unsupported("cluster: host.broker is not nats")
	}
	if !s.cluster.views.take(1) {
		return nil, tooMany("%d clients get the state of the cluster already: try again", mostViews)
	}
	defer s.cluster.views.give(1)
	s.cluster.mu.Lock()
	v := s.cluster.now
	begins := v == nil
	if begins {
		v = &view{done: make(chan struct{})}
		s.cluster.now = v
	}
	s.cluster.mu.Unlock()
	if begins {
		v.result = s.askCluster()
		s.cluster.mu.Lock()
		s.cluster.now = nil
		s.cluster.mu.Unlock()
		close(v.done)
	}
	select {
	case <-v.done:
		return v.result, nil
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
}

// askCluster asks all hosts for their states.
func (s *Server) askCluster() *Cluster {
	ctx, cancel := context.WithTimeout(s.ending, askTime)
	defer cancel()
	answers, _ := s.config.Host.AskCluster(ctx) // there is a cluster
	now, _ := s.config.Host.Cluster()
	own := s.state()
	c := &Cluster{
		Name: now.Name, Connected: now.Connected, Server: now.Server, Since: now.Since, Reconnects: now.Reconnects,
		Hosts: []ClusterHost{clusterHost(now.Hosts[0])},
	}
	c.Hosts[0].Self, c.Hosts[0].State = true, &own
	for _, a := range answers {
		h := clusterHost(a.HostInfo)
		err := a.Err
		if err == nil {
			h.State, err = readState(a.Answer)
		}
		if err != nil {
			h.State, h.Error = nil, core.CutText(err.Error(), core.MaxErrorText)
		}
		c.Hosts = append(c.Hosts, h)
	}
	return c
}

func clusterHost(h core.HostInfo) ClusterHost {
	return ClusterHost{Name: h.Name, Labels: h.Labels, Since: h.Since}
}

// ofCluster adds to an event that is one of the cluster. It returns how many bytes more the event
// has: labels come from other hosts.
func (e *Event) ofCluster(c host.Event) (size int) {
	e.Host, e.Labels = c.Host.Name, c.Host.Labels
	for key, value := range e.Labels {
		size += len(key) + len(value)
	}
	return size
}
