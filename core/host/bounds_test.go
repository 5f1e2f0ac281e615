package host_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
)

// longText is longer than any text that a host keeps.
var longText = strings.Repeat("x", 3<<20)

// longestLine returns the length of the longest line of a host's log.
func (h *testHost) longestLine() (longest int) {
	for line := range strings.Lines(h.log.String()) {
		longest = max(longest, len(line))
	}
	return longest
}

// checkTexts checks that dead letters, statuses, events and the log have no long
// texts.
func (h *testHost) checkTexts(events <-chan host.Event) {
	h.t.Helper()
	const most = core.MaxErrorText
	for _, letter := range h.DeadLetters() {
		if len(letter.Reason) > most || len(letter.Payload) > 4<<20 {
			h.t.Errorf("a dead letter has a reason of %d bytes and a payload of %d", len(letter.Reason), len(letter.Payload))
		}
	}
	for _, status := range h.Components() {
		if len(status.LastError) > most {
			h.t.Errorf("the last error of %s has %d bytes", status.ID, len(status.LastError))
		}
	}
	for len(events) > 0 {
		event := <-events
		if event.Reason != nil && len(event.Reason.Error()) > most {
			h.t.Errorf("the reason of %s has %d bytes", event.Kind, len(event.Reason.Error()))
		}
		if trap := (*core.TrapError)(nil); errors.As(event.Reason, &trap) && (len(trap.Text) > most || len(trap.Details) > core.MaxDetails) {
			h.t.Errorf("the trap of %s has a text of %d bytes and details of %d", event.Kind, len(trap.Text), len(trap.Details))
		}
	}
	if n := h.longestLine(); n > 4*(most+core.MaxDetails)+1000 { // invalid UTF-8 is escaped
		h.t.Errorf("a line of the log has %d bytes", n)
	}
}

// TestLongErrors: the host keeps and passes on only a part of a long error, for each
// type of error and each place where an engine may return one. errors.Is and
// errors.As still find the wrapped errors.
func TestLongErrors(t *testing.T) {
	cause := errors.New("cause")
	trap := &core.TrapError{Kind: core.TrapABI, Text: longText, Details: longText}
	for name, err := range map[string]error{
		"trap":             trap,
		"details":          &core.TrapError{Text: "short", Details: longText},
		"wrapped trap":     fmt.Errorf("wrapped: %w", trap),
		"joined":           errors.Join(cause, trap, errors.New(longText)),
		"plain":            errors.New(longText),
		"not UTF-8":        errors.New(strings.Repeat("\xff\xfe", 1<<20)),
		"wrapped cause":    fmt.Errorf("%s: %w", longText, cause),
		"many":             errors.Join(make100(cause)...),
		"answer":           &core.ComponentError{Case: core.CaseFailed, Text: longText},
		"unavailable":      &core.ComponentError{Case: core.CaseComponentUnavailable, Text: longText},
		"wrapped answer":   fmt.Errorf("%s: %w", longText, &core.ComponentError{Case: core.CaseInvalidMessage, Text: longText}),
		"request error":    &core.RequestError{Reason: core.ReasonFailed, Text: longText},
		"messaging error":  &core.MessagingError{Case: core.CaseQueueFull, Text: longText},
		"module error":     &core.ModuleError{Source: longText, Problems: []string{longText, longText, longText, "short"}, Cause: errors.New(longText)},
		"many problems":    &core.ModuleError{Problems: strings.Split(longText, "")[:100_000]},
		"one that is kept": cause,
	} {
		t.Run(name, func(t *testing.T) {
			h := start(t, host.Config{})
			events, cancel := h.Subscribe(100)
			defer cancel()
			d := toyDeployment("a/liar", &toy{message: func(*toyInstance, []byte) error { return err }})
			d.Restart = host.Restart{MaxRestarts: -1, Backoff: time.Microsecond, MaxBackoff: time.Microsecond}
			check(t, h.Deploy(within(t), d))
			o := newOutcomes()
			asker := deployment("a/asker", o.requester("a/liar", 0))
			asker.Limits.MessageSize = 64
			check(t, h.Deploy(within(t), asker))
			h.do("a/asker")
			if got := receive(t, "callback", o.got); len(got) > 64 || !strings.Contains(got, ": ") {
				t.Errorf("an asker of 64 bytes is told %.100q", got)
			}
			check(t, h.Send(id("a/liar"), []byte(longText[:1000])))
			if _, got := h.Request(within(t), id("a/liar"), nil); got == nil || len(got.Error()) > core.MaxErrorText+100 {
				t.Errorf("a Go program is told %.100v", got)
			}
			h.quiesce()
			equal(t, "traps of the asker", h.component("a/asker").Counters.Traps, 0)
			h.checkTexts(events)

			for _, bad := range []*toy{
				{compile: func(context.Context) error { return err }},
				{initialize: func(*toyInstance) error { return err }},
			} {
				got := h.Deploy(within(t), toyDeployment("a/bad", bad))
				if got == nil || len(got.Error()) > core.MaxDetails+core.MaxErrorText+1000 {
					t.Errorf("Deploy returned an error of %d bytes", len(got.Error()))
				}
				if errors.Is(err, cause) && !errors.Is(got, cause) {
					t.Errorf("the cause is lost in %.100v", got)
				}
				if want := new(core.ModuleError); errors.As(err, &want) && !errors.As(got, &want) {
					t.Errorf("the ModuleError is lost in %.100v", got)
				}
			}
			h.checkTexts(events)
		})
	}
}

