package host

import (
	"context"
	"log/slog"
	"sync"

	"github.com/airhost/airhost/core"
)

const (
	auditQueue = 1024
	// auditRate is how many refusals a second are written; the rest of a flood
	// is only counted.
	auditRate = 100
)

// auditRecord is one refusal.
type auditRecord struct {
	sender  core.ComponentID
	target  string
	pattern string
	refusal error
}

// audit writes refusals to the log on a goroutine of its own. It never blocks a
// sender: it counts and drops the refusals that it has no room for.
type audit struct {
	host    *Host
	log     *slog.Logger
	stopped sync.WaitGroup

	mu      mutex[ofLeaf] // guards closing records, and closed
	records chan auditRecord
	closed  bool
}

func (a *audit) start(h *Host) {
	a.host, a.log = h, h.log
	a.records = make(chan auditRecord, auditQueue)
	a.stopped.Go(a.write)
}

// record notes a refusal. It does not block, and may come after stop.
func (a *audit) record(sender core.ComponentID, target []byte, pattern string, refusal error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed || len(a.records) == cap(a.records) {
		a.host.counts.auditDropped.Add(1)
		return
	}
	a.records <- auditRecord{sender, core.CutText(target, 2*core.MaxIDPart+1), pattern, refusal}
}

func (a *audit) write() {
	rate := newBucket(auditRate, auditRate, a.host.clock)
	var dropped uint64
	for r := range a.records {
		if !rate.take(1) {
			dropped++
			a.host.counts.auditDropped.Add(1)
			continue
		}
		attrs := []slog.Attr{
			slog.String("component", r.sender.String()), slog.String("target", r.target),
			slog.String("pattern", r.pattern), slog.String("reason", r.refusal.Error()),
		}
		if dropped > 0 {
			attrs = append(attrs, slog.Uint64("dropped", dropped))
			dropped = 0
		}
		a.log.LogAttrs(context.Background(), slog.LevelWarn, "message refused", attrs...)
	}
}

// stop writes the records that are left.
func (a *audit) stop() {
	a.mu.Lock()
	a.closed = true
	close(a.records)
	a.mu.Unlock()
	a.stopped.Wait()
}
