package nats

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/airhost/airhost/core"
)

// departed is a host that has left, or its earlier run, with the requests that it will not answer any
// more. Its last receipts and outcomes are there already, but this host has not handled them yet:
// they come by other subscriptions than the word that it leaves. So this host sends an echo to
// itself, first to the one subscription and then to the other. When that has come, all has
// been handled that came before the word.
type departed struct {
	host     string
	left     bool // it has no later run
	echo     uint64
	since    time.Time
	requests map[core.RequestID]int64
}

// departLocked makes a host departed, and returns the number of its echo.
func (p *peers) departLocked(one *peer, left bool) uint64 {
	p.echoes++
	p.departed = append(p.departed, &departed{host: one.Host, left: left, echo: p.echoes, since: time.Now(), requests: one.requests})
	one.requests = map[core.RequestID]int64{}
	return p.echoes
}

// echo sends an echo to a subject of this host.
func (b *Broker) echo(subject string, number uint64) {
	frame := binary.AppendUvarint(appendHead(nil, echoFrame, b.config.Host), number)
	_ = b.publish(subject, "", frame) // without it the requests end after a lease
}

// echoed ends the requests of a departed host.
func (p *peers) echoed(number uint64) {
	p.failDeparted(func(d *departed) bool { return d.echo == number })
}

// failOverdue ends the requests of departed hosts for which the echo has been lost.
func (p *peers) failOverdue(now time.Time) {
	p.failDeparted(func(d *departed) bool { return now.Sub(d.since) > p.broker.config.Lease })
}

func (p *peers) failDeparted(over func(*departed) bool) {
	var ended []*departed
	p.mu.Lock()
	p.departed = slices.DeleteFunc(p.departed, func(d *departed) bool {
		if over(d) {
			ended = append(ended, d)
			return true
		}
		return false
	})
	p.mu.Unlock()
	for _, d := range ended {
		p.fail(d.requests, d.host)
	}
}

// answeredLocked forgets a request that has its outcome, and reports whether a departed host had it.
func (p *peers) answeredLocked(host string, id core.RequestID) bool {
	for _, d := range p.departed {
		if _, expected := d.requests[id]; expected && d.host == host {
			delete(d.requests, id)
			return true
		}
	}
	return false
}

// leftLocked notes a request that a host had taken before it left.
func (p *peers) leftLocked(host string, id core.RequestID, deadline int64) bool {
	for _, d := range p.departed {
		one := p.all[host]
		if d.left && d.host == host && (one == nil || one.run == "" && !has(one.early, id)) {
			d.requests[id] = deadline
			return true
		}
	}
	return false
}

func has(ids map[core.RequestID]struct{}, id core.RequestID) bool {
	_, is := ids[id]
	return is
}
