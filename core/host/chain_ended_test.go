package host_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
)

// lastingToy is a toy. Its first instance reports in its third call that it has ended, as
// an engine does if something fails after the guest's handler.
type lastingToy struct {
	toy
	instances, late atomic.Int32
}

func (l *lastingToy) Traits() core.Traits {
	return core.Traits{Interruptible: true, Management: true}
}

func (l *lastingToy) Instantiate(ctx context.Context, env core.Environment) (core.Instance, error) {
	in, err := l.toy.Instantiate(ctx, env)
	return &lastingInstance{toyInstance: in.(*toyInstance), of: l, first: l.instances.Add(1) == 1}, err
}

type lastingInstance struct {
	*toyInstance
	of           *lastingToy
	first, ended bool
	calls        int
}

var errEnded = &core.TrapError{Kind: core.TrapFault, Text: "it has ended"}

func (i *lastingInstance) HandleMessage(core.ComponentID, []byte, *[]byte) error {
	if i.ended {
		i.of.late.Add(1)
		return errEnded
	}
	if i.calls++; i.first && i.calls == 3 {
		i.ended = true
		i.env.Ended()
	}
	return i.env.Host.SendMessage([]byte("a/one"), nil)
}

func (i *lastingInstance) Health() (core.HealthStatus, error) {
	if i.ended {
		return 0, errEnded
	}
	return core.HealthHealthy, nil
}

// TestInstanceThatEndsAfterItsCall: the message of the call is delivered, the outcome
// stands, and the next message of the chain is for the next instance.
func TestInstanceThatEndsAfterItsCall(t *testing.T) {
	bubble(t, func(t *testing.T) {
		toy := &lastingToy{}
		h := start(t, host.Config{Workers: 1})
		d := toyDeployment("a/toy", &toy.toy)
		d.Source.Value = toy
		check(t, h.Deploy(t.Context(), d))
		var sent int
		h.deploy("a/one", behaviour{message: func(g guest.Host, _ string, _ []byte) ([]byte, error) {
			if sent++; sent > 10 {
				return nil, nil
			}
			return nil, g.Send("a/toy", nil)
		}})
		check(t, h.Send(id("a/one"), nil))
		synctest.Wait()
		status := h.component("a/toy")
		equal(t, "messages to an instance that has ended", toy.late.Load(), 0)
		equal(t, "traps of a/toy", status.Counters.Traps, 1)
		equal(t, "dead letters", h.Snapshot().DeadLetters, 0)
		h.balance()
	})
}
