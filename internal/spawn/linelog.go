package spawn

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// Output gets what a plug-in prints. Its methods are called by one goroutine at a
// time.
type Output interface {
	// Line gets a line of standard output or standard error, which stream names,
	// without its end. Longer lines come in parts of 8 KiB; line is valid only during
	// the call. It should return soon: the plug-in waits where it writes more than is
	// taken.
	Line(stream string, line []byte)
	// End is called once, after the last line.
	End()
}

// discard is an [Output] that takes nothing.
type discard struct{}

func (discard) Line(string, []byte) {}
func (discard) End()                {}

// How much of what a plug-in prints is logged in a second.
const (
	LinesPerSecond = 1000
	BytesPerSecond = 1 << 20
)

// LineLog is an [Output] that logs lines at level info, at most [LinesPerSecond] and
// [BytesPerSecond]. What is dropped is counted, and the count is logged within a second
// and at the end.
type LineLog struct {
	log *slog.Logger
	key string

	mu      sync.Mutex // guards what follows
	second  time.Time  // when the current second began
	lines   int        // in it
	bytes   int
	dropped int
	soon    *time.Timer // logs dropped
}

var _ Output = (*LineLog)(nil)

// NewLineLog returns a LineLog. key is the attribute that names the stream.
func NewLineLog(log *slog.Logger, key string) *LineLog { return &LineLog{log: log, key: key} }

// Line implements [Output].
func (l *LineLog) Line(stream string, line []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := time.Now(); now.Sub(l.second) >= time.Second {
		l.tell()
		l.second, l.lines, l.bytes = now, 0, 0
	}
	if l.lines == LinesPerSecond || l.bytes+len(line) > BytesPerSecond {
		if l.dropped++; l.dropped == 1 {
			l.soon = time.AfterFunc(time.Until(l.second.Add(time.Second)), l.End)
		}
		return
	}
	l.lines++
	l.bytes += len(line)
	l.log.Log(context.Background(), slog.LevelInfo, valid(string(line)), l.key, stream)
}

// End implements [Output]: it logs how many lines were dropped since that was logged
// last, if any were.
func (l *LineLog) End() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tell()
}

// tell is End, with l.mu held.
func (l *LineLog) tell() {
	if l.dropped == 0 {
		return
	}
	l.soon.Stop()
	l.log.Warn("log lines were dropped: the process prints more than is logged in a second", "dropped", l.dropped,
		"lines_per_second", LinesPerSecond, "bytes_per_second", BytesPerSecond)
	l.dropped = 0
}
