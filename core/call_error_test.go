package core_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/guest"
)

// TestCallErrorCases: the cases are the contract's, and those of package guest.
func TestCallErrorCases(t *testing.T) {
	names := []string{"denied", "not-found", "failed", "unavailable"}
	sentinels := []*core.CallError{core.ErrCallDenied, core.ErrCallNotFound, core.ErrCallFailed, core.ErrCallUnavailable}
	theirs := []*guest.CallError{guest.ErrCallDenied, guest.ErrCallNotFound, guest.ErrCallFailed, guest.ErrCallUnavailable}
	cases := core.CallErrorCases()
	if len(cases) != len(names) {
		t.Fatalf("got %d cases, want the contract's %d", len(cases), len(names))
	}
	for i, c := range cases {
		if int(c) != i || !c.Valid() || c.String() != names[i] || sentinels[i].Case != c ||
			int(theirs[i].Case) != i || theirs[i].Case.String() != names[i] {
			t.Errorf("case %d: got %v, valid %t, sentinels %v and %v", i, c, c.Valid(), sentinels[i], theirs[i])
		}
		full := &core.CallError{Case: c, Text: "why"}
		if want := names[i] + ": why"; full.Error() != want {
			t.Errorf("got %q, want %q", full, want)
		}
		for j := range cases {
			wrapped := fmt.Errorf("calling: %w", full)
			if ours, their := errors.Is(wrapped, sentinels[j]), errors.Is(wrapped, theirs[j]); ours != (i == j) || their != (i == j) {
				t.Errorf("%v is %v: got %t, and %t in package guest", full, sentinels[j], ours, their)
			}
			if got := errors.Is(&guest.CallError{Case: guest.CallErrorCase(c)}, sentinels[j]); got != (i == j) {
				t.Errorf("guest's %v is %v: got %t", c, sentinels[j], got)
			}
		}
		if got := core.AsCallError(fmt.Errorf("calling: %w", full)); got != full {
			t.Errorf("AsCallError of a wrapped %v: got %v", full, got)
		}
	}
	if c := core.CallErrorCase(4); c.Valid() || c.String() != "call-error(4)" {
		t.Errorf("case 4: got %q, valid %t", c, c.Valid())
	}
	if errors.Is(core.ErrCallUnavailable, core.ErrUnavailable) || errors.Is(core.ErrCallFailed, core.ErrFailed) {
		t.Error("a call-error is an error of another kind")
	}
}

func TestAsCallError(t *testing.T) {
	want := &core.CallError{Case: core.CallUnavailable, Text: "closed"}
	if got := core.AsCallError(core.ErrClosed); *got != *want {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestNoFunctions(t *testing.T) {
	result, err := core.FunctionsOf(&core.Environment{}).CallFunction([]byte("a/b"), nil)
	if result != nil || !errors.Is(err, core.ErrCallNotFound) {
		t.Errorf("got %q, %v", result, err)
	}
}
