package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"time"
)

// slowCompile is the time after which a user sees that something is being compiled.
const slowCompile = time.Second

// live is a line of a terminal that is rewritten every second while modules are compiled.
type live struct {
	out io.Writer // the log: it never blocks for long

	mu      sync.Mutex // guards the fields below; held while out takes a line
	running []work
	stop    func()
	shown   bool
}

// work is something that is being compiled.
type work struct {
	name  string
	began time.Time
}

// again goes to the line's begin and erases it. Nothing else in a log begins so.
const again = "\r" + eraseLine

// screen is a terminal whose last line may be a live one. Lines of the log take its place. Only the
// goroutine of the log writes to it.
type screen struct {
	to    io.Writer
	shown bool
}

// newScreen returns the terminal that a stream is, or nil.
func newScreen(stream io.Writer) *screen {
	if !isTerminal(stream) || os.Getenv("TERM") == "dumb" {
		return nil
	}
	return &screen{to: stream}
}

func (s *screen) Write(text []byte) (int, error) {
	if bytes.HasPrefix(text, []byte(again)) {
		s.shown = len(text) > len(again)
	} else if s.shown {
		s.shown = false
		if _, err := io.WriteString(s.to, again); err != nil {
			return 0, err
		}
	}
	return s.to.Write(text)
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
			l.printLocked("")
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
	const most = 50 // characters of a name, so that the line is one on every terminal
	name := []rune(printable(l.running[0].name))
	if len(name) > most {
		name = append(name[:most-1], '…')
	}
	text := "compiling " + string(name)
	if more := len(l.running) - 1; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	l.printLocked(fmt.Sprintf("%s … %d s", text, int(took.Seconds())))
}

// printLocked replaces the line; "" removes it.
func (l *live) printLocked(text string) {
	if text != "" || l.shown {
		l.shown = text != ""
		_, _ = io.WriteString(l.out, again+text) // the log never fails
	}
}

// compiling shows on a terminal that something is being compiled, until done is called.
func (p *program) compiling(name string) (done func()) {
	if p.live == nil || p.logFormat == formatJSON {
		return func() {}
	}
	return p.live.compiling(name)
}
