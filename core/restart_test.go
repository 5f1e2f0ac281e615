package core_test

import (
	"testing"
	"time"

	"github.com/airhost/airhost/core"
)

func plan(t *testing.T, r core.Restart) core.Restart {
	t.Helper()
	r, err := r.WithDefaults()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRestartsAreLimitedWithinTheirWindow(t *testing.T) {
	p := plan(t, core.Restart{MaxRestarts: 2, Within: time.Minute})
	var s core.Restarts
	for i, c := range []struct {
		now  time.Duration
		want bool
	}{
		{0, true}, {time.Second, true}, {2 * time.Second, false},
		{time.Minute + 500*time.Millisecond, true}, {time.Minute + 600*time.Millisecond, false}, {time.Hour, true},
	} {
		if _, got := s.Next(p, c.now); got != c.want {
			t.Errorf("restart %d at %v: got %t, want %t", i, c.now, got, c.want)
		}
	}
}

func TestPausesDouble(t *testing.T) {
	p := plan(t, core.Restart{MaxRestarts: -1, Backoff: time.Second, MaxBackoff: 5 * time.Second})
	var s core.Restarts
	for i, most := range []time.Duration{0, time.Second, 2 * time.Second, 4 * time.Second, 5 * time.Second, 5 * time.Second} {
		pause, again := s.Next(p, time.Duration(i)*time.Second)
		if !again || pause < most/2 || pause > most {
			t.Errorf("pause %d: got %v, %t, want %v to %v", i, pause, again, most/2, most)
		}
	}
	if pause, _ := s.Next(p, time.Hour); pause != 0 {
		t.Errorf("after a long time: got %v, want a restart at once", pause)
	}
}

func TestTemporaryIsNeverStartedAgain(t *testing.T) {
	var s core.Restarts
	if _, again := s.Next(plan(t, core.Restart{Policy: core.RestartTemporary}), 0); again {
		t.Error("it is started again")
	}
}

func TestRestartMistakes(t *testing.T) {
	for name, r := range map[string]core.Restart{
		"policy": {Policy: "sometimes"}, "within": {Within: -1}, "backoff": {Backoff: -1}, "max_backoff": {MaxBackoff: -1},
	} {
		if _, err := r.WithDefaults(); err == nil {
			t.Errorf("%s: got no error for %+v", name, r)
		}
	}
}
