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
	p := plan(t, core.Restart{MaxRestarts: 2, Within: time.Minute, CoolDown: 10 * time.Minute})
	var s core.Restarts
	for i, c := range []struct {
		now    time.Duration
		failed bool
	}{
		{0, false}, {30 * time.Second, false}, {time.Minute + time.Second, false}, {time.Minute + 2*time.Second, true},
		{11*time.Minute + 2*time.Second, true},  // the one start after the cool-down ends at once
		{22 * time.Minute, true},                // and the next one within a minute
		{33*time.Minute + time.Second, false},   // this one has lived for more than a minute
		{33*time.Minute + 2*time.Second, false}, // the restarts are allowed again
		{33*time.Minute + 3*time.Second, true}, {time.Hour, false},
	} {
		pause, failed := s.Next(p, c.now)
		if failed != c.failed || failed != (pause == p.CoolDown) {
			t.Errorf("restart %d at %v: got %v, %t, want %t", i, c.now, pause, failed, c.failed)
		}
	}
}

func TestPausesDouble(t *testing.T) {
	p := plan(t, core.Restart{MaxRestarts: -1, Backoff: time.Second, MaxBackoff: 5 * time.Second})
	var s core.Restarts
	for i, most := range []time.Duration{0, time.Second, 2 * time.Second, 4 * time.Second, 5 * time.Second, 5 * time.Second} {
		pause, failed := s.Next(p, time.Duration(i)*time.Second)
		if failed || pause < most/2 || pause > most {
			t.Errorf("pause %d: got %v, %t, want %v to %v", i, pause, failed, most/2, most)
		}
	}
	if pause, _ := s.Next(p, time.Hour); pause != 0 {
		t.Errorf("after a long time: got %v, want a restart at once", pause)
	}
}

func TestTemporaryIsNeverStartedAgain(t *testing.T) {
	var s core.Restarts
	if pause, failed := s.Next(plan(t, core.Restart{Policy: core.RestartTemporary}), 0); !failed || pause != core.NoRestart {
		t.Errorf("got a pause of %v, failed %t", pause, failed)
	}
}

func TestRestartMistakes(t *testing.T) {
	for name, r := range map[string]core.Restart{
		"policy": {Policy: "sometimes"}, "within": {Within: -1}, "backoff": {Backoff: -1}, "max_backoff": {MaxBackoff: -1}, "cool_down": {CoolDown: -1},
	} {
		if _, err := r.WithDefaults(); err == nil {
			t.Errorf("%s: got no error for %+v", name, r)
		}
	}
}
