package host

import (
	"slices"
	"testing"
)

// changes reports whether become allows a change of status.
func changes(from, to status) (allowed bool) {
	s := &schedule{status: from}
	defer func() { allowed = recover() == nil && s.status == to }()
	s.become(to)
	return
}

// TestStatusTransitions tries each change of status: become panics if and only if
// transitions does not list the change.
func TestStatusTransitions(t *testing.T) {
	for from := range removed + 1 {
		for to := range removed + 1 {
			if got, want := changes(from, to), slices.Contains(transitions[from], to); got != want {
				t.Errorf("from %v to %v: allowed %t, want %t", from, to, got, want)
			}
			if from == removed && changes(from, to) {
				t.Errorf("a removed component may become %v", to)
			}
		}
	}
	if len(transitions) != int(removed)+1 {
		t.Errorf("there are transitions of %d statuses, want %d", len(transitions), removed+1)
	}
}
