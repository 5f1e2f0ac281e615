package host_test

import (
	"context"
	"errors"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
)

// watched are counters that must not go back, by name.
type watched map[string]uint64

// numbersOf adds all fields of type uint64 of a struct, and of structs and maps in it.
func (w watched) numbersOf(prefix string, v reflect.Value) {
	for i := range v.NumField() {
		name, field := prefix+v.Type().Field(i).Name, v.Field(i)
		switch {
		case field.Kind() == reflect.Uint64:
			w[name] = field.Uint()
		case field.Kind() == reflect.Struct && v.Type().Field(i).Type == reflect.TypeFor[host.ComponentCounters]():
			w.numbersOf(name+".", field)
		case field.Kind() == reflect.Map:
			for _, key := range field.MapKeys() {
				w[name+"."+key.String()] = field.MapIndex(key).Uint()
			}
		}
	}
}

// operate reads all counters until stop is set, and returns the ones that went back.
func (h *testHost) operate(stop *atomic.Bool) (back []string) {
	var last watched
	for reads := 0; !stop.Load() || reads < 3; reads++ {
		now := watched{}
		now.numbersOf("host.", reflect.ValueOf(h.Snapshot()))
		for _, c := range h.Components() { // the counters of a/brief begin anew
			if c.ID == id("a/brief") {
				continue
			}
			now.numbersOf(c.ID.String()+".", reflect.ValueOf(c))
		}
		for name, n := range last {
			if m, ok := now[name]; ok && m < n {
				back = append(back, name)
			}
		}
		last = now
	}
	return back
}

// busyDeployment has a component that does a bit of everything, in n instances.
func busyDeployment(t testing.TB, n int) host.Deployment {
	d := several("a/busy", n, host.SpreadAny, sameFor(behaviour{
		start: func(h guest.Host, _ guest.Config) error {
			for range 3 {
				if _, err := guest.After(h, 0, []byte("timer")); err != nil {
					return err
				}
			}
			return nil
		},
		message: func(h guest.Host, sender string, message []byte) ([]byte, error) {
			switch {
			case sender == "a/busy":
				return nil, nil
			case len(message) > 0 && message[0] == 'x':
				panic("on purpose")
			}
			_ = h.Send("a/missing", message) // refused
			_, _ = h.Call("go/double", message)
			_, _ = h.Call("go/missing", message)
			_, _ = h.Publish("busy", message), h.Publish("missing", message) // the other is refused
			_, _ = h.Request("a/echo", message, 0)
			_, _ = guest.After(h, 0, message)
			return message, nil
		},
		callback: func(guest.Host, guest.RequestID, []byte, error) error { return nil },
	}))
	d.Capabilities.Call = grant(t, "go/*")
	d.Capabilities.Publish = []core.TopicPattern{core.MustTopicPattern("busy")}
	d.Restart = host.Restart{MaxRestarts: -1, Backoff: time.Millisecond}
	return d
}

// TestCountersNeverGoBack: while components are replaced, restarted, updated and removed, an
// operator sees no counter go back. The host's counters keep those of removed components.
func TestCountersNeverGoBack(t *testing.T) {
	h := start(t, host.Config{Functions: map[string]host.Function{
		"go/double": func(_ context.Context, _ core.ComponentID, argument []byte) ([]byte, error) {
			return append(argument, argument...), nil
		},
	}})
	check(t, h.Deploy(within(t), subscriber("a/echo", echo, "busy")))
	check(t, h.Deploy(within(t), busyDeployment(t, 2)))
	var stop atomic.Bool
	var others sync.WaitGroup
	others.Go(func() {
		for i := 0; !stop.Load(); i++ {
			payload := []byte("hello")
			if i%100 == 0 {
				payload[0] = 'x'
			}
			_, _ = h.Request(t.Context(), id("a/busy"), payload)
		}
	})
	others.Go(func() {
		if back := h.operate(&stop); len(back) > 0 {
			t.Errorf("these counters went back: %q", back)
		}
	})
	h.changeBusy(func() {
		before, d := h.Snapshot(), busyDeployment(t, 2)
		d.ID = id("a/brief")
		check(t, h.Deploy(within(t), d))
		_, err := h.request("a/brief", "hello")
		check(t, err)
		check(t, h.Undeploy(within(t), d.ID))
		if after := h.Snapshot(); after.Handled <= before.Handled {
			t.Errorf("handled before a component was removed: %d, and afterwards %d", before.Handled, after.Handled)
		}
	})
	stop.Store(true)
	others.Wait()
}

// changeBusy changes a/busy in all ways in turn, and calls removed after each round.
func (h *testHost) changeBusy(removed func()) {
	for i := range 30 {
		for _, change := range []func(host.Deployment) error{
			func(d host.Deployment) error { return h.Replace(within(h.t), d) },
			func(d host.Deployment) error { return h.Update(within(h.t), d) },
			func(d host.Deployment) error { return h.Restart(within(h.t), d.ID) },
		} {
			for n := range 3 {
				if err := change(busyDeployment(h.t, 1+(n+i)%3)); err != nil && !errors.Is(err, core.ErrUnavailable) {
					h.t.Fatal(err)
				}
			}
		}
		removed()
	}
}
