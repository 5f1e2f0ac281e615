package nemesis

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/airhost/airhost/brokers/nats"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/guest"
)

var hostNames, serverNames = []string{"a", "b", "c"}, []string{"n1", "n2", "n3"}

// sender sends numbered messages to the sinks of all hosts, and requests to their echoes.
type sender struct {
	host    *runningHost
	self    string // its host, the run of that, and its name
	index   int
	numbers map[string]int // the last one, by target
}

func newSender(h *runningHost, name string, index int) *sender {
	return &sender{host: h, self: fmt.Sprintf("%s.%d/%s", h.settings.Name, h.settings.Run, name), index: index, numbers: map[string]int{}}
}

// calmly ends a tick at which nothing may fail: it has no burst, and no request with a short time.
const calmly = " calm"

// HandleMessage implements [guest.Component]: it handles a tick.
func (s *sender) HandleMessage(h guest.Host, _ string, message []byte) ([]byte, error) {
	number, calm := strings.CutSuffix(string(message), calmly)
	tick, err := strconv.Atoi(number)
	if err != nil {
		return nil, err
	}
	for _, l := range s.host.settings.loads() {
		l.send(s, h, tick, calm)
	}
	for i, name := range hostNames {
		messages := 2
		if calm {
			s.send(h, name+"/sink")
			s.ask(h, name+"/echo", time.Minute)
			s.ask(h, name+"/slow", time.Minute)
			continue
		}
		if tick%100 == 10*i+s.index { // a burst fills the windows
			messages = 500
		}
		for range messages {
			s.send(h, name+"/sink")
		}
		s.ask(h, name+"/echo", time.Duration(300+tick%5*400)*time.Millisecond)
		if tick%10 == 0 { // some wait in the mailbox
			s.ask(h, name+"/slow", 3*time.Second)
			for range 3 {
				s.send(h, name+"/slow")
			}
		}
	}
	return nil, nil
}

func (s *sender) next(target string) (number int, payload []byte) {
	s.numbers[target]++
	number = s.numbers[target]
	size := 100
	if number%211 == 0 {
		size = 30 << 10
	}
	return number, appendPayload(s.self, number, size)
}

func (s *sender) send(h guest.Host, target string) {
	number, payload := s.next(target)
	s.host.journal.write("send", s.self, target, number)
	if err := h.Send(target, payload); err != nil {
		s.host.journal.write("refused", s.self, target, number, firstWord(err.Error()))
		return
	}
	s.host.journal.write("sent", s.self, target, number)
}

func (s *sender) ask(h guest.Host, target string, timeout time.Duration) {
	number, payload := s.next(target)
	s.host.journal.write("ask", s.self, target, number)
	id, err := h.Request(target, payload, timeout)
	if err != nil {
		s.host.journal.write("unasked", s.self, target, number, firstWord(err.Error()))
		return
	}
	s.host.journal.write("asked", s.self, target, number, uint64(id))
}

// HandleCallback implements [guest.CallbackHandler].
func (s *sender) HandleCallback(_ guest.Host, id guest.RequestID, response []byte, failure error) error {
	reason, number := "answered", -1
	if failure != nil {
		reason = firstWord(failure.Error())
	} else if from, n, ok := parsePayload(response); ok && from == s.self {
		number = n
	}
	s.host.journal.write("outcome", s.self, uint64(id), reason, number)
	return nil
}

// sink writes down each message, and returns it.
type sink struct {
	host *runningHost
	name string
	slow bool
}

// HandleMessage implements [guest.Component].
func (s *sink) HandleMessage(_ guest.Host, _ string, message []byte) ([]byte, error) {
	from, number, ok := parsePayload(message)
	if !ok {
		return message, nil // a probe
	}
	s.host.journal.write("got", s.host.settings.Name+"/"+s.name, from, number)
	if s.name == "sink" && strings.HasPrefix(from, s.host.settings.Name+".") {
		s.host.local.Add(1)
	}
	if s.slow && number%8 == 0 {
		<-time.After(60 * time.Millisecond)
	}
	return message, nil
}

// broken is a broker with a fault: checkers must find it.
type broken struct {
	*nats.Broker
	how   string
	count atomic.Uint64
}

// brokenWays are the faults, and how they are found: each n-th message to a component of
// this host comes twice, is lost, or comes after the next one; each n-th outcome is lost,
// or comes as a success without a response; some memory is kept for good. A placement
// ignores that its lease is over.
var brokenWays = map[string]string{
	"duplicate": "handled twice", "lose": "lost: ", "swap": "out of order",
	"lose-outcome": "is under way without end", "empty-outcome": "another response", "leak": "MiB of memory",
	ignoreLease: "place: any: two claims",
}

func (b *broken) now() bool { return b.count.Add(1)%50 == 0 }

// Open implements [core.Broker].
func (b *broken) Open(ctx context.Context, home core.Origin) error {
	return b.Broker.Open(ctx, brokenOrigin{b, home})
}

// Attach implements [core.Broker].
func (b *broken) Attach(id core.ComponentID, r core.Receiver) error {
	return b.Broker.Attach(id, &brokenReceiver{broken: b, Receiver: r})
}

type brokenOrigin struct {
	*broken
	core.Origin
}

// Respond implements [core.Origin].
func (o brokenOrigin) Respond(m *core.Message) {
	switch {
	case o.how == "lose-outcome" && o.now():
		m.Release()
		return
	case o.how == "empty-outcome" && m.Failure == nil && o.now():
		m.Payload = m.Payload[:0]
	}
	o.Origin.Respond(m)
}

type brokenReceiver struct {
	*broken
	core.Receiver
	mu   sync.Mutex // guards the following
	kept *core.Message
	leak []*core.Message
}

// Deliver implements [core.Receiver].
func (r *brokenReceiver) Deliver(m *core.Message) error {
	if m.IsRequest() || m.Sender == core.HostID || !r.now() {
		sinks := !m.IsRequest() && m.Sender != core.HostID
		err := r.Receiver.Deliver(m)
		r.mu.Lock()
		last := r.kept
		if err != nil || !sinks {
			last = nil
		}
		if last != nil {
			r.kept = nil
		}
		r.mu.Unlock()
		if last != nil {
			err = r.again(last)
		}
		return err
	}
	copied := core.NewMessage(m.Payload)
	copied.Sender, copied.Target = m.Sender, m.Target
	switch r.how {
	case "duplicate":
		if err := r.Receiver.Deliver(m); err != nil {
			copied.Release()
			return err
		}
		return r.again(copied)
	case "lose":
		m.Release()
		copied.Release()
		return nil
	case "swap":
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.kept == nil {
			m.Release()
			r.kept = copied
			return nil
		}
	case "leak":
		r.mu.Lock()
		r.leak = append(r.leak, core.NewMessage(make([]byte, 1<<20)))
		r.mu.Unlock()
	}
	copied.Release()
	return r.Receiver.Deliver(m)
}

// again delivers a message of which nobody knows.
func (r *brokenReceiver) again(m *core.Message) error {
	err := r.Receiver.Deliver(m)
	if err != nil {
		m.Release()
	}
	if errors.Is(err, core.ErrQueueFull) {
		return nil
	}
	return err
}