func make100(err error) []error {
	errs := make([]error, 100)
	for i := range errs {
		errs[i] = err
	}
	return errs
}

func (h *testHost) component(name string) host.ComponentStatus {
	for _, status := range h.Components() {
		if status.ID == id(name) {
			return status
		}
	}
	return host.ComponentStatus{}
}

// TestLongLogLine: the host cuts a guest's long line, and adds how much is missing.
func TestLongLogLine(t *testing.T) {
	bubble(t, func(t *testing.T) { // on a busy machine the call may take longer than its handler time
		h := start(t, host.Config{})
		h.deploy("a/b", behaviour{message: func(g guest.Host, _ string, _ []byte) ([]byte, error) {
			g.Log(guest.LogInfo, strings.Repeat("日", 1<<20))
			g.Log(guest.LogInfo, "\xff"+longText)
			return nil, nil
		}})
		h.do("a/b")
		contains(t, "log", h.log.String(), "日… (3137574 bytes more)")
		contains(t, "log", h.log.String(), "x… (31375")
		if n := h.longestLine(); n > core.MaxDetails+1000 {
			t.Errorf("a line of the log has %d bytes", n)
		}
	})
}

// TestLongPanic: the host cuts the text of a panic in Go, here 10 MB.
func TestLongPanic(t *testing.T) {
	h := start(t, host.Config{})
	events, cancel := h.Subscribe(10)
	defer cancel()
	h.deploy("a/b", responder(func([]byte) ([]byte, error) { panic(strings.Repeat("long ", 2<<20)) }))
	_, err := h.request("a/b", "")
	if len(err.Error()) > core.MaxErrorText+100 {
		t.Errorf("the requester is told %d bytes", len(err.Error()))
	}
	h.quiesce()
	h.checkTexts(events)
}

// lyingBroker gives long reasons in one of the places where a broker may give a
// reason.
type lyingBroker struct {
	core.Broker
	lie string // the place
	to  core.Origin
}

func (b *lyingBroker) Open(ctx context.Context, home core.Origin) error {
	b.to = home
	return b.Broker.Open(ctx, home)
}

func (b *lyingBroker) Route(target core.ComponentID) (core.Receiver, error) {
	if b.lie == "route" && target.Namespace() == "b" {
		return nil, errors.New(longText)
	}
	r, err := b.Broker.Route(target)
	return lyingRoute{b, r}, err
}

func (b *lyingBroker) Attach(id core.ComponentID, r core.Receiver) error {
	if b.lie == "attach" && id.Namespace() == "b" {
		return errors.New(longText)
	}
	return b.Broker.Attach(id, r)
}

