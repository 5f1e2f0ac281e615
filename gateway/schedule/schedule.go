// Package schedule sends requests to components at fixed intervals, or at the times of a cron
// expression. Components see the sender airhost/schedule.
package schedule

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/robfig/cron/v3"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
)

// SenderID is the sender that components see.
var SenderID = core.MustComponentID(core.HostNamespace + "/schedule")

// Entry says when a component gets which request. Every or Cron is given.
type Entry struct {
	// Every is the interval of the runs, from [MinEvery] to [MaxEvery]. The first run is one
	// interval after the start. A run that takes long does not move the others.
	Every time.Duration
	// Cron has the five fields minute, hour, day of month, month and day of week, or is one of
	// @hourly, @daily, @weekly, @monthly and @yearly. See crontab(5).
	Cron string
	// Location is the time zone of Cron; UTC if nil. A time of the day that a change to summer
	// time leaves out has no run. If Cron has one time of the day, it has one run also on the
	// day on which that comes twice.
	Location *time.Location
	// Jitter is the most by which a run is late, by chance: so that many hosts do not run at
	// the same moment. It is less than the interval.
	Jitter time.Duration
	// Timeout is how long a run may take; as long as the host's other requests by default.
	Timeout time.Duration

	Target core.ComponentID
	Data   []byte // of the request
}

// The range of [Entry] Every.
const (
	MinEvery = 10 * time.Millisecond
	MaxEvery = 366 * 24 * time.Hour
)

// ErrInvalid is wrapped by the error of New for an entry that is wrong.
var ErrInvalid = errors.New("invalid schedule")

// Status is the state of an entry at one moment.
type Status struct {
	Entry
	Running   bool
	Next      time.Time // of the next run, without its jitter; zero if there is none
	Last      time.Time // of the last run's beginning; zero before the first one
	Runs      uint64    // that have ended, with those that failed
	Failed    uint64    // that were refused, failed or timed out
	Missed    uint64    // that were due while another one of the entry ran, or the machine slept
	LastError string    // of the last run, or empty
}

// Schedules run entries. Its methods may be called from any goroutine.
type Schedules struct {
	caller  host.Caller
	log     *slog.Logger
	entries []*entry
	stop    chan struct{}   // closed when no run begins any more
	over    context.Context // ends the runs in progress
	cut     context.CancelFunc
	running sync.WaitGroup
	once    sync.Once
}

type entry struct {
	times timetable

	mu      sync.Mutex // guards the following
	status  Status
	failing bool
}

// New checks the entries and returns their Schedules, which Start starts. log gets the runs that
// fail after one that did not, and the reverse.
func New(h *host.Host, log *slog.Logger, entries ...Entry) (*Schedules, error) {
	caller, err := h.As(SenderID)
	if err != nil {
		return nil, err
	}
	s := &Schedules{caller: caller, log: log, stop: make(chan struct{})}
	s.over, s.cut = context.WithCancel(context.Background())
	for _, e := range entries {
		times, err := e.timetable()
		if err != nil {
			return nil, fmt.Errorf("%w for %s: %w", ErrInvalid, e.Target, err)
		}
		s.entries = append(s.entries, &entry{times: times, status: Status{Entry: e}})
	}
	return s, nil
}

// Check returns why the entry is wrong, or nil.
func (e *Entry) Check() error {
	_, err := e.timetable()
	return err
}

// timetable returns the first time after another one.
type timetable func(after time.Time) time.Time

func (e *Entry) timetable() (timetable, error) {
	switch {
	case e.Target.IsZero():
		return nil, errors.New("there is no target")
	case e.Every != 0 && e.Cron != "":
		return nil, errors.New("every and cron are both given, want one of them")
	case e.Jitter < 0:
		return nil, fmt.Errorf("jitter is %v, %w", e.Jitter, core.ErrOutOfRange)
	}
	if err := core.CheckTime("timeout", e.Timeout, time.Millisecond, core.MaxTimeout); err != nil {
		return nil, err
	}
	if e.Cron != "" {
		return e.cron()
	}
	if e.Every < MinEvery || e.Every > MaxEvery {
		return nil, fmt.Errorf("every is %v, %w: want %v to %v", e.Every, core.ErrOutOfRange, MinEvery, MaxEvery)
	}
	if e.Jitter >= e.Every {
		return nil, fmt.Errorf("jitter is %v, want less than the interval of %v", e.Jitter, e.Every)
	}
	return func(after time.Time) time.Time { return after.Add(e.Every) }, nil
}

