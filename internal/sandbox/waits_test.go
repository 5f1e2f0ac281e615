package sandbox

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/airhost/airhost/core"
)

// TestWaits: a guest sleeps until its time is over, one of several things ends, or the host
// interrupts it, and not a moment longer.
func TestWaits(t *testing.T) {
	for _, c := range []struct {
		name  string
		ends  int // how many things it waits for; the last one ends after 3 s
		stops bool
		d     time.Duration
		want  time.Duration
		ended bool
	}{
		{"a time", 0, false, 2 * time.Second, 2 * time.Second, false},
		{"its limit", 0, false, time.Hour, time.Minute + 1, false},
		{"its limit, with an end", 2, false, 2 * time.Second, 2 * time.Second, false},
		{"an end", 1, false, time.Hour, 3 * time.Second, true},
		{"one of several ends", 3, false, time.Hour, 3 * time.Second, true},
		{"an interrupt", 0, true, time.Hour, time.Second, false},
		{"an interrupt before an end", 1, true, time.Hour, time.Second, false},
		{"an interrupt before several ends", 3, true, time.Hour, time.Second, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &State{}
				s.Env.Limits = core.Limits{HandlerTime: time.Minute, HandlerWallTime: time.Minute}
				ends := []<-chan struct{}{make(chan struct{}), make(chan struct{}), nil}[3-c.ends:]
				if c.ends > 0 {
					soon := make(chan struct{})
					ends[c.ends-1] = soon
					time.AfterFunc(3*time.Second, func() { close(soon) })
				}
				if c.stops {
					time.AfterFunc(time.Second, s.Interrupt)
				}
				start := time.Now()
				ended := s.waits(c.d, ends)
				if took := time.Since(start); took != c.want || ended != c.ended || s.watch.waiting != c.want {
					t.Errorf("it slept %v, ended: %v, counted %v; want %v, %v", took, ended, s.watch.waiting, c.want, c.ended)
				}
				if c.stops {
					if s.Interrupt(); s.waits(time.Hour, ends) || time.Since(start) != c.want {
						t.Errorf("a guest that was interrupted slept until %v", time.Since(start))
					}
				}
			})
		})
	}
}
