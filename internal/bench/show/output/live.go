package output

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/airhost/airhost/internal/bench/data/result"
	"github.com/airhost/airhost/internal/bench/data/stat"
)

// liveEvery is the least time between two writes of the live line: the terminal takes
// processor time from the measurement.
const liveEvery = 200 * time.Millisecond

// Live is one line on a terminal that shows the progress of a run. The zero value
// writes nothing.
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
func (l *Live) Show(p result.Progress) {
	if l.w == nil || time.Since(l.last) < liveEvery {
		return
	}
	l.last = time.Now()
	fmt.Fprint(l.w, "\r\x1b[K", clip(liveText(p), l.width()))
}

// liveText is the text of the line.
func liveText(p result.Progress) string {
	if p.Round == 0 {
		return "warming up " + p.Name
	}
	text := fmt.Sprintf("round %d of %d", p.Round, p.Rounds)
	if p.Left > 0 {
		text += fmt.Sprintf(", %s left", p.Left.Round(time.Second))
	}
	samples := p.Samples()
	summary, err := stat.Summarize(samples, 0)
	if err != nil {
		return text + "  " + p.Name
	}
	half := (summary.High - summary.Low) / 2
	return fmt.Sprintf("%s  %s ± %s  %s", text, Figure(summary.Median, p.Unit), Figure(half, p.Unit), p.Name)
}

// width is the number of characters in a line of the terminal.
func (l *Live) width() int {
	if columns, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && columns > 20 {
		return columns
	}
	return usualWidth
}

// usualWidth is the width of a terminal that does not give its own. A longer line
// would wrap, and its first part would stay.
const usualWidth = 80

// clip cuts a text to less than width characters.
func clip(text string, width int) string {
	if runes := []rune(text); len(runes) >= width {
		return string(runes[:width-2]) + "…"
	}
	return text
}

// Clear removes the line.
func (l *Live) Clear() {
	if l.w != nil {
		fmt.Fprint(l.w, "\r\x1b[K")
	}
}
