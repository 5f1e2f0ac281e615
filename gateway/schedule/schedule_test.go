package schedule_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/airhost/airhost/backends/native"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/gateway/schedule"
	"github.com/airhost/airhost/guest"
	"github.com/airhost/airhost/internal/hosttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// component notes when it is called, and does what the test says.
type component func(sender string, message []byte) error

func (c component) HandleMessage(_ guest.Host, sender string, message []byte) ([]byte, error) {
	return nil, c(sender, message)
}

var target = core.MustComponentID("a/target")

// running is a host with a component that schedules call.
type running struct {
	*host.Host
	t   *testing.T
	log bytes.Buffer
}

func start(t *testing.T, c component) *running {
	t.Helper()
	r := &running{t: t, Host: hosttest.Start(t, host.Config{Logger: slog.New(slog.DiscardHandler)})}
	check(t, r.Deploy(context.Background(), host.Deployment{
		ID: target, Engine: native.Name, Source: native.Source(func() guest.Component { return c }),
		Limits: core.Limits{HandlerTime: 24 * time.Hour},
	}))
	return r
}

// schedules starts the entries' schedules, all for target.
func (r *running) schedules(entries ...schedule.Entry) *schedule.Schedules {
	r.t.Helper()
	for i := range entries {
		entries[i].Target = target
	}
	s, err := schedule.New(r.Host, slog.New(slog.NewTextHandler(&r.log, nil)), entries...)
	check(r.t, err)
	s.Start()
	return s
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func equal(t *testing.T, name string, got, want any) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s: got %v, want %v", name, got, want)
	}
}

// TestEvery: runs come at fixed intervals from the start on, with their data and the sender
// airhost/schedule.
func TestEvery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var seen []string
		r := start(t, func(sender string, message []byte) error {
			seen = append(seen, fmt.Sprint(time.Since(began), " ", sender, " ", string(message)))
			<-time.After(3 * time.Second)
			return nil
		})
		s := r.schedules(schedule.Entry{Every: 10 * time.Second, Data: []byte("tick"), Timeout: time.Minute})
		<-time.After(35 * time.Second)
		equal(t, "runs", seen, "[10s airhost/schedule tick 20s airhost/schedule tick 30s airhost/schedule tick]")
		status := s.Status()[0]
		equal(t, "status", fmt.Sprint(status.Runs, status.Failed, status.Missed, status.Running, status.Last.Sub(began), status.Next.Sub(began), status.LastError), "3 0 0 false 30s 40s")
		check(t, s.Stop(t.Context()))
		<-time.After(time.Minute)
		equal(t, "runs after Stop", len(seen), 3)
	})
}

// TestNoOverlap: while a run is in progress no other one of the entry begins. Those that were due
// meanwhile are counted, and the next one comes at its time.
func TestNoOverlap(t *testing.T) {
	for name, e := range map[string]schedule.Entry{
		"every": {Every: time.Minute, Timeout: time.Hour},
		"cron":  {Cron: "* * * * *", Timeout: time.Hour},
	} {
		synctest.Test(t, func(t *testing.T) { // it begins at midnight
			began := time.Now()
			var seen []string
			r := start(t, func(string, []byte) error {
				seen = append(seen, time.Since(began).String())
				if len(seen) == 1 {
					<-time.After(70 * time.Second)
				}
				return nil
			})
			s := r.schedules(e)
			<-time.After(2 * time.Minute)
			equal(t, name+" running", s.Status()[0].Running, true)
			<-time.After(2*time.Minute + time.Second)
			equal(t, name, seen, "[1m0s 3m0s 4m0s]")
			equal(t, name+" missed", s.Status()[0].Missed, 1)
			check(t, s.Stop(t.Context()))
		})
	}
}

// TestCron: the times of an expression are those of its time zone.
func TestCron(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // it begins at midnight UTC, 2000-01-01
		berlin, err := time.LoadLocation("Europe/Berlin")
		check(t, err)
		var seen []string
		r := start(t, func(_ string, message []byte) error {
			seen = append(seen, string(message)+time.Now().UTC().Format(" 02 15:04"))
			return nil
		})
		s := r.schedules(
			schedule.Entry{Cron: "30 6 * * *", Data: []byte("utc")},
			schedule.Entry{Cron: "30 6 * * *", Location: berlin, Data: []byte("berlin")},
			schedule.Entry{Cron: "@weekly", Data: []byte("sunday")},
		)
		<-time.After(48 * time.Hour)
		equal(t, "runs", seen, "[berlin 01 05:30 utc 01 06:30 sunday 02 00:00 berlin 02 05:30 utc 02 06:30]")
		check(t, s.Stop(t.Context()))
	})
}

