package host_test

import (
	"testing"
	"time"

	"github.com/airhost/airhost/core"
)

// napping is a provider that waits in a call, and does not run, unless it takes from first.
func napping(first chan struct{}, nap time.Duration) *toy {
	return &toy{traits: core.Traits{CountsRunningTime: true, Enforces: core.LimitHandlerWallTime}, answer: func(i *toyInstance, _ core.ComponentID, message []byte) ([]byte, error) {
		select {
		case <-first:
			return message, nil
		default:
		}
		select {
		case <-time.After(nap):
			return message, nil
		case <-i.interrupted:
			return nil, &core.TrapError{Kind: core.TrapHandler, Text: "interrupted"}
		}
	}}
}

// A provider that waits for longer than its caller may does not end its caller.
func TestFunctionOfSleepingComponent(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, provides(map[string]string{"nap": "b/y"}))
		x := &toy{answer: func(i *toyInstance, _ core.ComponentID, message []byte) ([]byte, error) {
			got := i.call("f/nap", "")
			select {
			case <-i.interrupted:
				return nil, &core.TrapError{Kind: core.TrapHandler, Text: "interrupted"}
			default:
				return []byte(got), nil
			}
		}}
		x.traits.Enforces = core.LimitHandlerWallTime
		d := callerDeployment(t, "a/x", x)
		d.Limits.HandlerTime, d.Limits.HandlerWallTime = 100*time.Millisecond, time.Second
		check(t, h.Deploy(within(t), d))
		first := make(chan struct{}, 1)
		d = toyDeployment("b/y", napping(first, 3*time.Second))
		d.Limits.HandlerTime, d.Limits.HandlerWallTime = 100*time.Millisecond, 5*time.Second
		check(t, h.Deploy(within(t), d))
		first <- struct{}{}
		h.calls("", "ok: ")
		h.calls("", "unavailable: f/nap did not end in time")
		check(t, h.Quiesce(within(t)))
	})
}
