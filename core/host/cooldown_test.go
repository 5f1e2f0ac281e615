package host_test

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
)

// TestCoolDown: a component that has failed refuses messages until its cool-down is over.
// Then it is started once more: if that instance ends soon, it has failed again, and
// otherwise its restarts are granted anew.
func TestCoolDown(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, host.Config{})
		var starts atomic.Int32
		d := fragileDeployment(&starts, host.Restart{MaxRestarts: 1, Within: time.Second, CoolDown: time.Minute})
		check(t, h.Deploy(t.Context(), d))
		trap := func() {
			t.Helper()
			_, err := h.request("a/fragile", "trap")
			isError(t, "request that traps", err, core.ErrRequestTrapped)
			synctest.Wait()
		}
		failed := func(want int32) {
			t.Helper()
			_, err := h.request("a/fragile", "count")
			isError(t, "request to what has failed", err, core.ErrUnavailable)
			equal(t, "state", h.Components()[0].State, "failed")
			equal(t, "instances", starts.Load(), want)
		}
		runs := func(want int32) {
			t.Helper()
			_, err := h.request("a/fragile", "count")
			check(t, err)
			equal(t, "instances", starts.Load(), want)
		}
		trap()
		trap()
		failed(2)
		<-time.After(time.Minute - time.Millisecond)
		failed(2)
		<-time.After(2 * time.Millisecond)
		runs(3)
		trap()
		failed(3)
		<-time.After(time.Minute + time.Millisecond)
		runs(4)
		<-time.After(2 * time.Second)
		trap()
		runs(5)
		h.balance()
	})
}

// TestTemporaryStaysFailed: without restarts there is no cool-down either.
func TestTemporaryStaysFailed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, host.Config{})
		var starts atomic.Int32
		check(t, h.Deploy(t.Context(), fragileDeployment(&starts, host.Restart{Policy: host.RestartTemporary})))
		_, err := h.request("a/fragile", "trap")
		isError(t, "request that traps", err, core.ErrRequestTrapped)
		<-time.After(time.Hour)
		equal(t, "state", h.Components()[0].State, "failed")
		check(t, h.Restart(t.Context(), id("a/fragile")))
		_, err = h.request("a/fragile", "count")
		check(t, err)
	})
}

// TestLateKillDoesNotCount: a call that is interrupted after the watchdog was late is no
// reason to give a component up. Here an engine that is slow to interrupt another
// component makes the watchdog late.
func TestLateKillDoesNotCount(t *testing.T) {
	for _, late := range []bool{false, true} {
		bubble(t, func(t *testing.T) {
			h := start(t, host.Config{Workers: 2})
			slow := &toy{
				message: func(i *toyInstance, _ []byte) error { return i.hang() },
				interrupt: func() {
					if late {
						<-time.After(100 * time.Millisecond)
					}
				},
			}
			d := toyDeployment("a/slow", slow)
			d.Limits.HandlerTime = 10 * time.Millisecond
			check(t, h.Deploy(t.Context(), d))
			victim := toyDeployment("a/victim", &toy{message: func(i *toyInstance, _ []byte) error { return i.hang() }})
			victim.Limits.HandlerTime = 50 * time.Millisecond
			victim.Restart = host.Restart{MaxRestarts: 1, Within: time.Hour, CoolDown: time.Hour}
			check(t, h.Deploy(t.Context(), victim))
			for range 3 {
				_ = h.Send(victim.ID, nil) // refused once it has failed
				check(t, h.Send(d.ID, nil))
				<-time.After(time.Second)
			}
			want := map[bool]string{false: "failed", true: "running"}[late]
			equal(t, "state", h.Components()[1].State, want)
		})
	}
}
