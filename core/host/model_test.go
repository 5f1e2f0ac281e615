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

// world is the model of a host: the messages that were sent, and their ends. The
// components and the player report their actions to it. It notes every broken
// promise.
type world struct {
	mu       sync.Mutex // guards the following
	broken   []string
	serials  uint32
	numbers  map[string]uint32 // of the last message, by sender and target
	heard    map[string]uint32 // the same, as the target has seen it
	refused  map[uint32]bool   // serials of refused messages
	handled  map[uint32]bool   // serials of handled messages
	attempts uint64            // sends and requests
	returned uint64            // calls of handle-message that returned
	running  int               // calls of handle-message in progress
	traps    uint64            // instances that ended by themselves
	others   int               // requests and undeployments of a Go program in progress
	gates    []chan struct{}   // at which handlers wait
	open     bool              // all gates stay open
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

// A message of the model consists of its serial, its number among the messages of
// its sender to its target (0: without an order), the act of the target, and the
// act's argument.
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

// errInterrupted is the native engine's answer to an interrupted component. The
// engine does not ask the host.
var errInterrupted = &guest.MessagingError{Case: guest.CaseUnavailable, Text: "outside of a call"}

// sent notes the result of a send or request.
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

// wait blocks a handler until a later step opens its gate.
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

// release opens the oldest gate, or all gates, which then stay open.
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

// settled checks the counters of a quiet host.
func (w *world) settled(h *host.Host) {
	s := h.Snapshot()
	w.mu.Lock()
	defer w.mu.Unlock()
	var refused uint64
	for _, n := range s.Refused {
		refused += n
	}
	interrupted := s.Traps - w.traps // by Stop: their handlers may return in any way
	for serial := range w.refused {
		if w.handled[serial] {
			w.violated("message %d is refused and handled", serial)
		}
	}
	for _, c := range []struct {
		name      string
		got, want uint64
	}{
		{"pending", uint64(s.Pending), 0}, {"waiting", uint64(s.Waiting), 0},
		{"handlers in progress", uint64(w.running), 0}, {"Go programs in progress", uint64(w.others), 0},
		{"sent", s.Sent, w.attempts}, {"refused", refused, uint64(len(w.refused))},
		{"handled", s.Handled, min(max(s.Handled, w.returned-min(interrupted, w.returned)), w.returned)},
		{"handled, expired, dead letters and refused", s.Handled + s.Expired + s.DeadLetters + refused, w.attempts},
	} {
		if c.got != c.want {
			w.violated("%s: %d, want %d; %+v", c.name, c.got, c.want, s)
		}
	}
}

// actor is one deployment of a component in the model. All its instances share it.
type actor struct {
	w    *world
	name string

	// Guarded by w.mu.
	open    map[guest.RequestID]asked // its requests that have not ended
	ended   []guest.RequestID
	removed bool
	trapped bool
}

// asked is a request: the serial of its message, the latest time of its end, and the
// argument of the conversation that goes on then.
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

// The acts of an actor when it handles a message. The argument chooses the target,
// the timeout and the target's act.
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
		g.Now() // a component asks the host before it waits
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

// talk takes one step of a conversation. The two lower bits of arg name the other
// actor, and the rest is the number of steps left. An actor sends a message, after
// which the other one goes on; in each fourth step it sends a request, and goes on
// after the response.
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

// choice returns the target and the target's act that arg stands for. These acts
// send nothing, so that every message comes to an end.
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

// ask sends a request. After its response the actor calls talk with then.
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

// cancel cancels one of the actor's requests. Its outcome may wait in the mailbox.
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

// cancelOthers tries to cancel requests that do not exist, or have ended.
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
	for name, id := range ids {
		err := g.Cancel(id)
		a.w.expect(errors.Is(err, guest.ErrRequestNotFound) || errors.Is(err, errInterrupted), "%s can cancel a request that is %s", a.name, name)
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

// shutdown sends a request. Its outcome never reaches the actor.
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

// awaited returns how many of the actor's requests may be pending now: those that
// are not 3 ms past their deadline. The others may still wait for their callbacks.
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
