package core

import (
	"sync"
	"time"
)

// announceAfter is the time from the first dropped line of a [LogQuota] to its
// announcement.
const announceAfter = time.Second

// LogQuota bounds the lines and bytes that one component or process may log in a
// second. It announces the number of dropped lines a second later, and at the end, so
// no line is lost silently. Its methods may be called from any goroutine.
type LogQuota struct {
	announce func(dropped uint64, limit string)

	mu      sync.Mutex // guards the fields below, and calls of announce
	lines   logAllowance
	bytes   logAllowance
	filled  time.Time   // time at which lines and bytes were last filled
	dropped uint64      // lines that were dropped and not announced yet
	limit   string      // limit that the last dropped line had reached
	timer   *time.Timer // announces the dropped lines, or nil
}

// logAllowance is a token bucket of lines or bytes.
type logAllowance struct {
	left, perSecond, burst float64
	limit                  string // its key and value
}

func newLogAllowance(perSecond, burst int64, limit *LimitError) logAllowance {
	limit.Max = uint64(perSecond)
	return logAllowance{float64(burst), float64(perSecond), float64(burst), limit.Limit + " (" + limit.Allowed() + ")"}
}

func (a *logAllowance) fill(passed time.Duration) {
	a.left = min(a.burst, a.left+a.perSecond*passed.Seconds())
}

// NewLogQuota returns a quota of lines and bytes per second; the same numbers may be
// logged at once. If bytes is less than [MaxDetails], a line of MaxDetails may still
// be logged after a pause. announce gets the number of lines that were dropped since
// its last call, and the limit that they had reached, such as
// "logs.lines_per_second (1000)". It runs on the goroutine of a timer or of Flush, and
// Take and Flush wait for it.
func NewLogQuota(lines int, bytes int64, announce func(dropped uint64, limit string)) *LogQuota {
	return &LogQuota{
		announce: announce, filled: time.Now(),
		lines: newLogAllowance(int64(lines), int64(lines), &LimitError{Limit: "logs.lines_per_second"}),
		bytes: newLogAllowance(bytes, max(bytes, MaxDetails), &LimitError{Limit: "logs.bytes_per_second", Unit: "bytes"}),
	}
}

// Take reports whether a line of n bytes may be logged now. A line of more than
// [MaxDetails] counts as one of MaxDetails, to which the caller must cut it.
func (q *LogQuota) Take(n int) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	size := float64(min(n, MaxDetails))
	if q.lines.left < 1 || q.bytes.left < size {
		now := time.Now()
		q.lines.fill(now.Sub(q.filled))
		q.bytes.fill(now.Sub(q.filled))
		q.filled = now
	}
	switch {
	case q.lines.left < 1:
		q.dropLocked(q.lines.limit)
		return false
	case q.bytes.left < size:
		q.dropLocked(q.bytes.limit)
		return false
	}
	q.lines.left--
	q.bytes.left -= size
	return true
}

// dropLocked counts a line that has reached a limit. The caller holds q.mu.
func (q *LogQuota) dropLocked(limit string) {
	q.dropped++
	q.limit = limit
	if q.timer == nil {
		q.timer = time.AfterFunc(announceAfter, q.Flush)
	}
}

// Flush announces the dropped lines that were not announced yet. After the last Take
// and a Flush, announce is not called again.
func (q *LogQuota) Flush() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.timer != nil {
		q.timer.Stop()
		q.timer = nil
	}
	if q.dropped > 0 {
		q.announce(q.dropped, q.limit)
		q.dropped = 0
	}
}
