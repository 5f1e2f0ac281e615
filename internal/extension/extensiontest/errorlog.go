package extensiontest

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"
)

// ErrorLog collects log records of level ERROR.
type ErrorLog struct {
	mu   sync.Mutex // guards text
	text bytes.Buffer
}

// NewErrorLog returns an empty log.
func NewErrorLog() *ErrorLog { return new(ErrorLog) }

// Logger returns a logger that writes to the log.
func (l *ErrorLog) Logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelError}))
}

// Write implements [io.Writer].
func (l *ErrorLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// String returns the text so far.
func (l *ErrorLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// WaitForPanic waits for the record of a process that panicked with "boom". It must
// be the only record, and its stack must name file.
func (l *ErrorLog) WaitForPanic(t testing.TB, file string) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); l.String() == "" && time.Now().Before(end); {
		<-time.After(time.Millisecond)
	}
	log := l.String()
	if strings.Count(log, "\n") != 1 || !strings.Contains(log, "exit status 2: panic: boom") || !strings.Contains(log, file) {
		t.Errorf("the log's errors are\n%s\nwant one with the panic and a stack that names %s", log, file)
	}
}
