package host_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
)

// sizedToy is a toy whose instances know their memory: 1000 bytes while they rest, and 1
// byte else.
type sizedToy struct{ *toy }

func (s sizedToy) Instantiate(ctx context.Context, env core.Environment) (core.Instance, error) {
	starting, sized := env.Starting, &sizedInstance{}
	env.Starting = func(in core.Instance) {
		sized.toyInstance = in.(*toyInstance)
		starting(sized)
	}
	_, err := s.toy.Instantiate(ctx, env)
	return sized, err
}

type sizedInstance struct {
	*toyInstance
	gone atomic.Bool
}

var _ core.Sizer = (*sizedInstance)(nil)

func (i *sizedInstance) MemorySize(resting bool) int64 {
	if i.gone.Load() {
		panic("MemorySize after Close")
	}
	if resting {
		return 1000
	}
	return 1
}

func (i *sizedInstance) Close() error {
	i.gone.Store(true)
	return i.toyInstance.Close()
}

func TestMemory(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := sizedHost(t)
		release := make(chan struct{})
		d := toyDeployment("a/sized", &toy{message: func(*toyInstance, []byte) error { <-release; return nil }})
		d.Source.Value = sizedToy{d.Source.Value.(*toy)}
		d.Instances = 3
		check(t, h.Deploy(within(t), d))
		check(t, h.Deploy(within(t), toyDeployment("a/unsized", &toy{})))
		synctest.Wait()
		equal(t, "memory of three instances", h.component("a/sized").Memory, 3000)
		equal(t, "memory that the engine does not know", h.component("a/unsized").Memory, 0)
		equal(t, "memory of all", h.Snapshot().Memory, 3000)

		check(t, h.Send(id("a/sized"), []byte("wait")))
		synctest.Wait()
		equal(t, "memory with one in a call", h.component("a/sized").Memory, 2001)
		equal(t, "memory of all with one in a call", h.Snapshot().Memory, 2001)
		close(release)
		synctest.Wait()
		equal(t, "memory after the call", h.component("a/sized").Memory, 3000)

		check(t, h.Undeploy(t.Context(), id("a/sized")))
		equal(t, "memory of all in the end", h.Snapshot().Memory, 0)
	})
}

// TestMemoryAtAnyTime: the host asks no instance that has been closed.
func TestMemoryAtAnyTime(t *testing.T) {
	h := sizedHost(t)
	d := toyDeployment("a/sized", &toy{message: func(*toyInstance, []byte) error {
		return &core.TrapError{Kind: core.TrapFault, Text: "the end"}
	}})
	d.Source.Value = sizedToy{d.Source.Value.(*toy)}
	check(t, h.Deploy(within(t), d))
	stop := make(chan struct{})
	var operators sync.WaitGroup
	for range 2 {
		operators.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					h.Components()
					h.Snapshot()
				}
			}
		})
	}
	for range 200 {
		if err := h.Send(d.ID, []byte("x")); err != nil && !errors.Is(err, core.ErrUnavailable) {
			t.Fatal(err)
		}
		if err := h.Restart(within(t), d.ID); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	operators.Wait()
}

// sizedHost returns a host whose engine of toys hides nothing of their instances.
func sizedHost(t *testing.T) *testHost {
	return parts{broker: newInproc, tracker: newSlab, plain: true}.start(t, host.Config{})
}