type lyingRoute struct {
	*lyingBroker
	core.Receiver
}

func (r lyingRoute) Deliver(m *core.Message) error {
	switch {
	case m.Target.Namespace() != "b":
	case r.lie == "deliver":
		return &core.MessagingError{Case: core.CaseQueueFull, Text: longText}
	case r.lie == "undelivered":
		r.to.Undelivered(m, errors.New(longText))
		return nil
	case r.lie == "outcome":
		m.Fail(&core.RequestError{Reason: core.ReasonTrapped, Text: longText})
		r.to.Respond(m)
		return nil
	case r.lie == "response":
		m.Payload = []byte(longText)
		r.to.Respond(m)
		return nil
	}
	return r.Receiver.Deliver(m)
}

// TestLyingBroker is TestLongErrors for a broker.
func TestLyingBroker(t *testing.T) {
	for _, lie := range []string{"route", "attach", "deliver", "undelivered", "outcome", "response"} {
		t.Run(lie, func(t *testing.T) {
			h := parts{broker: func() (core.Broker, error) {
				broker, err := newInproc()
				return &lyingBroker{Broker: broker, lie: lie}, err
			}, tracker: newSlab}.start(t, host.Config{DrainTimeout: time.Millisecond})
			events, cancel := h.Subscribe(10)
			defer cancel()
			err := h.Deploy(within(t), deployment("b/target", echo))
			if (err != nil) != (lie == "attach") || err != nil && len(err.Error()) > core.MaxErrorText+100 {
				t.Errorf("Deploy: %.100v", err)
			}
			told := make(chan string, 10)
			d := deployment("a/asker", behaviour{
				message: func(g guest.Host, _ string, _ []byte) ([]byte, error) {
					if _, err := g.Request("b/target", nil, 0); err != nil {
						told <- err.Error()
					}
					return nil, nil
				},
				callback: func(_ guest.Host, _ guest.RequestID, _ []byte, failure error) error {
					told <- failure.Error()
					return nil
				},
			})
			check(t, h.Deploy(within(t), d))
			h.do("a/asker")
			if got := receive(t, "an error", told); len(got) > core.MaxErrorText+100 {
				t.Errorf("the asker is told %d bytes", len(got))
			}
			if lie != "response" {
				if _, err := h.request("b/target", ""); err == nil || len(err.Error()) > core.MaxErrorText+200 {
					t.Errorf("a Go program is told %.100v", err)
				}
			}
			equal(t, "traps", h.Snapshot().Traps, 0)
			h.checkTexts(events)
		})
	}
}

// lyingTracker ends each request with a long reason, or refuses it.
type lyingTracker struct {
	core.Tracker
	expires bool
}

func (l lyingTracker) Register(w core.Waiter, timeout time.Duration) (core.RequestID, error) {
	if !l.expires {
		return 0, errors.New(longText)
	}
	id, err := l.Tracker.Register(w, timeout)
	if err == nil && l.Tracker.Cancel(id, w) {
		w.Expired(id, &core.RequestError{Reason: core.ReasonUnavailable, Text: longText})
	}
	return id, err
}

// TestLyingTracker is TestLongErrors for a tracker.
func TestLyingTracker(t *testing.T) {
	for _, expires := range []bool{false, true} {
		h := parts{broker: newInproc, tracker: func() (core.Tracker, error) {
			tracker, err := newTimermap()
			return lyingTracker{tracker, expires}, err
		}}.start(t, host.Config{})
		h.deploy("b/target", echo)
		o := newOutcomes()
		asker := o.requester("b/target", 0)
		h.deploy("a/asker", behaviour{callback: asker.callback, message: func(g guest.Host, _ string, _ []byte) ([]byte, error) {
			if _, err := g.Request("b/target", nil, 0); err != nil {
				o.got <- err.Error()
			}
			return nil, nil
		}})
		check(t, h.Send(id("a/asker"), nil))
		if got := receive(t, "an error", o.got); len(got) > core.MaxErrorText+100 {
			t.Errorf("the asker is told %d bytes", len(got))
		}
		h.checkTexts(nil)
	}
}
