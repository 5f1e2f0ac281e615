package host_test

import (
	"context"
	"testing"
	"time"

	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
)

// TestAccept: a component takes as many messages as its rate and burst allow, from anyone
// and by each way, and the next one is refused with queue-full.
func TestAccept(t *testing.T) {
	const burst = 20
	ways := map[string]func(h *testHost) error{
		"message":  func(h *testHost) error { return h.Send(id("a/shy"), nil) },
		"request":  func(h *testHost) error { _, err := h.Request(context.Background(), id("a/shy"), nil); return err },
		"deadline": func(h *testHost) error { _, err := h.request("a/shy", ""); return err },
		"many": func(h *testHost) error {
			return h.RequestMany(context.Background(), id("a/shy"), make([]host.Request, 5))
		},
		"component": func(h *testHost) error { _, err := h.request("a/sender", ""); return err },
	}
	each := map[string]int{"many": 5}
	for name, send := range ways {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				h := start(t, host.Config{})
				d := deployment("a/shy", echo)
				d.Accept = host.Accept{MessagesPerSecond: 10, Burst: burst}
				check(t, h.Deploy(t.Context(), d))
				forward := behaviour{message: func(g guest.Host, _ string, _ []byte) ([]byte, error) {
					err := g.Send("a/shy", nil)
					return nil, err
				}}
				h.deploy("a/sender", forward)
				n := max(1, each[name])
				for i := range burst / n {
					if err := send(h); err != nil {
						t.Fatalf("%d of %d: %v", i, burst/n, err)
					}
				}
				h.quiesce()
				err := send(h)
				contains(t, "one more", err.Error(), "queue-full: a/shy: accept.messages_per_second")
				<-time.After(100 * time.Millisecond * time.Duration(n))
				check(t, send(h))
				s := h.balance()
				if handled := h.Components()[1].Counters.Handled; name != "component" && handled != uint64(burst+n) {
					t.Errorf("handled %d of %+v, want %d", handled, s, burst+n)
				}
			})
		})
	}
}

// TestAcceptDoesNotCountOutcomes: the outcomes of a component's own requests come in any case.
func TestAcceptDoesNotCountOutcomes(t *testing.T) {
	h := start(t, host.Config{})
	h.deploy("a/echo", echo)
	o := newOutcomes()
	d := deployment("a/asker", o.requester("a/echo", 0))
	d.Accept = host.Accept{MessagesPerSecond: 1}
	check(t, h.Deploy(within(t), d))
	_, err := h.request("a/asker", "ping")
	check(t, err)
	h.balance()
}

func TestAcceptMistakes(t *testing.T) {
	h := start(t, host.Config{})
	for name, accept := range map[string]host.Accept{
		"accept.messages_per_second": {MessagesPerSecond: -1}, "accept.burst": {MessagesPerSecond: 1, Burst: -1},
		"accept.burst needs accept.messages_per_second": {Burst: 1},
	} {
		d := deployment("a/shy", echo)
		d.Accept = accept
		err := h.Deploy(within(t), d)
		isError(t, name, err, host.ErrInvalidDeployment)
		contains(t, name, err.Error(), name)
	}
}
