package nats

import (
	"strings"
	"testing"

	"github.com/airhost/airhost/core"
)

// TestPlaces: the subject of an acknowledgment tells where its message is, with and without a domain.
func TestPlaces(t *testing.T) {
	for reply, want := range map[string]place{
		"$JS.ACK.ah_c_mail.a~b.1.17.3.1700000000000000000.4":             {17, 1700000000000000000},
		"$JS.ACK.hub.hash.ah_c_mail.a~b.1.18.3.1700000000000000001.4":    {18, 1700000000000000001},
		"$JS.ACK.hub.hash.ah_c_mail.a~b.1.19.3.1700000000000000002.4.xy": {19, 1700000000000000002},
	} {
		if got, count, ok := placeOf(reply); got != want || count != 3 || !ok {
			t.Errorf("%s: got %v, %d, %v", reply, got, count, ok)
		}
	}
	for _, reply := range []string{"", "$JS", "$JS.ACK.s.c.1.2.3.4", "$JS.NAK.s.c.1.17.3.5.4", "ah.ACK.s.c.1.17.3.5.4", "$JS.ACK.s.c.1.x.3.5.4", "$JS.ACK.s.c.1.17.3.-5.4"} {
		if got, _, ok := placeOf(reply); ok {
			t.Errorf("%q: got %v", reply, got)
		}
	}
}

// TestNamesOfMail: streams, consumers and keys have names that JetStream takes, and that tell ids apart.
func TestNamesOfMail(t *testing.T) {
	s := newSubjects("prod.eu")
	id := core.MustComponentID("my.shop/or.ders-1")
	for got, want := range map[string]string{
		s.stream(): "ah_prod--eu_mail", s.bucket(): "ah_prod--eu_durable", s.consumer(id): "my=shop~or=ders-1", key(id): "my=shop.or=ders-1",
		s.mail(id): "ah.prod=eu.mail.my=shop.or=ders-1", s.storedReply("a.b", 16, 255): "ah.prod=eu.host.a=b.stored.10.ff", s.inbox("a.b"): "ah.prod=eu.host.a=b.inbox",
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if back, err := keyID(key(id)); back != id || err != nil {
		t.Errorf("got %v, %v", back, err)
	}
	for _, wrong := range []string{"", "a", "A.b", "a.b/c"} {
		if got, err := keyID(wrong); err == nil {
			t.Errorf("%q: got %v", wrong, got)
		}
	}
}

// TestRecentIsBounded: the oldest of too many messages are forgotten.
func TestRecentIsBounded(t *testing.T) {
	var r recent
	for i := range uint64(3 * maxRecent) {
		r.add(place{i, 1})
	}
	if len(r.known) != maxRecent || r.has(place{2*maxRecent - 1, 1}) || !r.has(place{2 * maxRecent, 1}) || r.has(place{2 * maxRecent, 2}) {
		t.Errorf("%d are known", len(r.known))
	}
}

// FuzzMail: nothing that is stored ends the host, and what is read was written so.
func FuzzMail(f *testing.F) {
	f.Add(appendMessage(appendHead(nil, messagesFrame, "one"), &core.Message{Sender: x, Payload: []byte("hello")}, 0), "$JS.ACK.s.c.1.17.3.5.4")
	f.Add([]byte{1, 'M', 1, 'a', 2, 200}, "$JS.ACK........")
	f.Fuzz(func(t *testing.T, data []byte, reply string) {
		sender, payload, err := readMail(data)
		if err == nil {
			again := appendMessage(appendHead(nil, messagesFrame, "one"), &core.Message{Sender: sender, Payload: payload}, 0)
			other, text, err := readMail(again)
			if other != sender || string(text) != string(payload) || err != nil {
				t.Errorf("got %s %q, %v, want %s %q", other, text, err, sender, payload)
			}
		}
		if _, _, ok := placeOf(reply); ok && !strings.HasPrefix(reply, "$JS.ACK.") {
			t.Errorf("%q is no place", reply)
		}
	})
}

// TestHandledByAnEarlierRun: a message that is stored before the first one that came was handled by an
// earlier run of the host; one of a stream that was made anew was not.
func TestHandledByAnEarlierRun(t *testing.T) {
	r := new(recent)
	first := place{sequence: 10, time: 100}
	for _, test := range []struct {
		at   place
		want bool
	}{{first, false}, {place{11, 101}, false}, {place{9, 99}, true}, {first, false}, {place{1, 200}, false}} {
		if got := r.has(test.at); got != test.want {
			t.Errorf("%v: got %t", test.at, got)
		}
	}
	r.add(first)
	if !r.has(first) {
		t.Error("it was handled")
	}
}
