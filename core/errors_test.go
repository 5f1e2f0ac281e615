package core_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/airhost/airhost/core"
)

func TestMessagingErrorCases(t *testing.T) {
	sentinels := []*core.MessagingError{
		core.ErrCapabilityDenied, core.ErrQuotaExceeded, core.ErrTargetNotFound, core.ErrQueueFull,
		core.ErrInvalidArgument, core.ErrRequestNotFound, core.ErrUnavailable,
	}
	names := []string{
		"capability-denied", "quota-exceeded", "target-not-found", "queue-full",
		"invalid-argument", "request-not-found", "unavailable",
	}
	cases := core.MessagingErrorCases()
	if len(cases) != len(names) {
		t.Fatalf("got %d cases, want the contract's %d", len(cases), len(names))
	}
	for i, c := range cases {
		if int(c) != i || !c.Valid() || c.String() != names[i] || sentinels[i].Case != c {
			t.Errorf("case %d: got %d %q, valid %t, sentinel %v", i, c, c, c.Valid(), sentinels[i])
		}
		if want := c != core.CaseRequestNotFound; c.HasText() != want {
			t.Errorf("%v: HasText %t, want %t", c, c.HasText(), want)
		}
		full := &core.MessagingError{Case: c, Text: "shop/stock"}
		if want := names[i] + ": shop/stock"; full.Error() != want || sentinels[i].Error() != names[i] {
			t.Errorf("got %q and %q, want %q and %q", full, sentinels[i], want, names[i])
		}
		for j, sentinel := range sentinels {
			if got := errors.Is(fmt.Errorf("sending: %w", full), sentinel); got != (i == j) {
				t.Errorf("%v is %v: got %t", full, sentinel, got)
			}
		}
		if got := core.AsMessagingError(fmt.Errorf("sending: %w", full)); got != full {
			t.Errorf("AsMessagingError of a wrapped %v: got %v", full, got)
		}
	}
	if c := core.MessagingErrorCase(7); c.Valid() || c.String() != "messaging-error(7)" {
		t.Errorf("case 7: got %q, valid %t", c, c.Valid())
	}
}