// TestSummerTime: a time that the change to summer time leaves out has no run that day, and one
// that the change to winter time brings twice has one.
func TestSummerTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		berlin, err := time.LoadLocation("Europe/Berlin")
		check(t, err)
		days := map[string]int{}
		r := start(t, func(string, []byte) error { days[time.Now().In(berlin).Format("01-02 15:04")]++; return nil })
		for _, from := range []string{"2000-03-24", "2000-10-27"} { // two days before the Sunday of the change
			day, err := time.ParseInLocation(time.DateOnly, from, berlin)
			check(t, err)
			<-time.After(time.Until(day))
			s := r.schedules(schedule.Entry{Cron: "30 2 * * *", Location: berlin})
			<-time.After(96 * time.Hour)
			check(t, s.Stop(t.Context()))
		}
		equal(t, "runs", days, "map[03-24 02:30:1 03-25 02:30:1 03-27 02:30:1 10-27 02:30:1 10-28 02:30:1 10-29 02:30:1 10-30 02:30:1]")
	})
}

// TestJitter: a run is late by less than the jitter, and the next one is not moved by it.
func TestJitter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		late := map[time.Duration]bool{}
		r := start(t, func(string, []byte) error { late[time.Since(began)%time.Minute] = true; return nil })
		s := r.schedules(schedule.Entry{Every: time.Minute, Jitter: 10 * time.Second})
		<-time.After(100*time.Minute + 30*time.Second)
		equal(t, "runs", s.Status()[0].Runs, 100)
		for by := range late {
			if by >= 10*time.Second {
				t.Errorf("a run is late by %v", by)
			}
		}
		if len(late) < 50 {
			t.Errorf("100 runs are late by %d times, want nearly as many", len(late))
		}
		check(t, s.Stop(t.Context()))
	})
}

// TestFailures: runs that fail are counted, and the log says when that begins and ends.
func TestFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		r := start(t, func(string, []byte) error {
			if calls++; calls < 4 {
				return errors.New("on purpose")
			}
			if calls == 6 {
				<-time.After(5 * time.Second)
			}
			return nil
		})
		s := r.schedules(schedule.Entry{Every: time.Second, Timeout: 500 * time.Millisecond})
		<-time.After(6600 * time.Millisecond)
		status := s.Status()[0]
		equal(t, "runs and failures", fmt.Sprint(status.Runs, status.Failed), "6 4")
		equal(t, "last error", status.LastError, "request to a/target: context deadline exceeded")
		check(t, s.Stop(t.Context()))
		log := r.log.String()
		if strings.Count(log, "level=WARN") != 2 || strings.Count(log, "level=INFO") != 1 || !strings.Contains(log, "on purpose") {
			t.Errorf("want a warning, an end of it and a second warning, got:\n%s", log)
		}
		<-time.After(10 * time.Second)
	})
}

// TestStopCutsOff: Stop waits for a run in progress until its context ends.
func TestStopCutsOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, func(string, []byte) error { <-time.After(20 * time.Second); return nil })
		s := r.schedules(schedule.Entry{Every: time.Second, Timeout: time.Minute})
		<-time.After(time.Second + time.Millisecond)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		began := time.Now()
		if err := s.Stop(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the context's error", err)
		}
		equal(t, "time of Stop", time.Since(began), 5*time.Second)
		check(t, s.Stop(t.Context()))
		<-time.After(time.Minute)
	})
}

func TestMistakes(t *testing.T) {
	r := start(t, func(string, []byte) error { return nil })
	for text, e := range map[string]schedule.Entry{
		"there is no target":           {Every: time.Second},
		"every is 0s, out of range":    {Target: target},
		"every is 1ms, out of range":   {Target: target, Every: time.Millisecond},
		"every is 8785h0m0s, out of":   {Target: target, Every: 8785 * time.Hour},
		"want one of them":             {Target: target, Every: time.Second, Cron: "@daily"},
		"jitter is 1s, want less":      {Target: target, Every: time.Second, Jitter: time.Second},
		"jitter is -1s, out of range":  {Target: target, Every: time.Second, Jitter: -time.Second},
		"jitter is 24h0m0s, want less": {Target: target, Cron: "@daily", Jitter: 24 * time.Hour},
		"timeout is 1ns, out of range": {Target: target, Every: time.Second, Timeout: 1},
		`cron is "* * * *": expected`:  {Target: target, Cron: "* * * *"},
		`cron is "61 * * * *": end of`: {Target: target, Cron: "61 * * * *"},
		`which never comes`:            {Target: target, Cron: "0 0 31 2 *"},
		"a time zone goes into":        {Target: target, Cron: "TZ=UTC"},
		"an interval into every":       {Target: target, Cron: "@every 1s"},
	} {
		_, err := schedule.New(r.Host, slog.Default(), e)
		if !errors.Is(err, schedule.ErrInvalid) || !strings.Contains(err.Error(), text) {
			t.Errorf("got %v, want %q", err, text)
		}
	}
}
