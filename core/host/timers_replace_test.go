package host_test

import (
	"errors"
	"testing"
	"time"

	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
)

// alarm is a component that starts timers when it is initialized, and notes the payloads of
// those that fire.
type alarm struct {
	self    string
	begin   []string // payloads of timers of 10 ms
	trap    bool     // initialize fails after it has started them
	started []guest.TimerID
	fired   *[]string
}

func (a *alarm) Initialize(h guest.Host, _ guest.Config) error {
	for _, payload := range a.begin {
		id, err := guest.After(h, 10*time.Millisecond, []byte(payload))
		if err != nil {
			return err
		}
		a.started = append(a.started, id)
	}
	if a.trap {
		return errors.New("not today")
	}
	return nil
}

func (a *alarm) HandleMessage(h guest.Host, sender string, message []byte) ([]byte, error) {
	if sender == a.self {
		*a.fired = append(*a.fired, string(message))
		return nil, nil
	}
	canceled := byte('0')
	for _, id := range a.started {
		if guest.CancelTimer(h, id) {
			canceled++
		}
	}
	return []byte{canceled}, nil
}

// TestTimersSurviveReplacement: timers of the old version fire at the new one, and so do
// those that the new one starts in initialize. No two have the same id.
func TestTimersSurviveReplacement(t *testing.T) {
	everyPart(t, func(t *testing.T, p parts) {
		bubble(t, func(t *testing.T) {
			h := p.start(t, host.Config{})
			var first, second []string
			old := &alarm{self: "a/alarm", begin: []string{"old 1", "old 2"}, fired: &first}
			h.deploy(old.self, old)
			next := &alarm{self: "a/alarm", begin: []string{"new 1", "new 2"}, fired: &second}
			h.replace(old.self, next)
			equal(t, "timers that run", h.status().Timers, 4)
			for _, a := range old.started {
				for _, b := range next.started {
					if a == b {
						t.Errorf("two timers have the id %d", a)
					}
				}
			}
			pass(time.Second)
			h.quiesce()
			equal(t, "timers that the old version got", len(first), 0)
			equal(t, "timers that the new version got", len(second), 4)
			equal(t, "fired", h.status().Fired, 4)
			h.balance()
		})
	})
}

// TestTimersAreCanceledAfterReplacement: the new version cancels its own timers, and those of
// the old one if it knows their ids.
func TestTimersAreCanceledAfterReplacement(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, host.Config{})
		var fired []string
		old := &alarm{self: "a/alarm", begin: []string{"old"}, fired: &fired}
		h.deploy(old.self, old)
		next := &alarm{self: "a/alarm", begin: []string{"new"}, fired: &fired}
		h.replace(old.self, next)
		next.started = append(next.started, old.started...)
		got, err := h.request("a/alarm", "")
		check(t, err)
		equal(t, "canceled", got, "2")
		pass(time.Second)
		equal(t, "fired", len(fired), 0)
		equal(t, "timers that run", h.status().Timers, 0)
	})
}

// TestTimersOfRollback: the timers of a new version that could not start never fire, and
// those of the old one do.
func TestTimersOfRollback(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, host.Config{})
		var first, second []string
		old := &alarm{self: "a/alarm", begin: []string{"old"}, fired: &first}
		h.deploy(old.self, old)
		next := &alarm{self: "a/alarm", begin: []string{"new"}, trap: true, fired: &second}
		if err := h.Replace(t.Context(), deployment("a/alarm", next)); err == nil {
			t.Error("it was replaced")
		}
		pass(time.Second)
		equal(t, "timers of the old version", len(first), 1)
		equal(t, "timers of the new version", len(second), 0)
		equal(t, "timers that run", h.Snapshot().Timers, 0)
		h.balance()
	})
}

// TestRestartCancelsTimers: a component that is restarted begins without timers.
func TestRestartCancelsTimers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, host.Config{})
		var fired []string
		a := &alarm{self: "a/alarm", begin: []string{"before"}, fired: &fired}
		h.deploy(a.self, a)
		a.begin = nil
		check(t, h.Restart(t.Context(), id(a.self)))
		pass(time.Second)
		equal(t, "fired", len(fired), 0)
		equal(t, "timers that run", h.status().Timers, 0)
		h.balance()
	})
}
