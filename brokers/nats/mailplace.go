package nats

import (
	"strconv"
	"strings"
	"sync"

	"github.com/airhost/airhost/core"
)

// place is where a message is stored. The time tells it from one of a stream that was lost.
type place struct{ sequence, time uint64 }

// readMail reads a frame of one fire-and-forget message.
func readMail(data []byte) (sender core.ComponentID, payload []byte, err error) {
	r := reader{rest: data}
	r.open(messagesFrame)
	correlation, _, name, payload := r.message(0)
	switch {
	case r.err == nil && correlation != 0:
		r.fail("a request")
	case r.more():
		r.fail("%d bytes follow the message", len(r.rest))
	}
	if r.err == nil {
		sender, r.err = core.ParseComponentID(string(name))
	}
	return sender, payload, r.err
}

// placeOf reads the subject by which a message is acknowledged. Its last five parts are the number of
// deliveries, the sequences in stream and consumer, the time, and how many follow. count is the
// sequence in the consumer.
func placeOf(reply string) (at place, count uint64, ok bool) {
	parts := strings.Split(reply, ".")
	n := len(parts)
	if n < 9 || parts[0] != "$JS" || parts[1] != "ACK" {
		return at, 0, false
	}
	if n > 10 { // with domain and account before, and a token behind
		n = 11
	}
	var err1, err2, err3 error
	at.sequence, err1 = strconv.ParseUint(parts[n-4], 10, 64)
	count, err2 = strconv.ParseUint(parts[n-3], 10, 64)
	at.time, err3 = strconv.ParseUint(parts[n-2], 10, 64)
	return at, count, err1 == nil && err2 == nil && err3 == nil
}

// recent knows the messages that were handled last.
type recent struct {
	mu    sync.Mutex // guards the following; the last one to be locked
	first place      // that came
	known map[place]struct{}
	order []place
	next  int
}

// maxRecent is how many of them it knows: four times as many as can have come and not been acknowledged.
const maxRecent = 4 * maxUnacknowledged

// has reports whether a message was handled. So was one that is stored before the first one that came:
// an earlier run has acknowledged it, and it comes again since the server that leads the stream by now
// has missed that.
func (r *recent) has(at place) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.first == (place{}) {
		r.first = at
	}
	if at.sequence < r.first.sequence && at.time < r.first.time {
		return true
	}
	_, known := r.known[at]
	return known
}

func (r *recent) add(at place) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.known == nil {
		r.known = map[place]struct{}{}
	}
	r.known[at] = struct{}{}
	if len(r.order) < maxRecent {
		r.order = append(r.order, at)
		return
	}
	delete(r.known, r.order[r.next])
	r.order[r.next] = at
	r.next = (r.next + 1) % maxRecent
}
