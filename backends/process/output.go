package process

import (
	"context"
	"log/slog"
	"strings"
	"time"
)

const (
	// maxLines and maxLineBytes are how much of what a process prints is logged
	// in a second.
	maxLines     = 1000
	maxLineBytes = 1 << 20
)

// output logs what a process prints. One goroutine at a time uses it.
type output struct {
	log     *slog.Logger
	second  time.Time // when the current second began
	lines   int       // in it
	bytes   int
	dropped int
}

func (o *output) line(stream string, line []byte) {
	if now := time.Now(); now.Sub(o.second) >= time.Second {
		if o.dropped > 0 {
			o.log.Warn("lines of a process were dropped: it prints too much", "lines", o.dropped)
		}
		o.second, o.lines, o.bytes, o.dropped = now, 0, 0, 0
	}
	if o.lines == maxLines || o.bytes+len(line) > maxLineBytes {
		o.dropped++
		return
	}
	o.lines++
	o.bytes += len(line)
	o.log.Log(context.Background(), slog.LevelInfo, strings.ToValidUTF8(string(line), "\uFFFD"), "from", stream)
}
