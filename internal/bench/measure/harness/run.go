package harness

import (
	"context"
	"fmt"
	"time"

	"github.com/airhost/airhost/guest"
	"github.com/airhost/airhost/internal/bench/data/cells"
	"github.com/airhost/airhost/internal/bench/measure/guests"
)

// reporter is the component that guests report to.
type reporter struct{ report func(guests.Done) }

// HandleMessage passes the report on.
func (r reporter) HandleMessage(_ guest.Host, _ string, message []byte) ([]byte, error) {
	done, err := guests.ParseDone(message)
	if err != nil {
		return nil, err
	}
	r.report(done)
	return nil, nil
}

// report tells await of the end of a run. It drops a report for which the channel has
// no room: no await waits for it.
func (h *Harness) report(done guests.Done) {
	select {
	case h.reports <- done:
	default:
	}
}

// Run does n operations, divided among all components that begin a run. A message
// that never arrives is a [LostError], one that nobody handles a [StalledError],
// and a run that a guest ends early an [UnfinishedError].
func (h *Harness) Run(ctx context.Context, n int) (time.Duration, error) { return h.run(ctx, n) }

// runOne does n operations with one message in flight in each ring.
func (h *Harness) runOne(ctx context.Context, n int) (time.Duration, error) {
	if h.key.Pattern == cells.Call {
		return h.calls(ctx, n)
	}
	return h.runs(ctx, n)
}

// opening is the operation of the message that begins a run of the pattern.
func opening(pattern cells.Pattern) byte {
	if pattern == cells.RequestResponse {
		return guests.OpStart
	}
	return guests.OpBall
}

// runs starts all runs and waits for their ends.
func (h *Harness) runs(ctx context.Context, n int) (time.Duration, error) {
	message := guests.NewMessage(opening(h.key.Pattern), 0, h.key.PayloadBytes)
	start := time.Now()
	for i, target := range h.starts {
		guests.SetNumber(message, uint64(h.share(n, i)))
		if err := h.host.Send(target, message); err != nil {
			return 0, fmt.Errorf("starting a run of %s: %w", target, err)
		}
	}
	err := h.await(ctx, n)
	return time.Since(start), err
}

// share is the number of operations, of n, that the i-th run does.
func (h *Harness) share(n, i int) int {
	share := n / len(h.starts)
	if i < n%len(h.starts) {
		share++
	}
	return share
}

// await waits for the report of every run.
func (h *Harness) await(ctx context.Context, n int) error {
	patience := time.NewTimer(h.patience)
	defer patience.Stop()
	var seen uint64
	for left := len(h.starts); left > 0; {
		select {
		case done := <-h.reports:
			if done.Status != guests.Finished {
				return &UnfinishedError{done}
			}
			left--
		case <-ctx.Done():
			return ctx.Err()
		case <-patience.C:
			if err := h.lookInto(ctx, n, &seen); err != nil {
				return err
			}
			patience.Reset(h.patience)
		}
	}
	return nil
}

// lookInto returns an error if the run cannot end any more: nothing is under way and
// no report came, or nothing has been handled since the last look. seen is the number
// of messages that had been handled by then.
func (h *Harness) lookInto(ctx context.Context, n int, seen *uint64) error {
	bounded, cancel := context.WithTimeout(ctx, h.patience)
	defer cancel()
	if err := h.host.Quiesce(bounded); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return h.moved(seen)
	}
	if len(h.reports) > 0 {
		return nil
	}
	now, err := h.count(ctx)
	if err != nil {
		return err
	}
	return &LostError{minus(now, h.known), n}
}

// moved returns a [StalledError] if nothing has been handled since seen was set.
func (h *Harness) moved(seen *uint64) error {
	s := h.host.Snapshot()
	moved := s.Handled + s.Callbacks
	if moved == *seen {
		return &StalledError{s.Waiting, s.Pending}
	}
	*seen = moved
	return nil
}

// Verify compares the guests' counters with those that one Run of n operations must
// add. A difference is a [CountError].
func (h *Harness) Verify(ctx context.Context, n int) error {
	return h.verify(ctx, expected(h.key.Pattern, uint64(n), uint64(len(h.starts))))
}

// verify compares the rise of the guests' counters with want.
func (h *Harness) verify(ctx context.Context, want guests.Counters) error {
	now, err := h.count(ctx)
	if err != nil {
		return err
	}
	got := minus(now, h.known)
	h.known = now
	if got != want {
		return &CountError{got, want}
	}
	return nil
}

// expected is the rise of the guests' counters with n operations in as many runs as
// starts. The guests handle the message that starts a run, too.
func expected(pattern cells.Pattern, n, starts uint64) guests.Counters {
	switch pattern {
	case cells.FireAndForget:
		return guests.Counters{Handled: n + starts, Sent: n}
	case cells.RequestResponse:
		return guests.Counters{Handled: n + starts, Sent: n, Callbacks: n}
	}
	return guests.Counters{Handled: n}
}

// count asks all guests for their counters, and adds them up.
func (h *Harness) count(ctx context.Context) (sum guests.Counters, err error) {
	for _, ring := range h.rings {
		for _, id := range ring {
			response, err := h.host.Request(ctx, id, []byte{guests.OpCount})
			if err != nil {
				return sum, fmt.Errorf("asking %s for its counters: %w", id, err)
			}
			counters, err := guests.ParseCounters(response)
			if err != nil {
				return sum, fmt.Errorf("asking %s for its counters: %w", id, err)
			}
			sum = plus(sum, counters)
		}
	}
	return sum, nil
}

func plus(a, b guests.Counters) guests.Counters {
	return guests.Counters{
		Handled: a.Handled + b.Handled, Sent: a.Sent + b.Sent, Refused: a.Refused + b.Refused,
		Callbacks: a.Callbacks + b.Callbacks, CallbacksFailed: a.CallbacksFailed + b.CallbacksFailed,
		Mismatches: a.Mismatches + b.Mismatches,
	}
}

func minus(a, b guests.Counters) guests.Counters {
	return guests.Counters{
		Handled: a.Handled - b.Handled, Sent: a.Sent - b.Sent, Refused: a.Refused - b.Refused,
		Callbacks: a.Callbacks - b.Callbacks, CallbacksFailed: a.CallbacksFailed - b.CallbacksFailed,
		Mismatches: a.Mismatches - b.Mismatches,
	}
}
