package host

import (
	"context"
	"errors"
	"time"

	"github.com/airhost/airhost/core"
)

// clusterEvents are the events of changes of the cluster.
var clusterEvents = map[core.ClusterChangeKind]EventKind{
	core.ClusterConnected: EventConnected, core.ClusterDisconnected: EventDisconnected,
	core.ClusterHostSeen: EventHostSeen, core.ClusterHostGone: EventHostGone,
}

// watchCluster makes changes of the cluster events. The broker has logged them.
func (h *Host) watchCluster() {
	if c, ok := h.broker.(core.Clustered); ok {
		c.OnChange(func(change core.ClusterChange) {
			h.events.publish(Event{Time: time.Now(), Kind: clusterEvents[change.Kind], Host: change.Host, Reason: change.Reason})
		})
	}
}

// ErrNoCluster is returned for a host with a broker that joins no hosts.
var ErrNoCluster = errors.New("the host is in no cluster: its broker joins no hosts, as brokers/nats does")

// Cluster returns the cluster of the host as it sees it now, if its broker joins hosts.
func (h *Host) Cluster() (core.ClusterStatus, bool) {
	c, ok := h.broker.(core.Clustered)
	if !ok {
		return core.ClusterStatus{}, false
	}
	return c.Cluster(), true
}

// AskCluster asks the other hosts of the cluster for their states, until ctx ends: see
// [core.Clustered].
func (h *Host) AskCluster(ctx context.Context) ([]core.HostAnswer, error) {
	c, ok := h.broker.(core.Clustered)
	if !ok {
		return nil, ErrNoCluster
	}
	return c.Ask(ctx), nil
}

// AnswerCluster sets the function that makes the host's answer to others that ask for its state.
// It does nothing if the broker joins no hosts.
func (h *Host) AnswerCluster(answer func(most int) []byte) {
	if c, ok := h.broker.(core.Clustered); ok {
		c.OnAsk(answer)
	}
}
