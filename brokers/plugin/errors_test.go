package plugin

import (
	"errors"
	"testing"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
)

// TestErrorsKeepTheirType: the error of a component on another host, and the error for
// an unknown target, are the same as within one host.
func TestErrorsKeepTheirType(t *testing.T) {
	x := newExchange()
	a, b := startHost(t, x.member(t, Config{}), host.Config{}), startHost(t, x.member(t, Config{}), host.Config{})
	answers := map[string]error{
		"invalid": guest.InvalidMessage("no number"), "unavailable": guest.Unavailable("warming up"),
		"failed": guest.Failed("disk full"), "like another": guest.Failed("unavailable: in words alone"),
	}
	deploy(t, b, "test/echo", behaviour{message: func(_ guest.Host, message []byte) ([]byte, error) { return nil, answers[string(message)] }})
	waitFor(t, "the exchange hears of the component", func() bool { return x.has(componentTopic(echoID)) })
	for message, want := range answers {
		for _, h := range []*host.Host{a, b} {
			_, err := h.Request(within(t), echoID, []byte(message))
			var answer *core.ComponentError
			if !errors.As(err, &answer) || answer.Error() != want.Error() || !errors.Is(err, want) || errors.Is(err, core.ErrRequestUnavailable) {
				t.Errorf("%s: got %v, %#v, want a ComponentError like %v", message, err, answer, want)
			}
		}
	}
	for _, id := range []core.ComponentID{core.MustComponentID("test/nobody"), {}} {
		_, err := a.Request(within(t), id, nil)
		if !errors.Is(err, core.ErrTargetNotFound) || errors.Is(err, core.ErrRequestUnavailable) {
			t.Errorf("request to %q: got %v, want target-not-found", id, err)
		}
	}
}
