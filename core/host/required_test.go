package host_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
)

// breaks panics at each message.
var breaks = behaviour{message: func(guest.Host, string, []byte) ([]byte, error) { panic("on purpose") }}

// failures returns the failed events that have come.
func failures(events <-chan host.Event) (failed []host.Event) {
	synctest.Wait()
	for len(events) > 0 {
		if e := <-events; e.Kind == host.EventFailed {
			failed = append(failed, e)
		} else if e.Required {
			failed = append(failed, e) // no other event says it
		}
	}
	return failed
}

// TestRequired: the event, the log and the status of a failed component say whether the
// program can do without it, after a deployment, an update and a replacement.
func TestRequired(t *testing.T) {
	for name, change := range map[string]func(*testHost, host.Deployment) error{
		"deployment":  func(*testHost, host.Deployment) error { return nil },
		"update":      func(h *testHost, d host.Deployment) error { return h.Update(h.t.Context(), d) },
		"replacement": func(h *testHost, d host.Deployment) error { return h.Replace(h.t.Context(), d) },
	} {
		for _, required := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					h := start(t, host.Config{})
					events, cancel := h.Subscribe(10)
					defer cancel()
					d := deployment("a/b", breaks)
					d.Restart.Policy = host.RestartTemporary
					d.Required = required == (name == "deployment")
					check(t, h.Deploy(t.Context(), d))
					d.Required = required
					check(t, change(h, d))
					equal(t, "required, while it runs", h.Components()[0].Required, required)
					check(t, h.Send(d.ID, nil))
					failed := failures(events)
					if len(failed) != 1 || failed[0].Required != required || failed[0].Component != d.ID || failed[0].Reason == nil {
						t.Errorf("events: got %+v, want one with required %v", failed, required)
					}
					status := h.Components()[0]
					equal(t, "state", status.State, "failed")
					equal(t, "required", status.Required, required)
					equal(t, "records with required", strings.Count(h.log.String(), "required=true"), map[bool]int{true: 1}[required])
					if required {
						contains(t, "log", h.log.String(), `level=ERROR msg="component failed" component=a/b`)
					}
				})
			})
		}
	}
}

// TestRequiredInstances: a required component has failed when all of its instances have, also
// those that an update has added or set free.
func TestRequiredInstances(t *testing.T) {
	for name, numbers := range map[string][]int{"deployed": {3}, "more": {1, 2}, "fewer": {3, 2}, "one left": {2, 1}, "others": {3, 3}} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				h := start(t, host.Config{})
				events, cancel := h.Subscribe(20)
				defer cancel()
				d := several("a/pool", numbers[0], "", sameFor(breaks))
				d.Restart.Policy = host.RestartTemporary
				d.Required = len(numbers) == 1
				check(t, h.Deploy(t.Context(), d))
				d.Required = true
				last := numbers[len(numbers)-1]
				if d.Instances = last; len(numbers) > 1 {
					check(t, h.Update(t.Context(), d))
				}
				for range last {
					if failed := failures(events); len(failed) > 0 {
						t.Errorf("events: got %+v before all instances had failed", failed)
					}
					check(t, h.Send(d.ID, nil))
				}
				if failed := failures(events); len(failed) != 1 || !failed[0].Required {
					t.Errorf("events: got %+v, want one, required", failed)
				}
			})
		})
	}
}

// TestRequiredFailsAgain: a required component that comes back after its cool-down, and fails
// again, says so again.
func TestRequiredFailsAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, host.Config{})
		events, cancel := h.Subscribe(20)
		defer cancel()
		d := deployment("a/b", breaks)
		d.Restart, d.Required = host.Restart{MaxRestarts: 1, CoolDown: time.Minute}, true
		check(t, h.Deploy(t.Context(), d))
		for range 2 {
			for h.Components()[0].State != "failed" {
				check(t, h.Send(d.ID, nil))
				synctest.Wait()
			}
			if failed := failures(events); len(failed) != 1 || !failed[0].Required {
				t.Errorf("events: got %+v, want one, required", failed)
			}
			<-time.After(time.Minute + time.Millisecond)
			equal(t, "state after its cool-down", h.Components()[0].State, "running")
		}
	})
}
