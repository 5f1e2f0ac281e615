package microbench

import (
	"context"
	"encoding/binary"
	"time"

	"go.uber.org/fx"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/bench/data/cells"
)

// checks measures the messages of a component without a guest up to the broker, which
// refuses them at once.
func (p *part) checks(ctx context.Context, key cells.Key, parts Parts) error {
	gone := new(nowhere)
	parts.Broker = fx.Provide(fx.Annotate(func() core.Broker { return gone }, fx.ResultTags(`group:"brokers"`)))
	parts.Tracker = fx.Provide(fx.Annotate(func() core.Tracker { return noRequests{} }, fx.ResultTags(`group:"trackers"`)))
	var elapsed time.Duration
	payload, to := make([]byte, key.PayloadBytes), []byte(answererID.String())
	sender := func(services core.Services, message []byte, _ *[]byte) error {
		start := time.Now()
		for range binary.LittleEndian.Uint64(message) {
			if err := services.SendMessage(to, payload); err != nil {
				return err
			}
		}
		elapsed = time.Since(start)
		return nil
	}
	h, err := p.openHost(ctx, parts, behaviour{message: sender})
	if err != nil {
		return err
	}
	p.chunk = manyOps
	// A call whose context has no end runs on this goroutine.
	background := context.Background()
	p.do = func(_ context.Context, n int) (time.Duration, error) {
		_, err := h.Request(background, askerID, binary.LittleEndian.AppendUint64(nil, uint64(n)))
		return elapsed, err
	}
	return p.verifyBy(1, func() (int, error) { return gone.messages, nil })
}

// nowhere is a broker that drops each message to a component that the host does not
// have. Only the goroutine of its one sender uses it.
type nowhere struct {
	attached core.Receiver // the sender
	messages int
}

var (
	_ core.Broker   = (*nowhere)(nil)
	_ core.Receiver = (*nowhere)(nil)
)

// Open implements [core.Broker].
func (*nowhere) Open(context.Context, core.Origin) error { return nil }

// Attach implements [core.Broker].
func (n *nowhere) Attach(_ core.ComponentID, r core.Receiver) error {
	n.attached = r
	return nil
}

// Detach implements [core.Broker].
func (*nowhere) Detach(core.ComponentID) {}

// Route implements [core.Broker].
func (n *nowhere) Route(target core.ComponentID) (core.Receiver, error) {
	if target == askerID {
		return n.attached, nil
	}
	return n, nil
}

// Close implements [core.Broker].
func (*nowhere) Close(context.Context) error { return nil }

// Deliver implements [core.Receiver].
func (n *nowhere) Deliver(m *core.Message) error {
	n.messages++
	m.Release()
	return nil
}

// noRequests is the tracker of a host without requests.
type noRequests struct{}

var _ core.Tracker = noRequests{}

// Register implements [core.Tracker].
func (noRequests) Register(core.Waiter, time.Duration) (core.RequestID, error) {
	return 0, core.ErrClosed
}

// Resolve implements [core.Tracker].
func (noRequests) Resolve(core.RequestID) (core.Waiter, bool) { return nil, false }

// Cancel implements [core.Tracker].
func (noRequests) Cancel(core.RequestID, core.Waiter) bool { return false }

// Remove implements [core.Tracker].
func (noRequests) Remove(core.Waiter) []core.RequestID { return nil }

// Pending implements [core.Tracker].
func (noRequests) Pending() int { return 0 }

// IsPending implements [core.Tracker].
func (noRequests) IsPending(core.RequestID) bool { return false }

// Close implements [core.Tracker].
func (noRequests) Close() error { return nil }
