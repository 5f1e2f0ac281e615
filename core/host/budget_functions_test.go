package host_test

import (
	"context"
	"testing"
	"time"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
)

// TestFunctionOfPausedComponent: a call of a function waits until its provider has running time,
// and the caller's wait takes none of its own namespace.
func TestFunctionOfPausedComponent(t *testing.T) {
	for _, instances := range []int{1, 2} {
		bubble(t, func(t *testing.T) {
			config := provides(map[string]string{"slow": "b/y"})
			config.Budgets = map[string]host.Budget{"a": {RunningTime: time.Second}, "b": {RunningTime: 200 * time.Millisecond}}
			h := start(t, config)
			d := callerDeployment(t, "a/x", caller())
			check(t, h.Deploy(t.Context(), d))
			d = toyDeployment("b/y", &toy{answer: func(*toyInstance, core.ComponentID, []byte) ([]byte, error) {
				<-time.After(200 * time.Millisecond)
				return []byte("done"), nil
			}})
			d.Instances = instances
			check(t, h.Deploy(t.Context(), d))
			began := time.Now()
			for range 5 {
				got, err := h.Request(context.Background(), id("a/x"), []byte("f/slow x"))
				check(t, err)
				equal(t, "answer", string(got), "ok: done")
			}
			if took := time.Since(began); took < 3*time.Second {
				t.Errorf("5 calls of 200 ms took %v, want 3.4 s with 200 ms in a second", took)
			}
			if ran := h.budget("a").Ran; ran > 100*time.Millisecond {
				t.Errorf("the caller took %v of its own running time, want next to nothing", ran)
			}
			if ran := h.budget("b").Ran; ran < time.Second || ran > 1100*time.Millisecond {
				t.Errorf("the provider took %v of its running time, want 1 s", ran)
			}
			h.balance()
			check(t, h.Stop(t.Context()))
		})
	}
}
