package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"time"
)

// slowCompile is the time after which a user sees that something is being compiled.
const slowCompile = time.Second

// live is a terminal with a line that is rewritten every second while modules are compiled. Lines
// of the log are written above it.
type live struct {
	to io.Writer

	mu      sync.Mutex // guards the fields below, and what is written
	running []work
	stop    func()
	shown   bool
}

// work is something that is being compiled.
type work struct {
	name  string
	began time.Time
}

// newLive returns the terminal that a stream is, or nil.
func newLive(stream io.Writer) *live {
	if !isTerminal(stream) || os.Getenv("TERM") == "dumb" {
		return nil
	}
	return &live{to: stream}
}

// again goes to the line's begin and erases it.
const again = "\r" + eraseLine

// Write writes lines of the log.
func (l *live) Write(lines []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.eraseLocked()
	return l.to.Write(lines)
}

func (l *live) eraseLocked() {
	if l.shown {
		l.shown = false
		_, _ = io.WriteString(l.to, again) // the terminal is the only place to report a failure
	}
}

// compiling shows that something is being compiled until done is called, if that is not soon.
func (l *live) compiling(name string) (done func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	w := work{name, time.Now()}
	l.running = append(l.running, w)
	if l.stop == nil {
		l.tickLocked()
	}
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		i := slices.Index(l.running, w)
		l.running = slices.Delete(l.running, i, i+1)
		if len(l.running) == 0 {
			l.stop()
			l.stop = nil
			l.eraseLocked()
		}
	}
}

// tickLocked shows the line after a second, and then every second, until l.stop is called.
func (l *live) tickLocked() {
	ended := make(chan struct{})
	ticker := time.NewTicker(slowCompile)
	l.stop = func() { close(ended) }
	go func() {
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				l.show(ended)
			case <-ended:
				return
			}
		}
	}()
}

func (l *live) show(ended chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-ended:
		return
	default:
	}
	took := time.Since(l.running[0].began).Truncate(time.Second)
	if took < slowCompile {
		return // of something that has begun after others had ended
	}
	text := "compiling " + printable(l.running[0].name)
	if more := len(l.running) - 1; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	l.shown = true
	fmt.Fprintf(l.to, "%s%s … %d s", again, text, int(took.Seconds()))
}

// compiling shows on a terminal that something is being compiled, until done is called.
func (p *program) compiling(name string) (done func()) {
	if p.live == nil || p.logFormat == formatJSON {
		return func() {}
	}
	return p.live.compiling(name)
}
