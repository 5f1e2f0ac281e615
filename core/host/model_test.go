package host_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
)

// world is the model of a host: what was sent, and what came of it. Components
// and drivers tell it what they do; it notes every promise that is broken.
type world struct {
	mu       sync.Mutex // guards what follows
	broken   []string
	serials  uint32
	numbers  map[string]uint32 // of the last message, by sender and target
	heard    map[string]uint32 // the same, at the target
	refused  map[uint32]bool   // serials of refused messages
	handled  map[uint32]bool   // serials of handled messages
	attempts uint64            // sends and requests
	returned uint64            // handle-messages that returned
	running  int               // handle-messages in progress
	traps    uint64            // instances that ended by themselves
	others   int               // requests and undeployments of a Go program in progress
	gates    []chan struct{}   // at which handlers wait
	open     bool              // gates are open for good
}

func newWorld() *world {
	return &world{
		numbers: make(map[string]uint32), heard: make(map[string]uint32),
		refused: make(map[uint32]bool), handled: make(map[uint32]bool),
	}
}

func (w *world) locked(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

// violated notes a broken promise, with w.mu held.
func (w *world) violated(format string, args ...any) {
	w.broken = append(w.broken, fmt.Sprintf(format, args...))
}

func (w *world) expect(kept bool, format string, args ...any) {
	if !kept {
		w.locked(func() { w.violated(format, args...) })
	}
}

// A message of the model is its serial, its number among those of its sender to
// its target (0: without an order), what the target does with it, and an
// argument of that.
const messageSize = 4 + 4 + 1 + 1

func (w *world) newMessage(sender, target string, ordered bool, act, arg byte) (serial uint32, message []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.attempts++
	w.serials++
	number := uint32(0)
	if ordered {
		w.numbers[sender+">"+target]++
		number = w.numbers[sender+">"+target]
	}
	message = binary.LittleEndian.AppendUint32(nil, w.serials)
	message = binary.LittleEndian.AppendUint32(message, number)
	return w.serials, append(message, act, arg)
}

// errInterrupted is what the native engine answers an interrupted component,
// without asking the host.
var errInterrupted = &guest.MessagingError{Case: guest.CaseUnavailable, Text: "outside of a call"}

// sent notes how a send or request was answered.
func (w *world) sent(serial uint32, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case errors.Is(err, errInterrupted):
		w.attempts--
	case err != nil:
		w.refused[serial] = true
	}
}

// begin notes that a target handles a message.
func (w *world) begin(sender, target string, message []byte) (serial uint32) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.running++
	serial = binary.LittleEndian.Uint32(message)
	if w.handled[serial] {
		w.violated("message %d is handled twice", serial)
	}
	w.handled[serial] = true
	number, way := binary.LittleEndian.Uint32(message[4:]), sender+">"+target
	if number > 0 {
		if number <= w.heard[way] {
			w.violated("order: %s: %d after %d", way, number, w.heard[way])
		}
		w.heard[way] = number
	}
	return serial
}

// end notes that handling a message has ended.
func (w *world) end(trapped bool) {
	w.locked(func() {
		w.running--
		if !trapped {
			w.returned++
		}
	})
}

// wait has a handler wait until a later step opens its gate.
func (w *world) wait() {
	gate := make(chan struct{})
	w.locked(func() {
		if w.open {
			close(gate)
		} else {
			w.gates = append(w.gates, gate)
		}
	})
	<-gate
}

// release opens the oldest gate, or all for good.
func (w *world) release(all bool) {
	w.locked(func() {
		w.open = w.open || all
		for len(w.gates) > 0 {
			close(w.gates[0])
			w.gates = w.gates[1:]
			if !all {
				return
			}
		}
	})
}

// settled checks what must hold when nothing is under way.
func (w *world) settled(h *host.Host) {
	s := h.Snapshot()
	w.mu.Lock()
	defer w.mu.Unlock()
	var refused uint64
	for _, n := range s.Refused {
		refused += n
	}
	interrupted := s.Traps - w.traps // by Stop: no matter how their handlers return
	for serial := range w.refused {
		if w.handled[serial] {
			w.violated("message %d is refused and handled", serial)
		}
	}
	for _, c := range []struct {
		what      string
		got, want uint64
	}{
		{"pending", uint64(s.Pending), 0}, {"waiting", uint64(s.Waiting), 0},
		{"handlers in progress", uint64(w.running), 0}, {"Go programs in progress", uint64(w.others), 0},
		{"sent", s.Sent, w.attempts}, {"refused", refused, uint64(len(w.refused))},
		{"handled", s.Handled, min(max(s.Handled, w.returned-min(interrupted, w.returned)), w.returned)},
		{"handled, expired, dead letters and refused", s.Handled + s.Expired + s.DeadLetters + refused, w.attempts},
	} {
		if c.got != c.want {
			w.violated("%s: %d, want %d; %+v", c.what, c.got, c.want, s)
		}
	}
}

