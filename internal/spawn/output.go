package spawn

import (
	"bytes"
	"fmt"
	"sync"
)

// maxLine is the longest line that is passed on in one piece, and the longest
// handshake, in bytes.
const maxLine = 8 << 10

// lines splits what is written to it into lines.
type lines struct {
	mu        *sync.Mutex // of all of a process's output: guards rest and calls of take
	rest      []byte
	take      func(line []byte)
	handshake *firstLine // gets the first line instead, or nil
}

// makeOutput makes what the process's output is written to.
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

// pass passes a line on, of which rest is the beginning.
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

// flush passes on a last line without an end.
func (l *lines) flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.rest) > 0 {
		l.pass(nil)
	}
}

// endHandshake says that no line will come.
func (l *lines) endHandshake() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.handshake.end(nil)
}

// firstLine is a reader of the first line of standard output, which is all that
// go-plugin gets to see.
type firstLine struct {
	ready  chan struct{} // closed when line is there, or never will be
	ended  bool
	line   bytes.Reader
	refuse func(error)
}

// offer takes line if it is the first.
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
