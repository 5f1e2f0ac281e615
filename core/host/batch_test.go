package host_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/airhost/airhost/brokers/inproc"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/trackers/slab"
)

// batchEngine has a single instance, which handles batches.
type batchEngine struct {
	core.Engine
	instance *batchInstance
}

func (e *batchEngine) Name() string                { return "batch" }
func (e *batchEngine) Close(context.Context) error { return nil }
func (e *batchEngine) Compile(_ context.Context, source core.Source, _ core.Limits) (core.Component, error) {
	if other, ok := source.Value.(*batchInstance); ok {
		return batchComponent{instance: other}, nil
	}
	return batchComponent{instance: e.instance}, nil
}

type batchComponent struct {
	core.Component
	instance *batchInstance
}

func (c batchComponent) Traits() core.Traits         { return core.Traits{Callback: !c.instance.pure} }
func (c batchComponent) Close(context.Context) error { return nil }
func (c batchComponent) Instantiate(_ context.Context, env core.Environment) (core.Instance, error) {
	c.instance.ended = env.Ended
	c.instance.lives++
	return c.instance, nil
}

// batchInstance waits in a single message until held is closed, so that other
// messages gather in its mailbox. It ends at the message number may of a batch.
type batchInstance struct {
	core.Instance
	held    chan struct{}
	may     int
	ended   func()
	dead    error // the next result of Health
	lives   int
	batches []int
	pure    bool // it exports no handle-callback
}

func (i *batchInstance) Initialize([]core.ConfigPair) error { return nil }
func (i *batchInstance) Shutdown() error                    { return nil }
func (i *batchInstance) Close() error                       { return nil }
func (i *batchInstance) Interrupt()                         {}

func (i *batchInstance) Health() (core.HealthStatus, error) {
	err := i.dead
	i.dead = nil
	return core.HealthHealthy, err
}

func (i *batchInstance) HandleMessage(_ core.ComponentID, message []byte, response *[]byte) error {
	<-i.held
	if response != nil {
		*response = append(*response, "alone"...)
	}
	return nil
}

func (i *batchInstance) HandleBatch(batch []core.Delivery, done func(int, []byte, error)) error {
	i.batches = append(i.batches, len(batch))
	for n := range batch {
		if n == i.may {
			return &core.TrapError{Kind: core.TrapFault, Text: "enough"}
		}
		if n == 1 {
			done(n, nil, &core.ComponentError{Case: core.CaseFailed, Text: "not this one"})
			continue
		}
		done(n, fmt.Appendf(nil, "in a batch: %s", batch[n].Message.Payload), nil)
	}
	return nil
}

var batchID = core.MustComponentID("test/batch")

// startBatch returns a host with the instance as its only component.
func startBatch(t *testing.T, instance *batchInstance) *host.Host {
	broker, err := inproc.New(inproc.Config{})
	check(t, err)
	tracker, err := slab.New(slab.Config{})
	check(t, err)
	h, err := host.New(host.Config{Logger: slog.New(slog.DiscardHandler)}, broker, tracker, &batchEngine{instance: instance})
	check(t, err)
	check(t, h.Start(t.Context()))
	check(t, h.Deploy(t.Context(), host.Deployment{ID: batchID, Engine: "batch"}))
	return h
}

// TestReplaceBatching: a version that takes batches gets the messages that wait.
func TestReplaceBatching(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old, next := &batchInstance{held: make(chan struct{}), may: -1}, &batchInstance{held: make(chan struct{}), may: -1}
		h := startBatch(t, old)
		check(t, h.Replace(t.Context(), host.Deployment{ID: batchID, Engine: "batch", Source: core.Source{Value: next}}))
		check(t, h.Send(batchID, []byte("hold")))
		synctest.Wait()
		for range 3 {
			check(t, h.Send(batchID, nil))
		}
		close(next.held)
		check(t, h.Quiesce(t.Context()))
		equal(t, "batches of the old version", len(old.batches), 0)
		equal(t, "batches of the new version", len(next.batches), 1)
		check(t, h.Stop(t.Context()))
	})
}