// actor is one deployment of a component in the model; its instances share it.
type actor struct {
	w    *world
	name string

	// Guarded by w.mu.
	open    map[guest.RequestID]asked // its requests without an end
	ended   []guest.RequestID
	removed bool
	trapped bool
}

// asked is a request: its message, when it ends at the latest, and what to talk of
// then.
type asked struct {
	serial   uint32
	deadline time.Time
	then     byte
}

func newActor(w *world, name string) *actor {
	return &actor{w: w, name: name, open: make(map[guest.RequestID]asked)}
}

func (a *actor) component() guest.Component {
	return behaviour{message: a.message, callback: a.callback, shutdown: a.shutdown}
}

func (a *actor) message(g guest.Host, sender string, message []byte) ([]byte, error) {
	a.w.begin(sender, a.name, message)
	trapped := true
	defer func() { a.w.end(trapped) }()
	err := a.act(g, message[messageSize-2], message[messageSize-1])
	trapped = false
	return message[:4], err
}

// trap ends the instance.
func (a *actor) trap() {
	a.w.locked(func() { a.trapped = true; a.w.traps++ })
	panic("on purpose")
}

// What an actor does with a message; the argument chooses target, timeout and
// what the target is to do.
const (
	actEcho = iota
	actFail
	actTrap
	actWait
	actSend
	actSendMany
	actRequest
	actRequestMany
	actRequestAndCancel
	actCancel
	actCancelOthers
	actRequestAndTrap
	actWaitAndRequest
	actSendBadly
	actTalk
	acts
)

func (a *actor) act(g guest.Host, act, arg byte) error {
	switch act % acts {
	case actFail:
		return guest.Failed("on purpose")
	case actTrap:
		a.trap()
	case actWait:
		g.Now() // what takes long has its engine ask the host
		a.w.wait()
	case actSend:
		a.send(g, arg)
	case actSendMany:
		for range 6 {
			a.send(g, arg)
		}
	case actRequest:
		a.request(g, arg)
	case actRequestMany:
		for range 4 {
			a.request(g, arg)
		}
	case actRequestAndCancel:
		if id, ok := a.request(g, arg); ok {
			a.cancel(g, id)
		}
	case actCancel:
		if id, ok := a.oldest(); ok {
			a.cancel(g, id)
		}
	case actCancelOthers:
		a.cancelOthers(g, arg)
	case actRequestAndTrap:
		a.request(g, arg)
		a.trap()
	case actWaitAndRequest:
		g.Now()
		a.w.wait()
		a.request(g, arg)
	case actSendBadly:
		a.sendBadly(g)
	case actTalk:
		a.talk(g, arg)
	}
	return nil
}

// talk has a conversation: its lower bits say with whom, the rest for how long. The
// other one goes on, or, each fourth time, answers to a request.
func (a *actor) talk(g guest.Host, arg byte) {
	target, left := actorName(int(arg&3)), arg>>2
	switch {
	case left == 0:
	case left&3 != 0:
		serial, message := a.w.newMessage(a.name, target, true, actTalk, (left-1)<<2|a.name[len(a.name)-1]-'0')
		a.w.sent(serial, g.Send(target, message))
	default:
		a.ask(g, target, actEcho, 0, (left-1)<<2|arg&3)
	}
}

// choice is whom an argument means, and what is to be done there: nothing that
// sends on without an end.
func choice(arg byte) (target string, act byte) {
	return actorName(int(arg)), []byte{actEcho, actFail, actTrap, actWait}[arg>>2&3]
}

func (a *actor) send(g guest.Host, arg byte) {
	target, act := choice(arg)
	serial, message := a.w.newMessage(a.name, target, true, act, 0)
	a.w.sent(serial, g.Send(target, message))
}

