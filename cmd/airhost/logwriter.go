package main

import (
	"bytes"
	"io"
	"log/slog"
	"sync"
	"time"
)

const (
	// logQueue is how many lines wait for the log's reader.
	logQueue = 1024
	// logPatience is the time that a line waits for a place in the queue, and the time
	// that close waits for the lines in the queue.
	logPatience = time.Second
)

// logWriter writes lines to a log. The log's reader may stop reading, so that a pipe
// stays full; then the writer drops lines instead of blocking the host, and counts them
// in the log when the reader goes on. Lines are also lost if writing fails.
type logWriter struct {
	to    io.Writer
	lines chan []byte
	ended chan struct{} // closed once all has been written

	mu      sync.Mutex // guards the fields below; held while a line waits
	closed  bool
	stuck   bool // the last line has waited in vain
	dropped int  // lines since the log last counted them
	log     *slog.Logger
}

// newLogWriter returns a writer that must be closed.
func newLogWriter(to io.Writer) *logWriter {
	l := &logWriter{to: to, lines: make(chan []byte, logQueue), ended: make(chan struct{})}
	go l.run()
	return l
}

// tell sets the log that counts dropped lines. It must write to the same place as l, but
// not through l; l uses it on its own goroutine.
func (l *logWriter) tell(log *slog.Logger) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.log = log
}

// Write takes a line. It waits for at most [logPatience], and does not wait if the line
// before was dropped after waiting. It never fails.
func (l *logWriter) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || !l.pushLocked(bytes.Clone(line)) {
		l.dropped++
	}
	return len(line), nil
}

// pushLocked reports whether a line has got its place. The caller holds l.mu.
func (l *logWriter) pushLocked(line []byte) bool {
	select {
	case l.lines <- line:
		l.stuck = false
		return true
	default:
	}
	if l.stuck {
		return false
	}
	patience := time.NewTimer(logPatience)
	defer patience.Stop()
	select {
	case l.lines <- line:
	case <-patience.C:
		l.stuck = true
	}
	return !l.stuck
}

func (l *logWriter) run() {
	defer close(l.ended)
	for line := range l.lines {
		_, _ = l.to.Write(line) // the log is the only place to report a failure
		if log, n := l.takeDropped(); n > 0 {
			log.Warn("log lines were dropped: nobody took them", "dropped", n)
		}
	}
	if log, n := l.takeDropped(); n > 0 { // since the last line was taken
		log.Warn("log lines were dropped: nobody took them", "dropped", n)
	}
}

// takeDropped returns the number of lines that the log has to count, and resets it. It
// does not lock l.mu while a line waits: only the caller can end that wait.
func (l *logWriter) takeDropped() (log *slog.Logger, n int) {
	if !l.mu.TryLock() {
		return nil, 0
	}
	defer l.mu.Unlock()
	if l.log == nil {
		return nil, 0
	}
	n, l.dropped = l.dropped, 0
	return l.log, n
}

// close waits until all lines have been written, or for [logPatience].
func (l *logWriter) close() {
	l.mu.Lock()
	l.closed = true
	close(l.lines)
	l.mu.Unlock()
	patience := time.NewTimer(logPatience)
	defer patience.Stop()
	select {
	case <-l.ended:
	case <-patience.C: // the goroutine stays in a write that does not return
	}
}
