package nats

import (
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"

	natsgo "github.com/nats-io/nats.go"

	"github.com/airhost/airhost/core"
)

// Peer is another host of the cluster, as this host sees it.
type Peer struct {
	Host   string            `json:"host"`
	Labels map[string]string `json:"labels,omitempty"`
	Since  time.Time         `json:"since"` // when this host has seen it first
}

// beat is the word of a host that it is there, several times in a lease.
type beat struct {
	Version int               `json:"version"`
	Host    string            `json:"host"`
	Run     string            `json:"run"` // another one after each start of the host
	Lease   int64             `json:"lease_ms"`
	Labels  map[string]string `json:"labels,omitempty"`
	Leaving bool              `json:"leaving,omitempty"` // it stops, and says nothing more
	Durable string            `json:"durable,omitempty"` // changes with the set of its durable mailboxes
}

// maxPeers and maxBeat bound the memory for other hosts.
const (
	maxPeers = 1000
	maxBeat  = 64 << 10
)

// peers are the other hosts of a cluster.
type peers struct {
	broker *Broker

	mu   sync.Mutex // guards the following
	all  map[string]*peer
	back time.Time // when this host has got its connection back; zero before
	own  time.Time // when this host has last heard itself

	departed []*departed
	echoes   uint64 // the number of the last of them
}

type peer struct {
	Peer
	run   string    // "" if it has said nothing yet
	mail  string    // its word for its durable mailboxes
	until time.Time // then it is gone, if it says nothing
	said  time.Time // when it has last said that it is there
	// requests wait for their outcomes from the host, with their deadlines. Now and then those that
	// have timed out are removed.
	requests map[core.RequestID]int64
	sweep    sweep
	early    map[core.RequestID]struct{} // have their outcomes, and no receipt yet
}

// maxEarly bounds early: a receipt may never come.
const maxEarly = 1 << 16

const minSweep = 1024

func (p *peers) init(b *Broker) { p.broker, p.all = b, map[string]*peer{} }

func (p *peers) peerLocked(host string) *peer {
	one := p.all[host]
	if one == nil {
		one = &peer{Peer: Peer{Host: host, Since: time.Now()}, requests: map[core.RequestID]int64{}, early: map[core.RequestID]struct{}{}}
		one.until = one.Since.Add(2 * p.broker.config.Lease) // if it says nothing
		p.all[host] = one
	}
	return one
}

// expect notes that a host has taken a request.
func (p *peers) expect(host string, id core.RequestID, deadline int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.leftLocked(host, id, deadline) || p.all[host] == nil && len(p.all) >= maxPeers {
		return
	}
	one := p.peerLocked(host)
	if _, ended := one.early[id]; ended {
		delete(one.early, id)
		return
	}
	if one.sweep.due(len(one.requests), minSweep) {
		now := time.Now().UnixNano()
		for id, deadline := range one.requests {
			if deadline != 0 && deadline < now {
				delete(one.requests, id)
			}
		}
		one.sweep.done(len(one.requests))
	}
	one.requests[id] = deadline
}

// answered forgets a request that has its outcome.
func (p *peers) answered(host string, id core.RequestID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.answeredLocked(host, id) || p.all[host] == nil && len(p.all) >= maxPeers {
		return
	}
	one := p.peerLocked(host)
	if _, expected := one.requests[id]; expected {
		delete(one.requests, id)
		return
	}
	if len(one.early) >= maxEarly {
		clear(one.early)
	}
	one.early[id] = struct{}{}
}

// came handles the word of a host.
func (p *peers) came(in *natsgo.Msg) {
	b := p.broker
	var said beat
	if len(in.Data) > maxBeat || json.Unmarshal(in.Data, &said) != nil || !validHost(said.Host) || said.Lease <= 0 {
		b.discard(in, errFrame)
		return
	}
	if said.Host == b.config.Host {
		if p.heardSelf(); said.Run != b.run {
			b.log.Error("another host of the cluster has this host's name: give each its own (host.nats.name)", "host", said.Host)
		}
		return
	}
	seen, known, echo := p.note(&said)
	switch {
	case said.Leaving && known:
		b.log.Info("host gone", "host", said.Host, "reason", "it stops")
		b.noteGone(seen, "it stops")
	case !said.Leaving && !known:
		b.log.Info("host seen", "host", said.Host, "labels", said.Labels)
		b.changed(core.ClusterChange{Kind: core.ClusterHostSeen, Host: seen.info()})
	}
	if echo != 0 {
		b.echo(b.subjects.receipt(b.config.Host, 0, echo), echo)
	}
	b.mu.RLock()
	o := b.origins[said.Host]
	b.mu.RUnlock()
	if o != nil {
		o.resume()
	}
}

