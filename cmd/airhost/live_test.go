package main

import (
	"bytes"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// written is a terminal that several goroutines use.
type written struct {
	mu   sync.Mutex // guards text
	text []byte
}

func (w *written) Write(text []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text = append(w.text, text...)
	return len(text), nil
}

// take returns the text since the last take.
func (w *written) take() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	text := string(w.text)
	w.text = nil
	return text
}

// TestLiveLine: from the first second on a line shows what is being compiled and for how long.
// Lines of the log take its place, and nothing of it is left in the end.
func TestLiveLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var to written
		log := newLogWriter(&screen{to: &to})
		l := &live{out: log}
		wrote := func(want string) {
			t.Helper()
			synctest.Wait()
			if got := to.take(); got != want {
				t.Errorf("got  %q", got)
				t.Errorf("want %q", want)
			}
		}
		l.compiling("quick.wasm")()
		time.Sleep(5 * time.Second) // of the bubble
		wrote("")

		first := l.compiling("a\x1b.wasm")
		time.Sleep(500 * time.Millisecond)
		second := l.compiling("b.wasm")
		time.Sleep(400 * time.Millisecond)
		wrote("")
		time.Sleep(200 * time.Millisecond)
		wrote("\r\x1b[Kcompiling \"a\\x1b.wasm\" and 1 more … 1 s")
		_, _ = log.Write([]byte("a line\n"))
		wrote("\r\x1b[Ka line\n")
		_, _ = log.Write([]byte("another line\n"))
		wrote("another line\n")
		time.Sleep(time.Second)
		wrote("\r\x1b[Kcompiling \"a\\x1b.wasm\" and 1 more … 2 s")
		first()
		time.Sleep(time.Second)
		wrote("\r\x1b[Kcompiling b.wasm … 2 s")
		second()
		wrote("\r\x1b[K")
		_, _ = log.Write([]byte("the end\n"))
		wrote("the end\n")
		log.close()
	})
}

// TestLiveLineIsForTerminals: a pipe gets no line, and no control sequence.
func TestLiveLineIsForTerminals(t *testing.T) {
	if newScreen(new(bytes.Buffer)) != nil {
		t.Error("a buffer counts as a terminal")
	}
	(&program{}).compiling("a.wasm")()
	p := &program{live: &live{}, logFormat: formatJSON}
	p.compiling("a.wasm")()
	if len(p.live.running) > 0 || p.live.stop != nil {
		t.Error("a log in JSON has a live line")
	}
}
