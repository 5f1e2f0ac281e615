package host

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/airhost/airhost/core"
)

const (
	// maxLetterBytes is how many bytes the payloads of the dead letters that are kept have
	// together. One above a quarter of it is not kept whole.
	maxLetterBytes = 16 << 20
	// letterStart is how much of such a payload is kept, in bytes.
	letterStart = 256
)

// DeadLetter is a message that was taken and could not be handled: its component
// trapped on it, failed, was removed, or the host stopped before.
type DeadLetter struct {
	Number  uint64 // counts the host's dead letters from 1 on
	Time    time.Time
	Sender  core.ComponentID
	Target  core.ComponentID
	Request bool   // it was a request, and its sender was told
	Size    int    // of the payload, in bytes
	Payload []byte // must not be changed; its first 256 bytes if Size is above 4 MiB
	Reason  string // at most core.MaxErrorText bytes
}

// whole reports whether all of the payload was kept.
func (l *DeadLetter) whole() bool { return len(l.Payload) == l.Size }

var (
	// ErrNoDeadLetter is wrapped by the error for a number of which no dead letter is kept.
	ErrNoDeadLetter = errors.New("no such dead letter")
	// ErrCutDeadLetter is wrapped by the error of [Host.Resend] for a dead letter with a
	// payload that was not kept whole.
	ErrCutDeadLetter = errors.New("the payload was not kept whole")
)

// deadLetters keeps the newest dead letters.
type deadLetters struct {
	most int

	mu    mutex[ofLeaf] // guards the following
	kept  []DeadLetter  // by number
	bytes int           // of their payloads
	last  uint64        // number of the newest one
}

func (d *deadLetters) add(letter DeadLetter) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.last++
	letter.Number = d.last
	d.bytes += len(letter.Payload)
	d.kept = append(d.kept, letter)
	d.evictLocked()
}

// evictLocked forgets the oldest dead letters if there are too many.
func (d *deadLetters) evictLocked() {
	old := max(0, len(d.kept)-d.most)
	for _, l := range d.kept[:old] {
		d.bytes -= len(l.Payload)
	}
	for ; d.bytes > maxLetterBytes; old++ {
		d.bytes -= len(d.kept[old].Payload)
	}
	clear(d.kept[:old])
	d.kept = d.kept[old:]
}

// findLocked returns the index of a dead letter, if it is kept.
func (d *deadLetters) findLocked(number uint64) (i int, kept bool) {
	return slices.BinarySearchFunc(d.kept, number, func(l DeadLetter, number uint64) int { return cmp.Compare(l.Number, number) })
}

func (d *deadLetters) get(number uint64) (DeadLetter, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	i, kept := d.findLocked(number)
	if !kept {
		return DeadLetter{}, fmt.Errorf("%w: %d", ErrNoDeadLetter, number)
	}
	return d.kept[i], nil
}

// drop removes a dead letter, if it is kept.
func (d *deadLetters) drop(number uint64) (dropped bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	i, kept := d.findLocked(number)
	if kept {
		d.bytes -= len(d.kept[i].Payload)
		d.kept = slices.Delete(d.kept, i, i+1)
	}
	return kept
}

// DeadLetters returns the newest dead letters, up to Config.DeadLetters, and 16 MiB of payloads,
// the oldest first. Snapshot counts all.
func (h *Host) DeadLetters() []DeadLetter {
	d := &h.deadLetters
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.kept)
}

// DeadLetter returns the dead letter of a number. The error wraps [ErrNoDeadLetter] if it is
// not kept any more.
func (h *Host) DeadLetter(number uint64) (DeadLetter, error) { return h.deadLetters.get(number) }

// DropDeadLetter forgets a dead letter. The error is as that of [Host.DeadLetter].
func (h *Host) DropDeadLetter(number uint64) error {
	if !h.deadLetters.drop(number) {
		return fmt.Errorf("%w: %d", ErrNoDeadLetter, number)
	}
	return nil
}

// Resend sends a dead letter again, in the name of its sender, to the component that has its
// target's id now, and forgets it. It is fire-and-forget also if it was a request: its sender
// was told. It does not look at the sender's capabilities and quota, and does not block.
//
// The error wraps [ErrNoDeadLetter] or [ErrCutDeadLetter], or is a [core.MessagingError] if the
// message is refused. Then the dead letter is kept. If several goroutines send one again, one
// of them does.
func (h *Host) Resend(number uint64) error {
	letter, err := h.deadLetters.get(number)
	switch {
	case err != nil:
		return err
	case !letter.whole():
		return fmt.Errorf("dead letter %d: %w: %d of %d bytes", number, ErrCutDeadLetter, len(letter.Payload), letter.Size)
	case !h.deadLetters.drop(number):
		return fmt.Errorf("%w: %d", ErrNoDeadLetter, number)
	}
	h.counts.sent.Add(1)
	m := core.NewMessage(letter.Payload)
	m.Sender, m.Target = letter.Sender, letter.Target
	if err := h.publish(m, nil); err != nil {
		m.Release()
		h.deadLetters.restore(letter)
		return fmt.Errorf("dead letter %d to %s: %w", number, letter.Target, h.refused(err))
	}
	return nil
}

// restore puts a dead letter back in its place.
func (d *deadLetters) restore(letter DeadLetter) {
	d.mu.Lock()
	defer d.mu.Unlock()
	i, _ := d.findLocked(letter.Number)
	d.kept = slices.Insert(d.kept, i, letter)
	d.bytes += len(letter.Payload)
	d.evictLocked()
}

// recordDead notes a message that cannot be handled; its owner keeps it.
func (h *Host) recordDead(m *core.Message, reason error) {
	kept := m.Payload
	if len(kept) > maxLetterBytes/4 {
		kept = kept[:letterStart]
	}
	h.deadLetters.add(DeadLetter{
		Time: time.Now(), Sender: m.Sender, Target: m.Target, Request: m.IsRequest(), Size: len(m.Payload),
		Payload: append([]byte{}, kept...), Reason: h.bounds.text(reason),
	})
	h.counts.deadLetters.Add(1) // last: a dead letter that counts can be read
}

// deadLetter ends a message that cannot be handled and of which nobody else is to
// be told.
func (h *Host) deadLetter(m *core.Message, reason error) {
	h.recordDead(m, reason)
	m.Release()
}