// TestOutcomesInABatch: a batch leaves out the outcomes of requests that an earlier version has
// sent, if this one has no handle-callback. They leave their places to others.
func TestOutcomesInABatch(t *testing.T) {
	bubble(t, func(t *testing.T) {
		next := &batchInstance{held: make(chan struct{}), may: -1, pure: true}
		p := parts{broker: newInproc, tracker: newSlab, others: []core.Engine{&batchEngine{instance: next}}}
		r := startReplacing(t, p)
		r.asks = 3
		check(t, r.Replace(t.Context(), r.deployment(r.version("asks"))))
		for range 3 {
			r.tell("ask")
		}
		check(t, r.Replace(t.Context(), host.Deployment{ID: id("a/asker"), Engine: "batch", Limits: core.Limits{HandlerTime: time.Hour}}))
		r.tell("hold")
		close(r.release)
		<-time.After(20 * time.Millisecond)
		equal(t, "outcomes that wait", r.component("a/asker").Waiting, 3)
		close(next.held)
		equal(t, "outcomes that nobody took", r.balance().Orphans, 3)
		r.replaceBy(r.version("last"))
		for range 3 {
			r.tell("ask")
			check(t, r.refused)
		}
	})
}

// TestBatch: an instance gets all waiting messages at once. Each message has an
// outcome of its own. If the instance ends, the messages that it has not handled end
// too.
func TestBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		instance := &batchInstance{held: make(chan struct{}), may: 3}
		h := startBatch(t, instance)
		check(t, h.Send(batchID, []byte("hold")))
		type outcome struct {
			response []byte
			err      error
		}
		outcomes := make([]outcome, 5)
		for n := range outcomes {
			go func() {
				response, err := h.Request(t.Context(), batchID, fmt.Append(nil, n))
				outcomes[n] = outcome{response, err}
			}()
			synctest.Wait() // the request waits in the mailbox
		}
		close(instance.held)
		synctest.Wait()
		for n, o := range outcomes {
			switch {
			case n == 1 && !errors.Is(o.err, core.ErrRequestFailed):
				t.Errorf("request 1: %v, want the guest's error", o.err)
			case n > 2 && !errors.Is(o.err, core.ErrRequestTrapped):
				t.Errorf("request %d: %v, want trapped", n, o.err)
			case (n == 0 || n == 2) && string(o.response) != fmt.Sprint("in a batch: ", n):
				t.Errorf("request %d: %q, %v", n, o.response, o.err)
			}
		}
		if a, b := new(core.RequestError), new(core.RequestError); !errors.As(outcomes[3].err, &a) || !errors.As(outcomes[4].err, &b) || a != b {
			t.Errorf("requests that ended with the instance got %p and %p, want the same reason, which is kept once", a, b)
		}
		check(t, h.Stop(context.Background()))
		if len(instance.batches) != 1 || instance.batches[0] != 5 {
			t.Errorf("batches %v, want one of 5", instance.batches)
		}
		if s := h.Snapshot(); s.Handled != 4 || s.DeadLetters != 2 || s.Traps != 1 || s.Restarts != 1 {
			t.Errorf("counters %+v, want 4 handled, 2 dead letters, 1 trap, 1 restart", s)
		}
	})
}

// TestExpiredInABatch: a batch leaves out expired requests. If all have expired,
// there is no batch.
func TestExpiredInABatch(t *testing.T) {
	for waiting, batches := range map[int]int{0: 0, 1: 1} {
		synctest.Test(t, func(t *testing.T) {
			instance := &batchInstance{held: make(chan struct{}), may: 10}
			h := startBatch(t, instance)
			check(t, h.Send(batchID, []byte("hold")))
			ctx, cancel := context.WithCancel(t.Context())
			for range 3 {
				go func() { _, _ = h.Request(ctx, batchID, nil) }()
			}
			synctest.Wait()
			for range waiting {
				check(t, h.Send(batchID, nil))
			}
			cancel()
			synctest.Wait()
			close(instance.held)
			check(t, h.Quiesce(t.Context()))
			if s := h.Snapshot(); s.Expired != 3 || int(s.Handled) != 1+waiting || len(instance.batches) != batches || s.Waiting != 0 {
				t.Errorf("%d in %v batches and %+v, want all but 3 handled", waiting, instance.batches, s)
			}
			check(t, h.Stop(context.Background()))
		})
	}
}

// TestEndedBetweenCalls: the host replaces an instance that reports its end between
// two calls, without waiting for a message.
func TestEndedBetweenCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		instance := &batchInstance{dead: &core.TrapError{Text: "gone"}}
		h := startBatch(t, instance)
		instance.ended()
		synctest.Wait()
		if instance.lives != 2 {
			t.Errorf("it was made %d times, want twice", instance.lives)
		}
		check(t, h.Stop(context.Background()))
	})
}