// note notes the word of a host, which it returns. If the host will not answer requests, since it leaves
// or since they are those of an earlier run of it, it returns the number of the echo after which they end.
func (p *peers) note(said *beat) (seen Peer, known bool, echo uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.all[said.Host] == nil && len(p.all) >= maxPeers {
		return seen, true, 0 // there is no room for it
	}
	one := p.peerLocked(said.Host)
	known = one.run != ""
	if said.Leaving && known && one.run != said.Run {
		return seen, true, 0 // the word of an earlier run, which comes late
	}
	if known && one.run != said.Run || said.Leaving {
		echo = p.departLocked(one, said.Leaving)
	}
	if one.mail != said.Durable {
		p.broker.kickDirectory()
	}
	one.run, one.Labels, one.mail = said.Run, said.Labels, said.Durable
	one.said = time.Now()
	one.until = one.said.Add(min(time.Duration(said.Lease)*time.Millisecond, time.Hour))
	if said.Leaving {
		delete(p.all, said.Host)
	}
	return one.Peer, known, echo
}

// isBack reports whether a host has said that it is there since this one got its connection back, if
// that was lost.
func (p *peers) isBack(host string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	one := p.all[host]
	return p.back.IsZero() || one != nil && one.said.After(p.back) || time.Since(p.back) > 2*p.broker.config.Lease
}

// expire takes hosts that have been silent for too long for gone.
func (p *peers) expire(now time.Time) {
	var gone []*peer
	p.mu.Lock()
	for host, one := range p.all {
		if one.until.Before(now) {
			gone = append(gone, one)
			delete(p.all, host)
		}
	}
	p.mu.Unlock()
	for _, one := range gone {
		if one.run == "" && len(one.requests) == 0 {
			continue // a late outcome or receipt of a host that has left
		}
		p.broker.log.Warn("host gone", "host", one.Host, "reason", "it has been silent for its lease")
		if one.run != "" {
			p.broker.noteGone(one.Peer, "it has been silent for its lease")
		}
		p.fail(one.requests, one.Host)
	}
}

// heardSelf notes that the words of this host come back to it. Requests that it has sent to
// a component that has come to it meanwhile wait for its own outcomes: it is not gone.
func (p *peers) heardSelf() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.own = time.Now()
	one := p.all[p.broker.config.Host]
	if one == nil {
		return
	}
	for id, deadline := range one.requests {
		if deadline != 0 && deadline < p.own.UnixNano() {
			delete(one.requests, id)
		}
	}
	if len(one.requests) > 0 {
		one.until = p.own.Add(2 * p.broker.config.Lease)
	}
}

// hearsSelf reports whether the words of this host come back to it: those of others come too.
func (p *peers) hearsSelf(now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return now.Sub(p.own) < p.broker.config.Lease/2
}

// forgive gives all hosts another lease: this one is cut off.
func (p *peers) forgive() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.back = time.Now()
	for _, one := range p.all {
		one.until = time.Now().Add(p.broker.config.Lease)
	}
}

// fail ends requests that a host has taken and will not answer.
func (p *peers) fail(requests map[core.RequestID]int64, host string) {
	for id := range requests {
		m := core.NewMessage(nil)
		m.Correlation = id
		m.Fail(&core.RequestError{Reason: core.ReasonUnavailable, Text: "host " + host + " is gone"})
		p.broker.home.Respond(m)
	}
}

// Peers returns the other hosts of the cluster that this host has heard of, by name.
func (b *Broker) Peers() []Peer {
	b.peers.mu.Lock()
	defer b.peers.mu.Unlock()
	var all []Peer
	for _, one := range b.peers.all {
		if one.run != "" {
			all = append(all, one.Peer)
		}
	}
	slices.SortFunc(all, func(x, y Peer) int { return strings.Compare(x.Host, y.Host) })
	return all
}

// sayBeat tells the other hosts that this one is there, or that it leaves.
func (b *Broker) sayBeat(leaving bool) {
	text, err := json.Marshal(beat{
		Version: wireVersion, Host: b.config.Host, Run: b.run, Lease: b.config.Lease.Milliseconds(), Labels: b.config.Labels, Leaving: leaving, Durable: b.durables(),
	})
	if err == nil { // it does not fail
		_ = b.publish(b.subjects.hosts(), "", text)
	}
}

// keepTime says beats, and ends that for which nobody answers, until done is closed.
func (b *Broker) keepTime(done <-chan struct{}) {
	every := time.NewTicker(b.config.Lease / 4)
	defer every.Stop()
	for {
		b.sayBeat(false)
		select {
		case <-done:
			return
		case now := <-every.C:
			b.peers.failOverdue(now)
			if b.refusal.Load() != nil {
				b.peers.forgive()
				b.notYet()
				continue
			}
			b.mistrust = ""
			if b.peers.hearsSelf(now) {
				b.peers.expire(now)
			} else {
				b.peers.forgive() // the connection is lost, and nobody has told
			}
			b.resumeOutcomes()
			b.tickMail(now)
			for _, r := range b.allRemotes() {
				r.giveAllBack(now.Add(-2*b.config.Lease), errSilent)
			}
		}
	}
}