func TestAsMessagingError(t *testing.T) {
	if got := core.AsMessagingError(core.ErrQueueFull); got != core.ErrQueueFull {
		t.Errorf("got %v, want queue-full itself", got)
	}
	want := &core.MessagingError{Case: core.CaseUnavailable, Text: "closed"}
	if got := core.AsMessagingError(core.ErrClosed); *got != *want {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestComponentErrorCases(t *testing.T) {
	sentinels := []*core.ComponentError{core.ErrInvalidMessage, core.ErrComponentUnavailable, core.ErrFailed}
	names := []string{"invalid-message", "unavailable", "failed"}
	for i, name := range names {
		c := core.ComponentErrorCase(i)
		full := &core.ComponentError{Case: c, Text: "no stock"}
		if !c.Valid() || c.String() != name || sentinels[i].Case != c || full.Error() != name+": no stock" {
			t.Errorf("case %d: got %q, sentinel %v, error %q", i, c, sentinels[i], full)
		}
		for j, sentinel := range sentinels {
			if got := errors.Is(fmt.Errorf("calling: %w", full), sentinel); got != (i == j) {
				t.Errorf("%v is %v: got %t", full, sentinel, got)
			}
		}
	}
	if c := core.ComponentErrorCase(3); c.Valid() || c.String() != "component-error(3)" {
		t.Errorf("case 3: got %q, valid %t", c, c.Valid())
	}
}

func TestRequestErrorReasons(t *testing.T) {
	sentinels := []*core.RequestError{
		core.ErrTimeout, core.ErrRequestFailed, core.ErrRequestTrapped, core.ErrTargetRemoved, core.ErrRequestUnavailable,
	}
	words := []string{"timeout", "failed", "trapped", "target-not-found", "unavailable"}
	for i, word := range words {
		reason := core.RequestErrorReason(i)
		if reason.String() != word || sentinels[i].Reason != reason {
			t.Errorf("reason %d: got %q, sentinel %v", i, reason, sentinels[i])
		}
		for _, text := range []string{"", "no stock", "two: parts", "failed: again", " "} {
			e := &core.RequestError{Reason: reason, Text: text}
			if back := core.ParseRequestError(e.Error()); *back != *e {
				t.Errorf("%q came back as %q", e, back)
			}
			for j, sentinel := range sentinels {
				if got := errors.Is(fmt.Errorf("requesting: %w", e), sentinel); got != (i == j) {
					t.Errorf("%v is %v: got %t", e, sentinel, got)
				}
			}
		}
	}
	if got := core.RequestErrorReason(5).String(); got != "reason(5)" {
		t.Errorf("reason 5: got %q", got)
	}
	for _, text := range []string{"", "no fixed word", "timeouts: 3", "TIMEOUT"} {
		if got := core.ParseRequestError(text); *got != (core.RequestError{Reason: core.ReasonFailed, Text: text}) {
			t.Errorf("%q was parsed as %v %q, want a failure with that text", text, got.Reason, got.Text)
		}
	}
}

// TestErrorsAreComparedByCaseAndText: a sentinel matches errors with any text, an error
// with a text only the same text, and no type another type.
func TestErrorsAreComparedByCaseAndText(t *testing.T) {
	same := []struct{ err, target error }{
		{&core.MessagingError{Case: core.CaseQueueFull, Text: "a/b"}, &core.MessagingError{Case: core.CaseQueueFull, Text: "a/b"}},
		{&core.ComponentError{Case: core.CaseFailed, Text: "x"}, &core.ComponentError{Case: core.CaseFailed, Text: "x"}},
		{&core.RequestError{Reason: core.ReasonFailed, Text: "x"}, &core.RequestError{Reason: core.ReasonFailed, Text: "x"}},
	}
	other := []struct{ err, target error }{
		{&core.MessagingError{Case: core.CaseQueueFull, Text: "a/b"}, &core.MessagingError{Case: core.CaseQueueFull, Text: "a/c"}},
		{&core.ComponentError{Case: core.CaseFailed, Text: "x"}, &core.ComponentError{Case: core.CaseFailed, Text: "y"}},
		{&core.RequestError{Reason: core.ReasonFailed, Text: "x"}, &core.RequestError{Reason: core.ReasonFailed, Text: "y"}},
		{core.ErrQueueFull, &core.MessagingError{Case: core.CaseQueueFull, Text: "a/b"}},
		{core.ErrFailed, core.ErrRequestFailed},
		{core.ErrRequestFailed, core.ErrUnavailable},
		{core.ErrUnavailable, core.ErrComponentUnavailable},
		{core.ErrUnavailable, core.ErrClosed},
	}
	for _, c := range same {
		if !errors.Is(c.err, c.target) {
			t.Errorf("%v is not %v", c.err, c.target)
		}
	}
	for _, c := range other {
		if errors.Is(c.err, c.target) {
			t.Errorf("%T %v is %T %v", c.err, c.err, c.target, c.target)
		}
	}
}

func TestTrapError(t *testing.T) {
	names := []string{"fault", "handler-time", "fuel", "abi", "stack"}
	for i, name := range names {
		e := &core.TrapError{Kind: core.TrapKind(i), Text: "in f", Details: "secret"}
		if got, want := e.Error(), "trapped: "+name+": in f"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if got := core.TrapKind(5).String(); got != "trap(5)" {
		t.Errorf("kind 5: got %q", got)
	}
	if got := (&core.TrapError{Kind: core.TrapFuel}).Error(); got != "trapped: fuel" {
		t.Errorf("without a text: got %q", got)
	}
}

func TestLimitError(t *testing.T) {
	for _, c := range []struct {
		err  core.LimitError
		want string
	}{
		{core.LimitError{Limit: "limits.memory", Got: 131072, Max: 65536, Unit: "bytes"}, "limits.memory: 128 KiB where 64 KiB are allowed"},
		{core.LimitError{Limit: "limits.table_elements", Got: 1 << 27, Max: 10000}, "limits.table_elements: 134217728 where 10000 are allowed"},
	} {
		if got := c.err.Error(); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

func TestModuleError(t *testing.T) {
	err := fmt.Errorf("compiling: %w", &core.ModuleError{
		Source: "orders.wasm", Problems: []string{"there is no memory", "there is no cabi_realloc"}, Cause: io.ErrUnexpectedEOF,
	})
	var module *core.ModuleError
	if !errors.As(err, &module) || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatalf("%v does not answer errors.As and errors.Is", err)
	}
	if got, want := module.Error(), "orders.wasm: there is no memory; there is no cabi_realloc"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	module.Source = ""
	if got, want := module.Error(), "there is no memory; there is no cabi_realloc"; got != want {
		t.Errorf("without a source: got %q, want %q", got, want)
	}
}

// TestOutcomesKeepTheirCause: the error of a request contains the receiver's own
// error, even if only its text was carried, and is never parsed as another error.
func TestOutcomesKeepTheirCause(t *testing.T) {
	sentinels := []error{
		core.ErrInvalidMessage, core.ErrComponentUnavailable, core.ErrFailed,
		core.ErrRequestUnavailable, core.ErrTargetRemoved, core.ErrUnavailable, core.ErrTargetNotFound,
	}
	for c := core.CaseInvalidMessage; c.Valid(); c++ {
		for _, text := range []string{"", "no number", "invalid-message", "invalid-message: x", "unavailable: host stopping", "failed: again", "timeout", ": "} {
			answer := &core.ComponentError{Case: c, Text: text}
			outcome := core.ParseRequestError(core.Answered(answer).Error())
			var got *core.ComponentError
			if !errors.As(outcome, &got) || *got != *answer || !errors.Is(outcome, core.ErrRequestFailed) {
				t.Errorf("%q: got %q, which is %v", answer, outcome, got)
			}
			for i, sentinel := range sentinels {
				if is := errors.Is(outcome, sentinel); is != (i == int(c)) {
					t.Errorf("%q is %v: got %t", outcome, sentinel, is)
				}
			}
		}
	}
	trapped := &core.RequestError{Reason: core.ReasonTrapped, Text: "stack: it used up its stack"}
	var trap *core.TrapError
	if !errors.As(trapped, &trap) || trap.Kind != core.TrapStack || trap.Text != "it used up its stack" {
		t.Errorf("%q: got %v, want a TrapError", trapped, trap)
	}
}

// TestUndelivered: the error of a request that was accepted and refused later matches
// the refusal, but is not a MessagingError.
func TestUndelivered(t *testing.T) {
	for _, c := range core.MessagingErrorCases() {
		refusal := &core.MessagingError{Case: c, Text: "a/b"}
		outcome := core.ParseRequestError(core.Undelivered(refusal).Error())
		if !errors.Is(outcome, refusal) || !strings.HasSuffix(outcome.Error(), refusal.Error()) || errors.As(outcome, new(*core.MessagingError)) {
			t.Errorf("%q became %q", refusal, outcome)
		}
		notFound := c == core.CaseTargetNotFound
		if errors.Is(outcome, core.ErrTargetRemoved) != notFound || errors.Is(outcome, core.ErrRequestUnavailable) == notFound {
			t.Errorf("%q became %q", refusal, outcome)
		}
	}
}
