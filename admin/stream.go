package admin

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/airhost/airhost/core"
)

const (
	// keptEntries and keptBytes bound the entries that a stream has kept for readers to come.
	keptEntries = 1000
	keptBytes   = 4 << 20
	// readerEntries is how many entries wait for one reader. A slower one loses entries.
	readerEntries = 512
	// maxStreams is how many streams there are at the same time.
	maxStreams = 64
	// heartbeat is the pause after which a stream says that it lives.
	heartbeat = 15 * time.Second
	// writeTime is how long a client may take to read an entry or an answer.
	writeTime = 10 * time.Second
)

// feed keeps the last entries of a stream, and hands new ones to readers. It never waits for a
// reader.
type feed[T any] struct {
	// stamp sets the number of an entry, and adds how many before it the reader has missed.
	stamp func(entry *T, number, missed uint64)

	mu      sync.Mutex // guards the following
	kept    []sized[T] // the oldest first
	bytes   int        // of kept
	number  uint64     // of the last entry
	readers map[*reader[T]]struct{}
	closed  bool
}

type sized[T any] struct {
	entry  T
	number uint64
	size   int
}

// reader gets the entries of a feed.
type reader[T any] struct {
	entries chan sized[T]
	missed  uint64 // of the feed's lock
}

// add appends an entry of so many bytes.
func (f *feed[T]) add(entry T, size int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.number++
	f.stamp(&entry, f.number, 0)
	one := sized[T]{entry, f.number, size}
	f.kept, f.bytes = append(f.kept, one), f.bytes+size
	for len(f.kept) > keptEntries || f.bytes > keptBytes && len(f.kept) > 1 {
		f.bytes -= f.kept[0].size
		f.kept[0] = sized[T]{}
		f.kept = f.kept[1:]
	}
	for r := range f.readers {
		mine := one
		f.stamp(&mine.entry, one.number, r.missed)
		select {
		case r.entries <- mine:
			r.missed = 0
		default:
			r.missed++
		}
	}
}

// open returns the entries that were kept and come after a number, and a reader of those that
// follow. The caller must call close.
func (f *feed[T]) open(after uint64) (kept []sized[T], r *reader[T]) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, one := range f.kept {
		if one.number > after {
			kept = append(kept, one)
		}
	}
	r = &reader[T]{entries: make(chan sized[T], readerEntries)}
	if f.readers == nil {
		f.readers = make(map[*reader[T]]struct{})
	}
	if f.closed {
		close(r.entries)
	} else {
		f.readers[r] = struct{}{}
	}
	return kept, r
}

func (f *feed[T]) close(r *reader[T]) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.readers, r)
}

// end ends all readers, after the entries that wait for them.
func (f *feed[T]) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	for r := range f.readers {
		close(r.entries)
		delete(f.readers, r)
	}
}

// selection says which entries a client wants.
type selection struct {
	follow    bool
	last      int // of the entries that were kept; -1 for all
	after     uint64
	component string
	level     int
}

// selected reads the parameters of a stream.
func selected(r *http.Request) (s selection, err error) {
	q := r.URL.Query()
	s.last = -1
	if text := q.Get("follow"); text != "" {
		if s.follow, err = strconv.ParseBool(text); err != nil {
			return s, invalid("follow is %q, want true or false", text)
		}
	}
	if text := q.Get("last"); text != "" {
		if s.last, err = strconv.Atoi(text); err != nil || s.last < 0 {
			return s, invalid("last is %q, want a number of entries", text)
		}
	}
	if text := r.Header.Get("Last-Event-ID"); text != "" {
		if s.after, err = strconv.ParseUint(text, 10, 64); err != nil {
			return s, invalid("Last-Event-ID is %q, want the number of an entry", text)
		}
	}
	if s.component = q.Get("component"); s.component != "" {
		if _, err := core.ParseComponentID(s.component); err != nil {
			return s, invalid("component: %v", err)
		}
	}
	if text := q.Get("level"); text != "" {
		level, err := parseLevel(text)
		if err != nil {
			return s, err
		}
		s.level = int(level)
	} else {
		s.level = int(levelTrace)
	}
	return s, nil
}

// streamFeed answers with the entries of a feed that a client wants and that keep accepts, as
// server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html).
func streamFeed[T any](s *Server, w http.ResponseWriter, r *http.Request, f *feed[T], keep func(*T, selection) bool) error {
	want, err := selected(r)
	if err != nil {
		return err
	}
	if s.streams.Add(1) > maxStreams {
		s.streams.Add(-1)
		return &Error{Status: http.StatusTooManyRequests, Code: CodeTooMany, Message: fmt.Sprintf("there are %d streams already: end one", maxStreams)}
	}
	defer s.streams.Add(-1)
	kept, live := f.open(want.after)
	defer f.close(live)
	var chosen []sized[T]
	for _, one := range kept {
		if keep(&one.entry, want) {
			chosen = append(chosen, one)
		}
	}
	if want.last >= 0 && len(chosen) > want.last {
		chosen = chosen[len(chosen)-want.last:]
	}
	out := newEventWriter(w)
	for _, one := range chosen {
		if out.write("", one.number, one.entry) != nil {
			return nil
		}
	}
	if want.follow {
		follow(s, r, out, live, func(e *T) bool { return keep(e, want) })
	}
	return nil
}

// follow writes the entries of a reader until the client is gone, or the server stops.
func follow[T any](s *Server, r *http.Request, out *eventWriter, live *reader[T], keep func(*T) bool) {
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		select {
		case one, open := <-live.entries:
			if !open {
				return
			}
			if keep(&one.entry) && out.write("", one.number, one.entry) != nil {
				return
			}
		case <-beat.C:
			if out.comment() != nil {
				return
			}
		case <-r.Context().Done():
			return
		case <-s.ending.Done():
			return
		}
	}
}

// eventWriter writes server-sent events.
type eventWriter struct {
	w    http.ResponseWriter
	http *http.ResponseController
}

func newEventWriter(w http.ResponseWriter) *eventWriter {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
	endReading(w)
	e := &eventWriter{w, http.NewResponseController(w)}
	_ = e.http.Flush() // the next write meets the error again
	return e
}

// write writes an event with a value in JSON. The name may be empty, and the number 0.
func (e *eventWriter) write(name string, number uint64, value any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return err
	}
	text := make([]byte, 0, len(data)+64)
	if name != "" {
		text = append(append(append(text, "event: "...), name...), '\n')
	}
	if number > 0 {
		text = append(strconv.AppendUint(append(text, "id: "...), number, 10), '\n')
	}
	return e.send(append(append(append(text, "data: "...), data...), "\n\n"...))
}

// comment writes a line that clients ignore.
func (e *eventWriter) comment() error { return e.send([]byte(":\n\n")) }

func (e *eventWriter) send(text []byte) error {
	_ = e.http.SetWriteDeadline(time.Now().Add(writeTime)) // all our connections have one
	if _, err := e.w.Write(text); err != nil {
		return err
	}
	return e.http.Flush()
}
