package core

import (
	"sync"
	"time"
)

// announceAfter is how long after the first line that a [LogQuota] drops it says how
// many were.
const announceAfter = time.Second

// LogQuota bounds how many lines, and how many bytes of them, one component or one
// process may log in a second. What it drops it announces a second later, and at the
// end, so that no line is lost in silence. Its methods may be called from any
// goroutine.
type LogQuota struct {
	announce func(dropped uint64, limit string)

	mu      sync.Mutex // guards what follows, and calls of announce
	lines   logAllowance
	bytes   logAllowance
	filled  time.Time   // when the allowances were right
	dropped uint64      // lines that were not announced yet
	limit   string      // that the last of them had reached
	timer   *time.Timer // announces them, or nil
}

// logAllowance is what may be logged now and each second.
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

// NewLogQuota returns a quota of so many lines and bytes a second, and as many at
// once; however few bytes are allowed, a line of [MaxDetails] has its place after a
// pause. announce is called with the number of lines that were dropped since its last
// call, and with the limit that they had reached, such as
// "logs.lines_per_second (1000)". It is called on the goroutine of a timer or of
// Flush; Take and Flush wait for it.
func NewLogQuota(lines int, bytes int64, announce func(dropped uint64, limit string)) *LogQuota {
	return &LogQuota{
		announce: announce, filled: time.Now(),
		lines: newLogAllowance(int64(lines), int64(lines), &LimitError{Limit: "logs.lines_per_second"}),
		bytes: newLogAllowance(bytes, max(bytes, MaxDetails), &LimitError{Limit: "logs.bytes_per_second", Unit: "bytes"}),
	}
}

// Take reports whether a line of n bytes may be logged now. One of more than
// [MaxDetails] counts as such a line, to which it has to be cut.
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
		q.drop(q.lines.limit)
		return false
	case q.bytes.left < size:
		q.drop(q.bytes.limit)
		return false
	}
	q.lines.left--
	q.bytes.left -= size
	return true
}

// drop counts a line that has reached a limit, with q.mu held.
func (q *LogQuota) drop(limit string) {
	q.dropped++
	q.limit = limit
	if q.timer == nil {
		q.timer = time.AfterFunc(announceAfter, q.Flush)
	}
}

// Flush announces at once what was dropped and not announced yet. Its caller calls
// it when nothing will be logged any more: then announce is not called after it.
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
