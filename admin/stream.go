package admin

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/airhost/airhost/core"
)

// batchEntries is how many entries are written at once.
const batchEntries = 64

// selection says which entries a client wants.
type selection struct {
	follow    bool
	last      int    // of the entries that were kept; -1 for all
	after     uint64 // the number of the last entry that the client has; 0 for none
	component string
	level     int
}

// selected reads the parameters of a stream.
func selected(r *http.Request) (s selection, err error) {
	q := r.URL.Query()
	s.last, s.level = -1, int(levelTrace)
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
	}
	s.follow = s.follow && r.Method != http.MethodHead // which has no body that could go on
	return s, nil
}

// subscription is one client's stream of the entries of a feed.
type subscription[T any] struct {
	feed   *feed[T]
	keep   func(*T) bool
	out    *eventWriter
	next   uint64 // the number of the entry to go on with
	missed uint64 // entries that are gone, which the client has not been told
}

// streamFeed answers with the entries of a feed that a client wants and that keep accepts, as
// server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html).
func streamFeed[T any](s *Server, w http.ResponseWriter, r *http.Request, f *feed[T], keep func(*T, selection) bool) error {
	want, err := selected(r)
	if err != nil {
		return err
	}
	if !s.streams.take(1) {
		return tooMany("there are %d streams already: end one", s.config.MaxStreams)
	}
	defer s.streams.give(1)
	sub := &subscription[T]{feed: f, keep: func(e *T) bool { return keep(e, want) }, out: s.newEventWriter(w)}
	if sub.history(want) != nil || !want.follow {
		return nil // all is said, or the client is gone
	}
	sub.follow(s, r)
	return nil
}

// history writes the entries that were kept.
func (s *subscription[T]) history(want selection) error {
	oldest, newest := s.feed.bounds()
	if again := 0 < want.after && want.after <= newest; again { // else the number is another host's
		oldest, want.last = want.after+1, -1
	}
	kept := s.feed.read(oldest, keptEntries)
	s.next, s.missed = kept.next(), kept.missed
	first := 0
	for i, n := len(kept.entries)-1, 0; i >= 0 && want.last >= 0; i-- {
		if s.keep(&kept.entries[i]) {
			n++
		}
		if n > want.last {
			first = i + 1
			break
		}
	}
	number, wanted := kept.first+uint64(first), kept.entries[first:]
	for {
		now := min(len(wanted), batchEntries)
		s.collect(number, wanted[:now])
		if err := s.out.send(); err != nil || now == len(wanted) {
			return err
		}
		number, wanted = number+uint64(now), wanted[now:]
	}
}

// collect adds entries to the text that is written next, with their numbers from first on.
func (s *subscription[T]) collect(first uint64, entries []T) {
	for i := range entries {
		if !s.keep(&entries[i]) {
			continue
		}
		number := first + uint64(i)
		s.feed.stamp(&entries[i], number, s.missed)
		s.missed = 0
		s.out.add("", number, entries[i])
	}
}

// follow writes the entries that come, until the client is gone, or the host or the server stops.
func (s *subscription[T]) follow(server *Server, r *http.Request) {
	beat := time.NewTicker(server.config.Heartbeat)
	defer beat.Stop()
	for {
		came := s.feed.read(s.next, batchEntries)
		s.next, s.missed = came.next(), s.missed+came.missed
		s.collect(came.first, came.entries)
		stopping := came.ended || len(came.entries) == 0 && server.ending.Err() != nil
		if stopping {
			s.out.add("end", 0, End{Reason: CodeStopping})
		}
		if s.out.send() != nil || stopping {
			return
		}
		if len(came.entries) > 0 {
			continue
		}
		select {
		case <-came.more:
		case <-server.ending.Done():
		case <-beat.C:
			s.out.comment()
		case <-r.Context().Done():
			return
		}
	}
}

// eventWriter writes server-sent events.
type eventWriter struct {
	w     http.ResponseWriter
	http  *http.ResponseController
	time  time.Duration // for the client to take them
	text  []byte        // to be written
	begun bool
}

func (s *Server) newEventWriter(w http.ResponseWriter) *eventWriter {
	return &eventWriter{w: w, http: http.NewResponseController(w), time: s.config.WriteTimeout}
}

// add adds an event with a value in JSON. The name may be empty, and the number 0.
func (e *eventWriter) add(name string, number uint64, value any) {
	data, err := json.Marshal(value)
	if err != nil { // such as a value of an attribute that JSON lacks
		name = "error"
		data, _ = json.Marshal(answer{&Error{Code: CodeFailed, Message: err.Error()}}) // texts do not fail
	}
	if name != "" {
		e.text = fmt.Appendf(e.text, "event: %s\n", name)
	}
	if number > 0 {
		e.text = fmt.Appendf(e.text, "id: %d\n", number)
	}
	e.text = append(append(append(e.text, "data: "...), data...), "\n\n"...)
}

// comment adds a line that clients ignore.
func (e *eventWriter) comment() { e.text = append(e.text, ":\n\n"...) }

// send writes the events that were added. The first call begins the response. An error says that
// the client is gone, or too slow.
func (e *eventWriter) send() error {
	if e.begun && len(e.text) == 0 {
		return nil
	}
	_ = e.http.SetWriteDeadline(time.Now().Add(e.time)) // all our connections have one
	if !e.begun {
		e.begun = true
		e.w.Header().Set("Content-Type", "text/event-stream")
		e.w.Header().Set("Cache-Control", "no-store")
		e.w.WriteHeader(http.StatusOK)
	}
	if _, err := e.w.Write(e.text); err != nil {
		return err
	}
	if e.text = e.text[:0]; cap(e.text) > keptText {
		e.text = nil
	}
	return e.http.Flush()
}

// keptText is the largest text that a stream keeps for its next events.
const keptText = 64 << 10