// cron returns the times of a cron expression.
func (e *Entry) cron() (timetable, error) {
	if strings.Contains(e.Cron, "=") || strings.HasPrefix(e.Cron, "@every") {
		return nil, fmt.Errorf("cron is %q: a time zone goes into timezone, an interval into every", e.Cron)
	}
	parser := cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor)
	times, err := parser.Parse(e.Cron)
	if err != nil {
		return nil, fmt.Errorf("cron is %q: %w (want minute, hour, day of month, month and day of week)", e.Cron, err)
	}
	zone := e.Location
	if zone == nil {
		zone = time.UTC
	}
	first := times.Next(time.Now().In(zone))
	if first.IsZero() {
		return nil, fmt.Errorf("cron is %q, which never comes", e.Cron)
	}
	if second := times.Next(first); e.Jitter >= second.Sub(first) {
		return nil, fmt.Errorf("jitter is %v, want less than the time between two runs", e.Jitter)
	}
	const clock = "2006-01-02 15:04"
	return func(after time.Time) time.Time {
		after = after.In(zone)
		next := times.Next(after)
		if next.Format(clock) == after.Format(clock) { // the clock was set back since
			next = times.Next(next)
		}
		return next
	}, nil
}

// Start starts the schedules. It is called once, and does not block.
func (s *Schedules) Start() {
	now := time.Now().Round(0) // by the wall clock, also while the machine sleeps
	for _, e := range s.entries {
		e.status.Next = e.times(now)
		s.running.Go(func() { s.run(e) })
	}
}

// Stop lets no run begin any more, and waits for those in progress until ctx ends; then it cuts
// them off. It returns ctx's error if it has cut one off.
func (s *Schedules) Stop(ctx context.Context) error {
	s.once.Do(func() { close(s.stop) })
	defer s.cut()
	ended := make(chan struct{})
	go func() { s.running.Wait(); close(ended) }()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
	}
	s.cut()
	<-ended
	return fmt.Errorf("a scheduled run was cut off: %w", ctx.Err())
}

// Status returns the state of all entries, in their order.
func (s *Schedules) Status() []Status {
	all := make([]Status, len(s.entries))
	for i, e := range s.entries {
		e.mu.Lock()
		all[i] = e.status
		e.mu.Unlock()
	}
	return all
}

// run makes the runs of one entry, one after the other.
func (s *Schedules) run(e *entry) {
	for {
		due := e.status.Next // only this goroutine changes it
		if late := e.status.Jitter; late > 0 {
			due = due.Add(rand.N(late))
		}
		if !s.sleep(due) {
			return
		}
		s.runOnce(e)
		e.plan(time.Now().Round(0))
	}
}

// recheck is how long a sleep takes at most before the clock is read again: it may have been
// set, or have stood still.
const recheck = time.Minute

// sleep waits for a time. It returns false if Stop comes first.
func (s *Schedules) sleep(until time.Time) bool {
	for {
		wait := time.Until(until)
		if until.IsZero() { // it never comes
			wait = recheck
		}
		if wait <= 0 {
			return true
		}
		timer := time.NewTimer(min(wait, recheck))
		select {
		case <-timer.C:
		case <-s.stop:
			timer.Stop()
			return false
		}
	}
}

// runOnce makes one run.
func (s *Schedules) runOnce(e *entry) {
	e.mu.Lock()
	e.status.Running, e.status.Last = true, time.Now()
	e.mu.Unlock()
	ctx, cancel := s.over, context.CancelFunc(func() {})
	if e.status.Timeout > 0 {
		ctx, cancel = context.WithTimeout(ctx, e.status.Timeout)
	}
	_, err := s.caller.Request(ctx, e.status.Target, e.status.Data)
	cancel()
	e.mu.Lock()
	defer e.mu.Unlock()
	e.status.Running, e.status.LastError = false, ""
	e.status.Runs++
	if err != nil {
		e.status.Failed++
		e.status.LastError = err.Error()
	}
	s.logChange(e, err)
}

// logChange logs that an entry begins to fail, or fails no more.
func (s *Schedules) logChange(e *entry, err error) {
	if e.failing == (err != nil) {
		return
	}
	e.failing = err != nil
	attrs := []any{"target", e.status.Target.String(), "runs", e.status.Runs, "failed", e.status.Failed}
	if err != nil {
		s.log.Warn("a scheduled request failed, further failures are only counted", append(attrs, "reason", err.Error())...)
		return
	}
	s.log.Info("a scheduled request succeeded again", attrs...)
}

// plan sets the next run: the first one that is due after now. Those before were missed.
func (e *entry) plan(now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if every := e.status.Every; every > 0 {
		if missed := now.Sub(e.status.Next) / every; missed > 0 {
			e.status.Missed += uint64(missed)
			e.status.Next = e.status.Next.Add(missed * every)
		}
		e.status.Next = e.status.Next.Add(every)
		return
	}
	next := e.times(e.status.Next)
	for ; !next.IsZero() && !next.After(now); next = e.times(next) {
		e.status.Missed++
	}
	e.status.Next = next
}
