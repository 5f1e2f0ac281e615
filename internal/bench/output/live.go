package output

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/airhost/airhost/internal/bench/sampling"
)

// liveEvery is how often the live line is written at most: what the terminal
// does with it takes processor time, which is what is being measured.
const liveEvery = 200 * time.Millisecond

// Live is one line on a terminal that says how far a run has come. The zero
// value writes nothing.
type Live struct {
	w    io.Writer
	last time.Time
}

// NewLive returns a live line on w, which is silent unless terminal is true.
func NewLive(w io.Writer, terminal bool) *Live {
	if !terminal {
		return &Live{}
	}
	return &Live{w: w}
}

// IsTerminal reports whether file is a terminal that can rewrite a line.
func IsTerminal(file *os.File) bool {
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"
}

// Show replaces the line.
func (l *Live) Show(p sampling.Progress) {
	if l.w == nil || time.Since(l.last) < liveEvery {
		return
	}
	l.last = time.Now()
	if p.Round == 0 {
		fmt.Fprintf(l.w, "\r\x1b[Kwarming up %s", p.Subject)
		return
	}
	fmt.Fprintf(l.w, "\r\x1b[Kround %d of %d, %s left, %s", p.Round, p.Rounds, p.Left.Round(time.Second), p.Subject)
}

// Clear removes the line.
func (l *Live) Clear() {
	if l.w != nil {
		fmt.Fprint(l.w, "\r\x1b[K")
	}
}
