package sandbox

import (
	"bytes"

	"github.com/airhost/airhost/core"
)

// maxStderrLine is the longest line of a guest's standard error, in bytes: a
// longer one becomes several log lines.
const maxStderrLine = 4096

// stderr turns what a guest writes to its standard error into log lines. It
// holds the line that has not ended yet.
type stderr struct{ line []byte }

// write takes all of b.
func (s *stderr) write(host core.Services, b []byte) {
	for len(b) > 0 {
		end := bytes.IndexByte(b, '\n')
		part, ended := b, end >= 0
		if ended {
			part = b[:end]
		}
		if room := maxStderrLine - len(s.line); len(part) > room {
			s.line = append(s.line, part[:room]...)
			b = b[room:]
			s.flush(host)
			continue
		}
		s.line = append(s.line, part...)
		b = b[len(part):]
		if ended {
			b = b[1:]
			s.flush(host)
		}
	}
}

// flush logs what there is of a line.
func (s *stderr) flush(host core.Services) {
	if len(s.line) == 0 {
		return
	}
	line := s.line
	s.line = s.line[:0]
	host.Log(core.LogInfo, line)
}
