package allengines

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
)

// TestInstances: while an instance is in a call that does not end, another one of the same
// component answers. Their number changes while requests come in, and each request has its
// response.
func TestInstances(t *testing.T) {
	for _, e := range endingEngines(t) {
		t.Run(e.name, func(t *testing.T) {
			engine, err := e.open()
			check(t, err)
			release := make(chan struct{})
			h := startLogging(t, slog.DiscardHandler, engine)
			d := host.Deployment{
				ID: id("t/a"), Engine: e.name, Source: e.sources(release)[0], Capabilities: all(), Instances: 2,
				Limits: core.Limits{HandlerTime: time.Hour}, Quota: host.Quota{Burst: 1e6},
			}
			check(t, h.Deploy(within(t), d))
			answered(t, h, d.ID, func() {
				random := rand.New(rand.NewPCG(16, 0))
				for n := range 6 {
					d.Instances = 1 + random.IntN(4)
					if n%3 == 2 {
						check(t, h.Replace(within(t), d))
					} else {
						check(t, h.Update(within(t), d))
					}
				}
			})
			d.Instances = 2
			check(t, h.Update(within(t), withoutSource(d)))
			check(t, h.Quiesce(within(t)))
			before := h.Snapshot()
			check(t, h.Send(d.ID, []byte("on and on")))
			for range 20 {
				if _, err := h.Request(within(t), d.ID, []byte("echo")); err != nil {
					t.Fatal(err)
				}
			}
			s, limit := h.Snapshot(), within(t)
			for s.Handled < before.Handled+20 && limit.Err() == nil { // the last response comes before it is counted
				<-time.After(time.Millisecond)
				s = h.Snapshot()
			}
			if s.Handled != before.Handled+20 || s.Traps != 0 {
				t.Errorf("20 requests have their responses, and a message has none yet: %+v", s)
			}
			close(release)
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			_ = h.Stop(ctx) // it says that the message was not handled
			check(t, engine.Close(within(t)))
		})
	}
}

// answered sends requests until do has returned. Each of them must have its response.
func answered(t *testing.T, h *host.Host, target core.ComponentID, do func()) {
	t.Helper()
	stop := make(chan struct{})
	var callers sync.WaitGroup
	defer callers.Wait()
	defer close(stop)
	for range 3 {
		callers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if response, err := h.Request(within(t), target, []byte("echo")); err != nil || len(response) == 0 {
					t.Errorf("response %q, %v", response, err)
					return
				}
			}
		})
	}
	do()
}

// withoutSource is a deployment for an update of the code that is deployed.
func withoutSource(d host.Deployment) host.Deployment {
	d.Source = core.Source{}
	return d
}
