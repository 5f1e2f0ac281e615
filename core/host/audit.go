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

// auditRecord is one refusal, or an error that nobody gets.
type auditRecord struct {
	event      string
	component  string // that the record is about
	key, other string // "target" or "sender", and which one
	pattern    string
	reason     error
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
	a.add(auditRecord{"message refused", sender.String(), "target", a.host.bounds.cutBytes(target, 2*core.MaxIDPart+1), pattern, refusal})
}

// ignored notes an error with which a component has answered a fire-and-forget message: its sender
// does not get it. Like record it does not block.
func (a *audit) ignored(m *core.Message, answer *core.ComponentError) {
	kept := *answer // the engine may use it again
	a.add(auditRecord{"message failed", m.Target.String(), "sender", m.Sender.String(), "fire-and-forget", &kept})
}

func (a *audit) add(r auditRecord) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed || len(a.records) == cap(a.records) {
		a.host.counts.auditDropped.Add(1)
		return
	}
	a.records <- r
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
			slog.String("component", r.component), slog.String(r.key, r.other),
			slog.String("pattern", r.pattern), slog.String("reason", r.reason.Error()),
		}
		if dropped > 0 {
			attrs = append(attrs, slog.Uint64("dropped", dropped))
			dropped = 0
		}
		a.log.LogAttrs(context.Background(), slog.LevelWarn, r.event, attrs...)
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
