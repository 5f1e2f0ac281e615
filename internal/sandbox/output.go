package sandbox

import (
	"bytes"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/lastwords"
)

// maxOutputLine is the longest line of a guest's output, in bytes, but for the sign at its end. A longer
// line is split into several log lines, with a [core.CutSign] at both sides of a split.
const maxOutputLine = 4096

// output turns the bytes that a guest writes to standard output or standard error
// into log lines. It holds the current, unfinished line.
type output struct {
	line  []byte
	words *lastwords.Words // keeps the last lines, or nil
}

// write consumes all of b.
func (o *output) write(host core.Services, b []byte) {
	for len(b) > 0 {
		end := bytes.IndexByte(b, '\n')
		part, ended := b, end >= 0
		if ended {
			part = b[:end]
		}
		if room := maxOutputLine - len(o.line); len(part) > room {
			o.line = append(append(o.line, part[:room]...), core.CutSign...)
			b = b[room:]
			o.flush(host)
			o.line = append(o.line, core.CutSign...)
			continue
		}
		o.line = append(o.line, part...)
		b = b[len(part):]
		if ended {
			b = b[1:]
			o.flush(host)
		}
	}
}

// flush logs the unfinished line, if there is one.
func (o *output) flush(host core.Services) {
	if len(o.line) == 0 {
		return
	}
	line := o.line
	o.line = o.line[:0]
	if o.words != nil {
		o.words.Add(line)
	}
	host.Log(core.LogInfo, line)
}
