package nats

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	natsgo "github.com/nats-io/nats.go"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/hosttest"
)

// TestPublicationFrames: a frame is read as it was written, and later fields are skipped.
func TestPublicationFrames(t *testing.T) {
	data := appendPublications(nil, "one", "RUN", 300, []string{"q", "workers"})
	data = appendPublication(data, x, []byte("hello"))
	data = appendText(appendText(appendText(append(data, flagExtended), "later"), "a/y"), "")
	r := reader{rest: data}
	from, sequence, served := r.publications("workers")
	if from != (publisher{"one", "RUN"}) || sequence != 300 || !served {
		t.Errorf("the head is %v, %d, %t, %v", from, sequence, served, r.err)
	}
	for _, want := range []string{"a/x hello", "a/y "} {
		sender, payload := r.publication()
		if got := string(sender) + " " + string(payload); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if r.err != nil || r.more() || countPublications(data) != 2 {
		t.Errorf("%v, %d bytes are left, %d publications", r.err, len(r.rest), countPublications(data))
	}
	r = reader{rest: data}
	if _, _, served := r.publications("work"); served {
		t.Error("another queue group is named")
	}
}

// wrongPublications are frames that no host writes, with a part of the reason.
var wrongPublications = map[string]string{
	"":                                   "0 bytes",
	"\x02P\x01a\x01r\x01\x00":            "version 2, this host reads up to 1",
	"\x01M\x01a\x00\x03a/x\x00":          `kind 'M'`,
	"\x01P\x02a*\x01r\x01\x00":           "host",
	"\x01P\x01a\x00\x01\x00":             "run",
	"\x01P\x01a\x02r \x01\x00":           "run",
	"\x01P\x01a\x01r\x00\x00":            "a frame without a number",
	"\x01P\x01a\x01r\x01\x01\x00":        "a queue group",
	"\x01P\x01a\x01r\x01\x02\x01q":       "a number breaks off",
	"\x01P\x01a\x01r\x01\x00\x01\x03a/x": "flags 0x1",
	"\x01P\x01a\x01r\x01\x00\x00\x03a/x": "a number breaks off",
	"\x01P\x01a\x01r\x01\x00\x00\x09a/x": "a text of 9 bytes",
	"\x01P\x01a\x01r\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01":     "a number breaks off",
	"\x01P\x01a\x01r\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x40": "a text of 64 bytes",
}

func TestWrongPublicationFrames(t *testing.T) {
	for data, want := range wrongPublications {
		r := reader{rest: []byte(data)}
		for r.publications(""); r.more(); {
			r.publication()
		}
		if !errors.Is(r.err, errFrame) || !strings.Contains(r.err.Error(), want) {
			t.Errorf("%q: got %v, want …%s…", data, r.err, want)
		}
	}
}

// FuzzPublications: the readers of any bytes and any subject end, keep to them, and nothing comes to the
// host but topics and senders that are some.
func FuzzPublications(f *testing.F) {
	f.Add("ah.c.pub.a.b", "q", appendPublication(appendPublications(nil, "one", "RUN", 1, []string{"q"}), x, []byte("hello")))
	f.Add("ah.c.pub.*", "", appendPublication(appendPublications(nil, "one", "RUN", math.MaxUint64, nil), x, nil))
	for data := range wrongPublications {
		f.Add("ah.c.pub.a", "", []byte(data))
	}
	f.Fuzz(func(t *testing.T, subject, queue string, data []byte) {
		kept := bytes.Clone(data)
		home := &noted{}
		b := idle(t, home)
		err := b.deliverFrame(&natsgo.Msg{Subject: subject, Data: data, Sub: &natsgo.Subscription{Queue: queue}})
		for _, d := range home.delivered {
			_, wrongTopic := core.ParseTopic(d.topic.String())
			_, wrongSender := core.ParseComponentID(d.sender.String())
			if err := errors.Join(wrongTopic, wrongSender); err != nil || d.queue != queue {
				t.Errorf("delivered %+v: %v", d, err)
			}
		}
		if n := countPublications(data); err == nil && len(home.delivered) > 0 && n != uint64(len(home.delivered)) {
			t.Errorf("%d publications are counted, %d delivered", n, len(home.delivered))
		}
		if !bytes.Equal(data, kept) {
			t.Error("a reader has changed the frame")
		}
	})
}

// noted is a host that notes all deliveries.
type noted struct {
	wanted    []core.TopicSubscription
	delivered []delivery
	gate      chan struct{} // if not nil, a delivery waits for it
}

type delivery struct {
	topic   core.Topic
	queue   string
	sender  core.ComponentID
	payload string
}

func (h *noted) Subscriptions() []core.TopicSubscription { return h.wanted }

func (h *noted) DeliverPublished(topic core.Topic, queue string, sender core.ComponentID, payload []byte) {
	if h.gate != nil {
		<-h.gate
	}
	h.delivered = append(h.delivered, delivery{topic, queue, sender, string(payload)})
}

// idle returns a broker of a host, in the cluster c, without a connection.
func idle(t testing.TB, home core.TopicHome) *Broker {
	t.Helper()
	b, err := New(Config{Cluster: "c", Host: "me", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	b.JoinTopics(home)
	b.most.Store(1 << 20)
	b.refusal.Store(nil)
	return b
}

// frameOf is one with a publication of a/x on a subject of the cluster c.
func frameOf(topic, queue, host, run string, sequence uint64, served ...string) *natsgo.Msg {
	data := appendPublication(appendPublications(nil, host, run, sequence, served), x, fmt.Append(nil, sequence))
	return &natsgo.Msg{Subject: "ah.c.pub." + topic, Data: data, Sub: &natsgo.Subscription{Queue: queue}}
}

// TestFramesThatAreDropped: a frame comes to the host once on each line and in order, a host that
// starts anew begins at 1, and the publications of this host come to a queue group alone.
func TestFramesThatAreDropped(t *testing.T) {
	home := &noted{}
	b := idle(t, home)
	for _, c := range []struct {
		name string
		in   *natsgo.Msg
		want bool
	}{
		{"the first one", frameOf("a", "", "other", "R1", 1), true},
		{"by another subscription", frameOf("a", "", "other", "R1", 1), false},
		{"by a queue group", frameOf("a", "q", "other", "R1", 1), true},
		{"by another queue group", frameOf("a", "r", "other", "R1", 1), true},
		{"by the queue group again", frameOf("a", "q", "other", "R1", 1), false},
		{"with a gap", frameOf("b", "", "other", "R1", 7), true},
		{"too late", frameOf("b", "", "other", "R1", 6), false},
		{"another host", frameOf("a", "", "third", "R1", 1), true},
		{"the host has started anew", frameOf("a", "", "other", "R2", 1), true},
		{"the host as it was before", frameOf("a", "", "other", "R1", 8), true},
		{"a served queue group", frameOf("a", "q", "other", "R2", 2, "p", "q"), false},
		{"not that one", frameOf("a", "q", "other", "R2", 2, "p"), true},
		{"the last number", frameOf("a", "", "other", "R3", math.MaxUint64), true},
		{"after it", frameOf("a", "", "other", "R3", 5), false},
		{"of this host", frameOf("a", "", "me", b.run, 1), false},
		{"of this host, for a queue group", frameOf("a", "q", "me", b.run, 1), true},
		{"in the name of this host, by an earlier run", frameOf("a", "", "me", "EARLIER", 1), true},
	} {
		home.delivered = nil
		if err := b.deliverFrame(c.in); err != nil || (len(home.delivered) == 1) != c.want {
			t.Errorf("%s: delivered %v, %v", c.name, home.delivered, err)
		}
	}
}

// TestWrongArrivals: frames with subjects that are no topics and senders that are no ids are discarded,
// and those before the fault are delivered.
func TestWrongArrivals(t *testing.T) {
	home := &noted{}
	b := idle(t, home)
	for i, subject := range []string{"", "ah.c.pub", "ah.c.pub.", "ah.c.pub.*", "ah.c.pub.a.>", "ah.c.pub.A", "ah.c.pub.a..b", "ah.other.pub.a", "ah.c.to.a.b", "ah.c.pub." + strings.Repeat("a.", 16) + "a"} {
		in := frameOf("a", "", "other", "R", uint64(i+1))
		in.Subject = subject
		if err := b.deliverFrame(in); err == nil {
			t.Errorf("a frame on %q is taken", subject)
		}
	}
	none := appendText(appendText(append(appendPublications(nil, "other", "NONE", 1, nil), 0), ""), "never")
	if err := b.deliverFrame(&natsgo.Msg{Subject: "ah.c.pub.a", Data: none, Sub: new(natsgo.Subscription)}); !errors.Is(err, core.ErrInvalidID) {
		t.Errorf("no sender in the first frame of all: got %v", err)
	}
	for i, sender := range []string{"", "a", "a/", "A/b", "a/b/c", "a/" + strings.Repeat("b", 64), "a/\xff"} {
		in := frameOf("a", "", "other", "S", uint64(i+1))
		in.Data = appendText(appendText(append(in.Data, 0), sender), "never")
		in.Data = appendPublication(in.Data, x, []byte("after"))
		if err := b.deliverFrame(in); !errors.Is(err, core.ErrInvalidID) {
			t.Errorf("sender %q: got %v", sender, err)
		}
	}
	if n := len(home.delivered); n != 7 || slices.ContainsFunc(home.delivered, func(d delivery) bool { return d.sender != x || len(d.payload) != 1 }) {
		t.Errorf("delivered %v", home.delivered)
	}
}

// TestPublishersAreForgotten: however many hosts have published, the broker remembers some of them, and
// those from which something has come last.
func TestPublishersAreForgotten(t *testing.T) {
	home := &noted{}
	b := idle(t, home)
	for i := range 10 * maxPublishers {
		_ = b.deliverFrame(frameOf("a", "", "other", fmt.Sprint("R", i), 1))
		if err := b.deliverFrame(frameOf("a", "", "third", "R", uint64(i+1))); err != nil || len(b.topics.arrival.last) > maxPublishers {
			t.Fatalf("%d publishers are known: %v", len(b.topics.arrival.last), err)
		}
	}
	n := len(home.delivered)
	_ = b.deliverFrame(frameOf("a", "", "third", "R", 1))
	if len(home.delivered) != n || n != 20*maxPublishers {
		t.Errorf("%d were delivered, and one more that came before", n)
	}
}

// TestPublicationsThatWaitAreBounded: beyond the bounds Publish refuses with queue-full, and a broker that
// is closed has counted those that were not sent.
func TestPublicationsThatWaitAreBounded(t *testing.T) {
	topic := core.MustTopic("a")
	for name, c := range map[string]struct{ size, want int }{"messages": {1, maxPublications}, "bytes": {1 << 20, maxPublicationBytes >> 20}} {
		b := idle(t, nil)
		taken := 0
		var err error
		for ; err == nil; taken++ {
			err = b.Publish(topic, x, make([]byte, c.size), nil)
		}
		if taken--; taken != c.want || !errors.Is(err, core.ErrQueueFull) || len(b.topics.waiting) != c.want {
			t.Errorf("%s: %d are taken, %d wait, want %d, then %v", name, taken, len(b.topics.waiting), c.want, err)
		}
		b.refusal.Store(errClosed)
		b.topics.end()
		if n := b.Counters().Unpublished; n != uint64(c.want) {
			t.Errorf("%s: %d are counted, want %d", name, n, c.want)
		}
		if err := b.Publish(topic, x, nil, nil); !errors.Is(err, core.ErrUnavailable) {
			t.Errorf("%s: closed: got %v", name, err)
		}
	}
}

// TestPublicationsInARow: those on one topic share a frame, up to its bounds; others do not.
func TestPublicationsInARow(t *testing.T) {
	b := idle(t, nil)
	var all []publication
	add := func(n int, topic string, size int, served ...string) {
		for range n {
			all = append(all, publication{topic: core.MustTopic(topic), served: served, message: core.NewMessage(make([]byte, size))})
		}
	}
	add(70, "a", 1)
	add(2, "b", 1)
	add(1, "b", 1, "q")
	add(3, "b", 60<<10)
	add(2, "c", 500<<10)
	var frames []int
	for rest := all; len(rest) > 0; {
		n := b.topics.nextFrame(rest)
		frames, rest = append(frames, n), rest[n:]
	}
	if want := []int{64, 6, 2, 1, 2, 1, 1, 1}; !slices.Equal(frames, want) {
		t.Errorf("the frames have %v, want %v", frames, want)
	}
}

// TestForbiddenPublications: the publications of a frame that the server forbids are counted once, also
// of one that it tells of late.
func TestForbiddenPublications(t *testing.T) {
	b := idle(t, nil)
	p := &b.topics
	p.noteSent("s", 3)
	p.noteSent("s", 4)
	for i := range 3 {
		p.forbidden("s")
		if want := []uint64{3, 7, 8}[i]; b.Counters().Unpublished != want {
			t.Errorf("%d are counted, want %d", b.Counters().Unpublished, want)
		}
	}
}

// TestArrivalsAreBounded: while the host takes nothing, the frames that wait for it are bounded in
// number and in bytes, the others are counted, and logged at most once a second.
func TestArrivalsAreBounded(t *testing.T) {
	for name, c := range map[string]struct{ size, frames, want int }{
		"frames": {1, maxFrames + 100, maxFrames + 1}, "bytes": {1 << 20, maxFrameBytes>>20 + 100, maxFrameBytes >> 20},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { arrivalsAreBounded(t, c.size, c.frames, c.want) })
		})
	}
}

