package spawn

import (
	"bytes"
	"fmt"
	"sync"
)

// maxLine is the longest line that is passed on in one piece, in bytes, and the
// longest handshake.
const maxLine = 8 << 10

// lines is a writer that splits its input into lines.
type lines struct {
	mu        *sync.Mutex // shared by all output of a process: guards rest, and calls of take
	rest      []byte
	take      func(line []byte)
	handshake *firstLine // gets the first line; nil for standard error
}

// makeOutput creates the writers for the process's output.
func (p *Process) makeOutput() {
	var mu sync.Mutex
	p.quota = p.command.Logs.quota()
	pass := func(stream string) func([]byte) {
		return func(line []byte) {
			if stream == "stderr" {
				p.words.add(line)
			}
			if p.command.Output != nil && p.quota.Take(len(line)) {
				p.command.Output(stream, line)
			}
		}
	}
	p.stdout = &lines{mu: &mu, take: pass("stdout")}
	p.stdout.handshake = &firstLine{ready: make(chan struct{}), refuse: p.refuse}
	p.stderr = &lines{mu: &mu, take: pass("stderr")}
}

func (p *Process) refuse(err error) {
	p.mu.Lock()
	p.refusal = err
	p.mu.Unlock()
}

// Write never fails.
func (l *lines) Write(data []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(data)
	for len(data) > 0 {
		end := bytes.IndexByte(data, '\n')
		room := maxLine - len(l.rest)
		switch {
		case end >= 0 && end <= room:
			l.pass(data[:end])
			data = data[end+1:]
		case len(data) < room:
			l.rest = append(l.rest, data...)
			data = nil
		default:
			l.pass(data[:room])
			data = data[room:]
		}
	}
	return n, nil
}

// pass passes a line on. Its beginning may be in rest.
func (l *lines) pass(line []byte) {
	if len(l.rest) > 0 {
		line = append(l.rest, line...)
		l.rest = l.rest[:0]
	}
	if l.handshake != nil && l.handshake.offer(line) {
		return
	}
	l.take(bytes.TrimSuffix(line, []byte{'\r'}))
}

// flush passes on a last line without a line feed.
func (l *lines) flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.rest) > 0 {
		l.pass(nil)
	}
}

// endHandshake ends the wait for a first line.
func (l *lines) endHandshake() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.handshake.end(nil)
}

// firstLine is a reader of the first line of standard output. go-plugin reads
// nothing else.
type firstLine struct {
	ready  chan struct{} // closed when line is set, or will never be
	ended  bool
	line   bytes.Reader
	refuse func(error)
}

// offer takes the first line and returns true. It returns false for later lines.
func (f *firstLine) offer(line []byte) bool {
	if f.ended {
		return false
	}
	if err := checkHandshake(string(line)); err != nil {
		f.refuse(err)
		f.end(nil)
		return true
	}
	f.end(fmt.Appendf(nil, "%s\n", line))
	return true
}

func (f *firstLine) end(line []byte) {
	if !f.ended {
		f.ended = true
		f.line.Reset(line)
		close(f.ready)
	}
}

func (f *firstLine) Read(into []byte) (int, error) {
	<-f.ready
	return f.line.Read(into)
}
