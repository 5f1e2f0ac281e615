package guest_test

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/airhost/airhost/guest"
	"github.com/airhost/airhost/guest/guesttest"
)

func TestTimeoutMillis(t *testing.T) {
	for timeout, want := range map[time.Duration]uint64{
		0: 0, 1: 1, time.Millisecond: 1, time.Millisecond + 1: 2, time.Second: 1000,
		math.MaxInt64: math.MaxInt64 / uint64(time.Millisecond),
	} {
		if got, err := guest.TimeoutMillis(timeout); got != want || err != nil {
			t.Errorf("TimeoutMillis(%d) = %d, %v, want %d", timeout, got, err, want)
		}
	}
	if _, err := guest.TimeoutMillis(-1); !errors.Is(err, guest.ErrInvalidArgument) {
		t.Errorf("TimeoutMillis(-1): %v", err)
	}
}

func TestDelayMillis(t *testing.T) {
	for delay, want := range map[time.Duration]uint64{
		0: 0, 1: 1, time.Millisecond: 1, time.Millisecond + 1: 2, time.Second: 1000, -1: 0, math.MinInt64: 0,
		math.MaxInt64: math.MaxInt64 / uint64(time.Millisecond),
	} {
		if got := guest.DelayMillis(delay); got != want {
			t.Errorf("DelayMillis(%d) = %d, want %d", delay, got, want)
		}
	}
}

// plainHost is a host without timers.
type plainHost struct{ guest.Host }

func TestHostWithoutTimers(t *testing.T) {
	h := plainHost{&guesttest.Host{}}
	if id, err := guest.After(h, 0, nil); id != 0 || !errors.Is(err, &guest.MessagingError{Case: guest.CaseUnavailable}) {
		t.Errorf("After: got %d, %v", id, err)
	}
	if guest.CancelTimer(h, 1) {
		t.Error("a timer was running")
	}
}

func TestAsComponentError(t *testing.T) {
	for _, c := range []struct{ err, want error }{
		{guest.InvalidMessage("%d", 1), &guest.ComponentError{Case: guest.CaseInvalidMessage, Text: "1"}},
		{fmt.Errorf("x: %w", guest.Unavailable("y")), &guest.ComponentError{Case: guest.CaseComponentUnavailable, Text: "y"}},
		{errors.New("plain"), &guest.ComponentError{Case: guest.CaseFailed, Text: "plain"}},
		{guest.Failed("\xff"), &guest.ComponentError{Case: guest.CaseFailed, Text: "\uFFFD"}},
		{&guest.ComponentError{Case: 3}, &guest.ComponentError{Case: guest.CaseFailed}},
	} {
		if got := guest.AsComponentError(c.err); *got != *c.want.(*guest.ComponentError) {
			t.Errorf("AsComponentError(%#v) = %#v, want %#v", c.err, got, c.want)
		}
	}
}

func TestErrorsAreCompared(t *testing.T) {
	for _, c := range []struct {
		err, target error
		want        bool
	}{
		{guest.Failed("a"), &guest.ComponentError{Case: guest.CaseFailed}, true},
		{guest.Failed("a"), guest.Failed("b"), false},
		{guest.Failed("a"), guest.ErrUnavailable, false},
		{&guest.MessagingError{Case: guest.CaseQueueFull, Text: "a/b"}, guest.ErrQueueFull, true},
		{&guest.MessagingError{Case: guest.CaseQueueFull}, guest.ErrQuotaExceeded, false},
		{guest.ParseRequestError("timeout"), guest.ErrTimeout, true},
		{guest.ParseRequestError("failed: failed: no"), &guest.RequestError{Reason: guest.ReasonFailed, Text: "failed: no"}, true},
		{guest.ParseRequestError("trapped"), guest.ErrTargetRemoved, false},
	} {
		if got := errors.Is(c.err, c.target); got != c.want {
			t.Errorf("errors.Is(%v, %v) = %v", c.err, c.target, got)
		}
	}
}

func TestParseRequestError(t *testing.T) {
	for reason := guest.ReasonTimeout; reason <= guest.ReasonUnavailable; reason++ {
		for _, text := range []string{"", "why: not"} {
			want := &guest.RequestError{Reason: reason, Text: text}
			if got := guest.ParseRequestError(want.Error()); *got != *want {
				t.Errorf("ParseRequestError(%q) = %#v", want.Error(), got)
			}
		}
	}
	if got := guest.ParseRequestError("timeouts: 3"); got.Reason != guest.ReasonFailed || got.Text != "timeouts: 3" {
		t.Errorf("a text without a fixed word: %#v", got)
	}
}

func TestNames(t *testing.T) {
	got := fmt.Sprint(guest.CaseUnavailable, guest.CaseComponentUnavailable, guest.ReasonTargetNotFound, guest.Degraded, guest.LogTrace, guest.LogLevel(9))
	if want := "unavailable unavailable target-not-found degraded trace invalid"; got != want {
		t.Errorf("names %s, want %s", got, want)
	}
}

func TestConfigGet(t *testing.T) {
	config := guest.Config{{Key: "a", Value: "1"}, {Key: "b"}, {Key: "a", Value: "2"}}
	if v, ok := config.Get("a"); v != "2" || !ok {
		t.Errorf("the later of two entries does not win: %q, %v", v, ok)
	}
	if _, ok := config.Get("c"); ok {
		t.Error("an entry that is not there is found")
	}
}

func TestExportRefusesASecondComponent(t *testing.T) {
	panics := func(c guest.Component) (reason any) {
		defer func() { reason = recover() }()
		guest.Export(c)
		return nil
	}
	if panics(nil) == nil {
		t.Error("Export(nil) does not panic")
	}
	type component struct{ guest.Component }
	if reason := panics(component{}); reason != nil {
		t.Errorf("Export panics: %v", reason)
	}
	if panics(component{}) == nil {
		t.Error("a second Export does not panic")
	}
	keeper := struct {
		guest.Component
		guest.StateKeeper
	}{}
	if reason := fmt.Sprint(panics(keeper)); !strings.Contains(reason, "guest/state") {
		t.Errorf("Export of a component with state panics: %s", reason)
	}
}

func TestLogf(t *testing.T) {
	host := &guesttest.Host{}
	guest.Logf(host, guest.LogDebug, "%d of %d", 1, 2)
	if got := host.LogText(); got != "debug: 1 of 2" {
		t.Errorf("log %q", got)
	}
}

// TestFailureIsNotTheComponentsOwn: a component that returns the RequestError of a
// request has failed itself; the ComponentError in it is another component's.
func TestFailureIsNotTheComponentsOwn(t *testing.T) {
	failure := guest.ParseRequestError("failed: invalid-message: no number")
	if !errors.Is(failure, guest.ErrInvalidMessage) || errors.Is(failure, guest.ErrFailed) {
		t.Errorf("%v is not the invalid-message of the target", failure)
	}
	if got := guest.AsComponentError(failure); *got != (guest.ComponentError{Case: guest.CaseFailed, Text: failure.Error()}) {
		t.Errorf("got %v, want failed with the whole text", got)
	}
	if failure := guest.ParseRequestError("unavailable: queue-full: a/b"); !errors.Is(failure, guest.ErrQueueFull) || errors.Is(failure, guest.ErrComponentUnavailable) {
		t.Errorf("%v is not a refusal of the target's mailbox", failure)
	}
}
