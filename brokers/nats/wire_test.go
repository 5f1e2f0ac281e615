package nats

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/airhost/airhost/core"
)

var x, y = core.MustComponentID("a/x"), core.MustComponentID("a/y")

// TestFrames: a frame is read as it was written.
func TestFrames(t *testing.T) {
	now := time.Now().UnixNano()
	data := appendHead(nil, messagesFrame, "one")
	for _, m := range []core.Message{
		{Sender: x, Payload: []byte("hello")}, {Sender: y, Correlation: 7}, {Sender: x, Correlation: 1<<64 - 1, Deadline: now + int64(1500*time.Millisecond)},
	} {
		data = appendMessage(data, &m, now)
	}
	r := reader{rest: data}
	if host := r.open(messagesFrame); host != "one" {
		t.Errorf("host %q, %v", host, r.err)
	}
	for _, want := range []struct {
		correlation     core.RequestID
		deadline        int64
		sender, payload string
	}{{0, 0, "a/x", "hello"}, {7, 0, "a/y", ""}, {1<<64 - 1, 100 + int64(1500*time.Millisecond), "a/x", ""}} {
		correlation, deadline, sender, payload := r.message(100)
		if correlation != want.correlation || deadline != want.deadline || string(sender) != want.sender || string(payload) != want.payload {
			t.Errorf("got %d, %d, %s, %s, want %v", correlation, deadline, sender, payload, want)
		}
	}
	if r.err != nil || r.more() {
		t.Errorf("%v, and %d bytes are left", r.err, len(r.rest))
	}
	said := receipt{host: "two", window: 5, bytes: 6, refusals: []refusal{{1, &core.MessagingError{Case: core.CaseQueueFull, Text: "a/x"}, true, false}, {2, core.ErrUnavailable, false, true}}}
	if closed, err := readReceipt(appendReceipt(nil, receipt{host: "two"}), 1); closed.window != 1 || err != nil {
		t.Errorf("a window of %d, %v, want 1", closed.window, err)
	}
	got, err := readReceipt(appendReceipt(nil, said), 3)
	if err != nil || got.host != "two" || got.window != 5 || got.bytes != 6 || !reflect.DeepEqual(got.refusals, said.refusals) {
		t.Errorf("got %+v, %v", got, err)
	}
}

// TestWrongFrames: frames of other programs are refused with a reason.
func TestWrongFrames(t *testing.T) {
	for data, want := range map[string]string{
		"":                                   "0 bytes",
		"\x01":                               "1 bytes",
		"\x02M\x01a":                         "version 2, this host reads up to 1",
		"\x00M\x01a":                         "version 0",
		"\x01R\x01a":                         `kind 'R'`,
		"\x01M\x00":                          "host",
		"\x01M\x02a*":                        "host",
		"\x01M\x05a":                         "a text of 5 bytes in 1",
		"\x01M\xff":                          "a number breaks off",
		"\x01M\x01a\x01\x00\x00\x01a\x00":    "a request without a number",
		"\x01M\x01a\x10\x01a\x00":            "flags 0x10",
		"\x01M\x01a\x00\x09a":                "a text of 9 bytes",
		"\x01M\x01a\x02\xff\xff\xff\xff\x0f": "a text of",
	} {
		r := reader{rest: []byte(data)}
		for r.open(messagesFrame); r.more(); {
			r.message(0)
		}
		if !errors.Is(r.err, errFrame) || !strings.Contains(r.err.Error(), want) {
			t.Errorf("%q: got %v, want …%s…", data, r.err, want)
		}
	}
	for data, want := range map[string]string{
		"\x01R\x01a\x05\x05\x02\x03\x00":             "a refusal of message 2 of 2",
		"\x01R\x01a\x05\x05\x01\x03\x00\x01\x03\x00": "a refusal of message 1 of 2",
	} {
		if _, err := readReceipt([]byte(data), 2); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want …%s…", data, err, want)
		}
	}
}

// FuzzFrames: the readers of any bytes end, keep to them, and accept nothing beyond its bounds.
func FuzzFrames(f *testing.F) {
	f.Add(appendMessage(appendHead(nil, messagesFrame, "one"), &core.Message{Sender: x, Correlation: 7, Payload: []byte("hello")}, 0))
	f.Add(appendOutcome(appendHead(nil, outcomesFrame, "one"), &core.Message{Correlation: 7, Failure: &core.RequestError{Text: "no"}}))
	f.Add(appendReceipt(nil, receipt{host: "two", window: 5, bytes: 6, refusals: []refusal{{1, core.ErrQueueFull, false, true}}}))
	f.Fuzz(func(t *testing.T, data []byte) {
		kept := bytes.Clone(data)
		r := reader{rest: data}
		for r.open(messagesFrame); r.more(); {
			r.message(0)
		}
		r = reader{rest: data}
		for r.open(outcomesFrame); r.more(); {
			r.outcome()
		}
		if got, err := readReceipt(data, 3); err == nil && (got.window > maxWindow || got.bytes > maxWindowBytes || len(got.refusals) > 3 || !validHost(got.host)) {
			t.Errorf("accepted %+v", got)
		}
		readVersion(data)
		if !bytes.Equal(data, kept) {
			t.Error("a reader has changed the frame")
		}
	})
}

// TestSubjects: an id has a subject of its own, with as many parts as all others and no wildcard.
func TestSubjects(t *testing.T) {
	s := newSubjects("my.cluster")
	seen := map[string]bool{}
	for _, text := range []string{"a/b", "a.b/c", "a/b.c", "shop.eu/orders.v2", "a-b/_c", "a/b.c.d"} {
		subject := s.to(core.MustComponentID(text))
		if seen[subject] || strings.Count(subject, ".") != 4 || strings.ContainsAny(subject, "*> ") {
			t.Errorf("%s has the subject %s", text, subject)
		}
		seen[subject] = true
	}
	if route, frame, ok := s.parseReceipt(s.receipt("h.1", 17, 1<<63)); route != 17 || frame != 1<<63 || !ok {
		t.Errorf("got %d, %d, %t", route, frame, ok)
	}
	for _, subject := range []string{"", "ah", "ah.my=cluster.host.h.credit", "ah.my=cluster.host.h.credit.x.y", "ah.other.host.h.credit.1.2"} {
		if _, _, ok := s.parseReceipt(subject); ok {
			t.Errorf("%q is a receipt's", subject)
		}
	}
	if s.isReceipt("ah.my=cluster.host.other.credit.1.2", "h.1") {
		t.Error("a host names the receipts of another one")
	}
}

// TestGrantsAreBounded: however many senders there are, all that they may have under way together
// stays within the bound, but for the least that each of them needs.
func TestGrantsAreBounded(t *testing.T) {
	g := new(grants)
	for n := range 5000 {
		window, size := g.grant(strings.Repeat("h", 1+n%60), core.MustComponentID("a/x"+strings.Repeat("y", n/60%60)))
		routes := g.routesLocked()
		if window > maxWindow || size > maxWindowBytes || routes*window > max(maxGranted, routes*minGranted) || routes*size > max(maxGrantedBytes, routes*minGrantedBytes) {
			t.Fatalf("route %d: a window of %d messages and %d bytes", routes, window, size)
		}
	}
}
