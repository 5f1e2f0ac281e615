package nats

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/airhost/airhost/core"
)

var _ core.Clustered = (*Broker)(nil)

// watched is the state that operators see of a cluster.
type watched struct {
	tell atomic.Pointer[func(core.ClusterChange)]
	full atomic.Uint64 // messages that were refused since a window was used up
	asks asks

	mu         sync.Mutex // guards the following
	connected  bool
	server     string
	since      time.Time // when the connection was made or lost
	first      time.Time // when the connection was made first
	reconnects uint64
}

// OnChange implements [core.Clustered].
func (b *Broker) OnChange(tell func(core.ClusterChange)) { b.watched.tell.Store(&tell) }

// changed tells of a change. No lock is held.
func (b *Broker) changed(c core.ClusterChange) {
	if tell := b.watched.tell.Load(); tell != nil {
		(*tell)(c)
	}
}

// noteConnected notes that there is a connection, again or for the first time.
func (b *Broker) noteConnected(server string) {
	w := &b.watched
	w.mu.Lock()
	w.connected, w.server, w.since = true, Redacted(server), time.Now()
	if w.first.IsZero() {
		w.first = w.since
	} else {
		w.reconnects++
	}
	w.mu.Unlock()
	b.changed(core.ClusterChange{Kind: core.ClusterConnected, Host: b.self(), Server: Redacted(server)})
}

// noteDisconnected notes that there is no connection any more.
func (b *Broker) noteDisconnected(reason string) {
	w := &b.watched
	w.mu.Lock()
	w.connected, w.since = false, time.Now()
	w.mu.Unlock()
	b.changed(core.ClusterChange{Kind: core.ClusterDisconnected, Host: b.self(), Reason: errors.New(reason)})
}

// noteGone notes that a host has left, or has been silent for too long.
func (b *Broker) noteGone(p Peer, reason string) {
	b.changed(core.ClusterChange{Kind: core.ClusterHostGone, Host: p.info(), Reason: errors.New(reason)})
}

func (p Peer) info() core.HostInfo {
	return core.HostInfo{Name: p.Host, Labels: p.Labels, Since: p.Since}
}

func (b *Broker) self() core.HostInfo {
	b.watched.mu.Lock()
	defer b.watched.mu.Unlock()
	return core.HostInfo{Name: b.config.Host, Labels: b.config.Labels, Since: b.watched.first}
}

// Cluster implements [core.Clustered].
func (b *Broker) Cluster() core.ClusterStatus {
	counters, w := b.Counters(), &b.watched
	c := core.ClusterStatus{
		Name: b.config.Cluster, Lost: counters.Lost, Discarded: counters.Discarded, Full: w.full.Load(), Hosts: []core.HostInfo{b.self()},
		Unpublished: counters.Unpublished, Missed: counters.Missed, Redelivered: counters.Redelivered,
	}
	closed := b.refusal.Load() == errClosed
	w.mu.Lock()
	c.Connected, c.Server, c.Since, c.Reconnects = w.connected && !closed, w.server, w.since, w.reconnects
	w.mu.Unlock()
	c.Hosts = append(c.Hosts, b.otherHosts()...)
	return c
}

// otherHosts are the other hosts of the cluster that have said that they are there, by name.
func (b *Broker) otherHosts() (all []core.HostInfo) {
	b.peers.mu.Lock()
	defer b.peers.mu.Unlock()
	for _, one := range b.peers.all {
		if one.run != "" {
			all = append(all, one.info())
		}
	}
	slices.SortFunc(all, func(x, y core.HostInfo) int { return strings.Compare(x.Name, y.Name) })
	return all
}
