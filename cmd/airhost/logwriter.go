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
	// logPatience is for how long a line waits for its place among them, and how long
	// the lines that wait in the end are waited for.
	logPatience = time.Second
)

// logWriter writes lines to a log whose reader may not take them: a pipe may be full
// for ever. Then lines are dropped rather than hold up the host; a reader that goes on
// is told how many. What cannot be written for another reason is lost as well.
type logWriter struct {
	to    io.Writer
	lines chan []byte
	ended chan struct{} // closed once all has been written

	mu      sync.Mutex // guards what follows; held while a line waits
	closed  bool
	stuck   bool // the last line has waited in vain
	dropped int  // lines since the log was told of some
	log     *slog.Logger
}

// newLogWriter returns a writer that must be closed.
func newLogWriter(to io.Writer) *logWriter {
	l := &logWriter{to: to, lines: make(chan []byte, logQueue), ended: make(chan struct{})}
	go l.run()
	return l
}

// tell has log be told of dropped lines. It writes to where l writes, on the same
// goroutine, and not by l.
func (l *logWriter) tell(log *slog.Logger) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.log = log
}

// Write takes a line. It waits for [logPatience] at most, and not where the line before
// has waited in vain. It never fails.
func (l *logWriter) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || !l.push(bytes.Clone(line)) {
		l.dropped++
	}
	return len(line), nil
}

// push reports whether a line has got its place, with l.mu held.
func (l *logWriter) push(line []byte) bool {
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
		_, _ = l.to.Write(line) // there is no other place to tell of it
		if log, n := l.takeDropped(); n > 0 {
			log.Warn("log lines were dropped: nobody took them", "dropped", n)
		}
	}
	if log, n := l.takeDropped(); n > 0 { // since the last line was taken
		log.Warn("log lines were dropped: nobody took them", "dropped", n)
	}
}

// takeDropped returns how many lines the log has to be told of. It does not wait for
// lines that wait, which only its caller can end.
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
	case <-patience.C: // who writes is left behind, in a call that does not return
	}
}
