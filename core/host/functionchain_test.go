package host_test

import (
	"context"
	"testing"
	"time"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
)

// TestFunctionDeadlineOfGuestsRequest: the deadline of a function is that of the request which its
// caller handles, from the moment in which a guest sent the request, by whatever way that came.
func TestFunctionDeadlineOfGuestsRequest(t *testing.T) {
	everyPart(t, func(t *testing.T, p parts) {
		bubble(t, func(t *testing.T) {
			var left []time.Duration
			h := p.start(t, host.Config{Workers: 1, Functions: map[string]host.Function{
				"f/left": func(ctx context.Context, _ core.ComponentID, _ []byte) ([]byte, error) {
					deadline, _ := ctx.Deadline()
					left = append(left, time.Until(deadline))
					return nil, nil
				},
			}})
			target := deployment("a/target", behaviour{message: func(g guest.Host, _ string, _ []byte) ([]byte, error) {
				<-time.After(200 * time.Millisecond)
				_, err := g.Call("f/left", nil)
				return nil, err
			}})
			target.Capabilities.Call = grant(t, "f/*")
			check(t, h.Deploy(t.Context(), target))
			h.deploy("a/asker", behaviour{
				message: func(g guest.Host, _ string, _ []byte) ([]byte, error) {
					_, err := g.Request("a/target", nil, 300*time.Millisecond)
					return nil, err
				},
				callback: func(_ guest.Host, _ guest.RequestID, _ []byte, failure error) error { return failure },
			})
			for range 4 { // the first one makes the way known
				check(t, h.Send(id("a/asker"), nil))
				h.quiesce()
			}
			equal(t, "calls", len(left), 4)
			for _, d := range left {
				if d < 90*time.Millisecond || d > 102*time.Millisecond {
					t.Errorf("%v are left, want 100 ms of 300", d)
				}
			}
			h.balance()
		})
	})
}