func (a *actor) sendBadly(g guest.Host) {
	for target, more := range map[string]int{"m/nobody": 0, "denied/x": 0, "no id": 0, a.name: 100} {
		serial, message := a.w.newMessage(a.name, target, true, actEcho, 0)
		err := g.Send(target, append(message, make([]byte, more)...))
		a.w.sent(serial, err)
		a.w.expect(err != nil, "a message to %q with %d bytes too many is not refused", target, more)
	}
}

func (a *actor) request(g guest.Host, arg byte) (guest.RequestID, bool) {
	target, act := choice(arg)
	timeout := []time.Duration{0, time.Millisecond, 7 * time.Millisecond, time.Hour}[arg>>4&3]
	return a.ask(g, target, act, timeout, 0)
}

// ask sends a request, after whose response the actor talks on, if then is not 0.
func (a *actor) ask(g guest.Host, target string, act byte, timeout time.Duration, then byte) (guest.RequestID, bool) {
	serial, message := a.w.newMessage(a.name, target, true, act, 0)
	id, err := g.Request(target, message, timeout)
	a.w.sent(serial, err)
	if err != nil {
		return 0, false
	}
	if timeout == 0 {
		timeout = defaultTimeout
	}
	a.w.locked(func() { a.open[id] = asked{serial, time.Now().Add(timeout), then} })
	return id, true
}

// oldest returns a pending request, if there is one.
func (a *actor) oldest() (oldest guest.RequestID, ok bool) {
	a.w.mu.Lock()
	defer a.w.mu.Unlock()
	for id, asked := range a.open {
		if !ok || asked.serial < a.open[oldest].serial {
			oldest, ok = id, true
		}
	}
	return oldest, ok
}

// cancel cancels one of the actor's requests, which may have its outcome on the
// way.
func (a *actor) cancel(g guest.Host, id guest.RequestID) {
	if g.Cancel(id) == nil {
		a.w.locked(func() { a.close(id) })
	}
}

// close ends a request, with a.w.mu held.
func (a *actor) close(id guest.RequestID) {
	delete(a.open, id)
	a.ended = append(a.ended, id)
}

// cancelOthers tries to cancel what cannot be canceled.
func (a *actor) cancelOthers(g guest.Host, arg byte) {
	ids := map[string]guest.RequestID{"none": 0, "forged": guest.RequestID(arg) * 0x0123456789abcdef}
	a.w.locked(func() {
		if len(a.ended) > 0 {
			ids["finished"] = a.ended[int(arg)%len(a.ended)]
		}
		if _, own := a.open[ids["forged"]]; own {
			delete(ids, "forged")
		}
	})
	for what, id := range ids {
		err := g.Cancel(id)
		a.w.expect(errors.Is(err, guest.ErrRequestNotFound) || errors.Is(err, errInterrupted), "%s can cancel a request that is %s", a.name, what)
	}
}

func (a *actor) callback(g guest.Host, id guest.RequestID, response []byte, failure error) error {
	var serial uint32
	var then byte
	a.w.locked(func() {
		asked, open := a.open[id]
		serial, then = asked.serial, asked.then
		if !open || a.removed {
			a.w.violated("%s: a callback for request %#x, which has ended before or was never sent", a.name, id)
		}
		if failure == nil && (len(response) != 4 || binary.LittleEndian.Uint32(response) != serial) {
			a.w.violated("%s: request %d got the response %x", a.name, serial, response)
		}
		a.close(id)
	})
	switch serial % 8 {
	case 3:
		a.trap()
	case 5:
		a.send(g, byte(serial>>3)&3)
	}
	a.talk(g, then)
	return nil
}

// shutdown sends what nobody will hear of.
func (a *actor) shutdown(g guest.Host) {
	serial, message := a.w.newMessage(a.name, actorName(0), true, actEcho, 0)
	if id, err := g.Request(actorName(0), message, time.Hour); err != nil {
		a.w.sent(serial, err)
	} else {
		a.w.expect(id != 0, "%s: a request without an id", a.name)
	}
}

// complete checks that each request of the actor has ended.
func (a *actor) complete() {
	a.w.mu.Lock()
	defer a.w.mu.Unlock()
	if len(a.open) > 0 {
		a.w.violated("%s: %d requests never ended: %v", a.name, len(a.open), a.open)
	}
}

// awaited is how many of the actor's requests may be pending by now: a callback
// may have to wait longer than its request.
func (a *actor) awaited() (n int) {
	a.w.mu.Lock()
	defer a.w.mu.Unlock()
	for _, asked := range a.open {
		if time.Since(asked.deadline) < 3*time.Millisecond {
			n++
		}
	}
	return n
}