func arrivalsAreBounded(t *testing.T, size, frames, want int) {
	home := &noted{gate: make(chan struct{})}
	log := new(hosttest.Log)
	b := idle(t, home)
	b.log, b.done = slog.New(slog.NewTextHandler(log, nil)), make(chan struct{})
	a := &b.topics.arrival
	a.came, a.ready = make(chan *natsgo.Msg), make(chan *natsgo.Msg, maxFrames)
	b.work.Go(b.takeInPublications)
	b.work.Go(b.deliverPublications)
	payload := make([]byte, size)
	come := func(number int) {
		data := appendPublication(appendPublications(nil, "other", "R", uint64(number), nil), x, payload)
		data = appendPublication(data, x, nil)
		a.came <- &natsgo.Msg{Subject: "ah.c.pub.a", Data: data, Sub: new(natsgo.Subscription)}
		synctest.Wait()
	}
	for i := range frames {
		come(i + 1)
	}
	if missed := b.Counters().Missed; missed != uint64(2*(frames-want)) || b.Cluster().Missed != missed {
		t.Errorf("%d are missed, want %d, also in %+v", missed, 2*(frames-want), b.Cluster())
	}
	line := "publications of other hosts were dropped"
	if n := strings.Count(log.String(), line); n != 1 {
		t.Errorf("%d lines in the log, want 1", n)
	}
	<-time.After(time.Second)
	come(frames + 1)
	if text := log.String(); strings.Count(text, line) != 2 || !strings.Contains(text, fmt.Sprint("publications=", 2*(frames-want))) {
		t.Errorf("the log has\n%s", text)
	}
	close(home.gate)
	synctest.Wait()
	if n := len(home.delivered); n != 2*want {
		t.Errorf("%d are delivered, want %d", n, 2*want)
	}
	close(b.done)
	b.work.Wait()
}
