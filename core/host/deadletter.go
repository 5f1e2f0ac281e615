package host

import (
	"time"

	"github.com/airhost/airhost/core"
)

// deadLetterBytes is how much of a dead letter's payload is kept.
const deadLetterBytes = 256

// DeadLetter is a message that was taken and could not be handled: its component
// trapped on it, failed, was removed, or the host stopped before.
type DeadLetter struct {
	Time    time.Time
	Sender  core.ComponentID
	Target  core.ComponentID
	Request bool   // it was a request, and its sender was told
	Size    int    // of the payload, in bytes
	Payload []byte // its first 256 bytes at most
	Reason  string // at most core.MaxErrorText bytes
}

// deadLetters keeps the newest dead letters.
type deadLetters struct {
	mu   mutex[ofLeaf]
	kept []DeadLetter // a ring once it is full
	next int          // where the next goes
	most int
}

func (d *deadLetters) add(letter DeadLetter) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.kept) < d.most {
		d.kept = append(d.kept, letter)
		return
	}
	d.kept[d.next] = letter
	d.next = (d.next + 1) % d.most
}

// DeadLetters returns the newest dead letters, up to Config.DeadLetters, the
// oldest first. Snapshot counts all.
func (h *Host) DeadLetters() []DeadLetter {
	d := &h.deadLetters
	d.mu.Lock()
	defer d.mu.Unlock()
	return append(append([]DeadLetter{}, d.kept[d.next:]...), d.kept[:d.next]...)
}

// recordDead notes a message that cannot be handled; its owner keeps it.
func (h *Host) recordDead(m *core.Message, reason error) {
	h.counts.deadLetters.Add(1)
	h.deadLetters.add(DeadLetter{
		Time: time.Now(), Sender: m.Sender, Target: m.Target, Request: m.IsRequest(), Size: len(m.Payload),
		Payload: append([]byte{}, m.Payload[:min(len(m.Payload), deadLetterBytes)]...), Reason: boundText(reason),
	})
}

// deadLetter ends a message that cannot be handled and of which nobody else is to
// be told.
func (h *Host) deadLetter(m *core.Message, reason error) {
	h.recordDead(m, reason)
	m.Release()
}
