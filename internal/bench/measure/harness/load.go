package harness

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/airhost/airhost/internal/bench/data/cells"
	"github.com/airhost/airhost/internal/bench/measure/guests"
	"github.com/airhost/airhost/internal/bench/measure/sampling"
)

// Load is a cell of mode load that is ready to be measured: a Go program sends
// messages at a fixed rate, from one goroutine. The latency of each counts from the
// time at which it should have been sent. It ends
//
//   - with fire-and-forget, when the report of the last component has arrived: the
//     program sends the message to the first component, and each one sends it on to
//     the next;
//   - with request-response, when the report of the first component has arrived:
//     the program's message makes it send a request to the second one, and its
//     callback checks the response;
//   - with call, when the response to the program's request has arrived.
//
// The reports go to a component written in Go. At most [InFlight] messages are under
// way. One goroutine at a time uses a load.
type Load struct {
	harness   *Harness
	generator *Generator
	message   []byte
	response  []byte // of the last call
	hops      uint64 // operations of the pattern in each message
	perSecond float64
	window    Window
	claimed   int    // messages in the run under way
	seen      uint64 // the value of lookInto at the last call of stuck
}

var _ sampling.Paced = (*Load)(nil)

// NewLoad starts the cell's host and deploys its guests. The caller closes the load.
// The key's share of the highest rate must be above 0.
func NewLoad(ctx context.Context, key cells.Key, parts Parts) (*Load, error) {
	if key.LoadPercent < 1 {
		return nil, fmt.Errorf("setting up %s: a load of %d %%, want at least 1", key, key.LoadPercent)
	}
	h := newHarness(key, parts)
	l := &Load{harness: h, hops: 1}
	op := opening(key.Pattern)
	send := l.send
	switch key.Pattern {
	case cells.FireAndForget:
		l.hops = uint64(len(h.rings[0]) - 1)
	case cells.Call:
		op, send = guests.OpEcho, l.call
	}
	l.message = guests.NewMessage(op, l.hops, key.PayloadBytes)
	l.generator = NewGenerator(GeneratorConfig{
		Send: send, InFlight: InFlight, Patience: h.patience, Stuck: l.stuck, Clock: parts.Clock,
	})
	if err := h.start(ctx, parts, l.report); err != nil {
		return nil, err
	}
	return l, nil
}

// send begins an operation by a message to the first component.
func (l *Load) send(sequence uint64) error {
	guests.SetSequence(l.message, sequence)
	return l.harness.host.Send(l.harness.starts[0], l.message)
}

// call begins and ends an operation: the response is there when AppendRequest returns.
func (l *Load) call(sequence uint64) error {
	guests.SetSequence(l.message, sequence)
	response, err := l.harness.host.AppendRequest(background, l.response[:0], l.harness.starts[0], l.message)
	if err != nil {
		return err
	}
	l.response = response
	if !bytes.Equal(response, l.message) {
		return ErrResponse
	}
	l.generator.Complete(sequence)
	return nil
}

// report takes a guest's report: each hop has added one to the sequence.
func (l *Load) report(done guests.Done) {
	if done.Status != guests.Finished {
		l.generator.Fail(&UnfinishedError{done})
		return
	}
	l.generator.Complete(done.Sequence - l.hops)
}

// stuck returns an error if the messages that are under way cannot end any more.
func (l *Load) stuck(ctx context.Context) error {
	return l.harness.lookInto(ctx, l.claimed, &l.seen)
}

// Name implements [sampling.Subject].
func (l *Load) Name() string { return l.harness.Name() }

// Run sends n messages at the cell's rate, and returns the time until the end of the
// last. The first Run finds the highest rate before; the cell's share of it holds for
// all runs. Errors are those of [Harness.Run], and of [Generator].
func (l *Load) Run(ctx context.Context, n int) (time.Duration, error) {
	defer l.harness.confine()()
	if l.perSecond == 0 {
		highest, err := l.highestRate(ctx)
		if err != nil {
			return 0, fmt.Errorf("finding out the highest rate: %w", err)
		}
		l.perSecond = highest * float64(l.harness.key.LoadPercent) / 100
	}
	l.claimed = n
	window, err := l.generator.Run(ctx, n, l.perSecond)
	l.window = window
	return window.Elapsed, err
}

const (
	// spells is the number of tries to find the highest rate.
	spells = 5
	// spellTime is the least time of one of them.
	spellTime = 50 * time.Millisecond
)

// highestRate returns the highest rate that was seen in several short spells, with as
// many messages under way as there may be.
func (l *Load) highestRate(ctx context.Context) (perSecond float64, err error) {
	n := InFlight
	for spell := 0; spell < spells; {
		l.claimed = n
		elapsed, err := l.generator.Saturate(ctx, n)
		if err == nil {
			err = l.Verify(ctx, n)
		}
		if err != nil {
			return 0, err
		}
		if elapsed < spellTime {
			n *= 2
			continue
		}
		perSecond = max(perSecond, float64(n)/elapsed.Seconds())
		spell++
	}
	return perSecond, nil
}

// Verify implements [sampling.Subject]: it compares the guests' counters with those
// that n messages must add up to. A difference is a [CountError].
func (l *Load) Verify(ctx context.Context, n int) error {
	messages := uint64(n)
	return l.harness.verify(ctx, expected(l.harness.key.Pattern, messages*l.hops, messages))
}

// Tails implements [sampling.Paced]. There must have been a Run.
func (l *Load) Tails() sampling.Tails {
	return sampling.Tails{Latency: l.window.Latencies.Clone(), PerSecond: l.perSecond, Late: l.window.Late}
}

// Close stops the host.
func (l *Load) Close() error { return l.harness.Close() }
