package host_test

import (
	"encoding/binary"
	"errors"
	"time"

	"github.com/airhost/airhost/guest"
)

// actor is one deployment of a component in the model. All its instances and versions share
// it.
type actor struct {
	w    *world
	name string
	many bool // there are several instances: they send at the same time, in any order

	// Guarded by w.mu.
	open    map[guest.RequestID]asked // its requests that have not ended
	ended   []guest.RequestID
	timers  map[guest.TimerID]timer // its timers that run, or have fired and wait
	removed bool
	trapped bool
}

// asked is a request: the serial of its message, the latest time of its end, and the
// argument of the conversation that goes on then.
type asked struct {
	serial   uint32
	deadline time.Time
	then     byte
	maybe    bool // it may have been forgotten: it need not end
}

// timer is a timer: the serial of its message, and its time.
type timer struct {
	serial uint32
	due    time.Time
}

func newActor(w *world, name string, many bool) *actor {
	return &actor{w: w, name: name, many: many, open: make(map[guest.RequestID]asked), timers: make(map[guest.TimerID]timer)}
}

func (a *actor) component() guest.Component {
	return behaviour{message: a.message, callback: a.callback, shutdown: a.shutdown}
}

func (a *actor) message(g guest.Host, sender string, message []byte) ([]byte, error) {
	serial := a.w.begin(sender, a.name, message, a.many)
	if sender == a.name && message[messageSize-2] >= timerAct {
		a.fired(serial)
	}
	trapped := true
	defer func() { a.w.end(trapped) }()
	err := a.act(g, message[messageSize-2], message[messageSize-1])
	trapped = false
	return message[:4], err
}

// trap ends the instance.
func (a *actor) trap() {
	a.w.locked(func() {
		a.trapped = true
		a.w.traps++
		if !a.many { // those of other instances go on
			clear(a.timers)
		}
	})
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
	actTimer
	actTimerMany
	actTimerAndCancel
	actTimerAndTrap
	acts
)

// timerAct is added to the act of a timer's message.
const timerAct = acts * 8

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
	case actTimer, actTimerMany, actTimerAndCancel, actTimerAndTrap:
		a.actTimer(g, act%acts, arg)
	}
	return nil
}

// actTimer is act for the acts that start timers.
func (a *actor) actTimer(g guest.Host, act, arg byte) {
	id, ok := a.startTimer(g, arg)
	switch act {
	case actTimerMany:
		for n := range byte(4) {
			a.startTimer(g, arg+n*16)
		}
	case actTimerAndCancel:
		if ok && guest.CancelTimer(g, id) {
			a.w.locked(func() { delete(a.timers, id) })
			a.w.expect(!guest.CancelTimer(g, id), "%s: a timer is canceled twice", a.name)
		}
	case actTimerAndTrap:
		a.trap()
	}
}

// startTimer starts a timer whose message is handled by the act that arg stands for.
func (a *actor) startTimer(g guest.Host, arg byte) (guest.TimerID, bool) {
	_, act := choice(arg)
	delay := []time.Duration{0, time.Millisecond, 7 * time.Millisecond, time.Hour}[arg>>4&3]
	serial, message := a.w.newMessage(a.name, a.name, false, timerAct+act, 0)
	begun := time.Now()
	a.w.mu.Lock() // the timer may fire before After returns
	defer a.w.mu.Unlock()
	id, err := guest.After(g, delay, message)
	if err != nil {
		a.w.sentLocked(serial, err)
		return 0, false
	}
	a.w.attempts-- // a timer is a message once it has fired
	a.w.timers++
	if _, runs := a.timers[id]; runs || id == 0 {
		a.w.violated("%s: a second timer with the id %d", a.name, id)
	}
	a.timers[id] = timer{serial, begun.Add(delay)}
	return id, true
}

// fired notes that a timer has fired.
func (a *actor) fired(serial uint32) {
	a.w.mu.Lock()
	defer a.w.mu.Unlock()
	for id, t := range a.timers {
		if t.serial != serial {
			continue
		}
		if time.Now().Before(t.due) {
			a.w.violated("%s: a timer fires %v early", a.name, time.Until(t.due))
		}
		delete(a.timers, id)
		return
	}
	a.w.violated("%s: timer message %d, which was canceled, or started by another instance", a.name, serial)
}

// running returns how many of the actor's timers may run now: those that are not 3 ms
// past their time.
func (a *actor) running() (n int) {
	a.w.mu.Lock()
	defer a.w.mu.Unlock()
	for _, t := range a.timers {
		if time.Since(t.due) < 3*time.Millisecond {
			n++
		}
	}
	return n
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
		serial, message := a.w.newMessage(a.name, target, !a.many, actTalk, (left-1)<<2|a.name[len(a.name)-1]-'0')
		a.w.sent(serial, g.Send(target, message))
	default:
		a.ask(g, target, true, actEcho, 0, (left-1)<<2|arg&3)
	}
}

// choice returns the target and the target's act that arg stands for. These acts
// send nothing, so that every message comes to an end.
func choice(arg byte) (target string, act byte) {
	return actorName(int(arg)), []byte{actEcho, actFail, actTrap, actWait}[arg>>2&3]
}

func (a *actor) send(g guest.Host, arg byte) {
	target, act := choice(arg)
	serial, message := a.w.newMessage(a.name, target, !a.many, act, 0)
	a.w.sent(serial, g.Send(target, message))
}

func (a *actor) sendBadly(g guest.Host) {
	for target, more := range map[string]int{"m/nobody": 0, "denied/x": 0, "no id": 0, a.name: 100} {
		serial, message := a.w.newMessage(a.name, target, !a.many, actEcho, 0)
		err := g.Send(target, append(message, make([]byte, more)...))
		a.w.sent(serial, err)
		a.w.expect(err != nil, "a message to %q with %d bytes too many is not refused", target, more)
	}
}

func (a *actor) request(g guest.Host, arg byte) (guest.RequestID, bool) {
	target, act := choice(arg)
	timeout := []time.Duration{0, time.Millisecond, 7 * time.Millisecond, time.Hour}[arg>>4&3]
	return a.ask(g, target, true, act, timeout, 0)
}

// ask sends a request. After its response the actor calls talk with then.
func (a *actor) ask(g guest.Host, target string, ordered bool, act byte, timeout time.Duration, then byte) (guest.RequestID, bool) {
	serial, message := a.w.newMessage(a.name, target, ordered && !a.many, act, 0)
	id, err := g.Request(target, message, timeout)
	a.w.sent(serial, err)
	if err != nil {
		return 0, false
	}
	if timeout == 0 {
		timeout = defaultTimeout
	}
	a.w.locked(func() { a.open[id] = asked{serial, time.Now().Add(timeout), then, false} })
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

// shutdown sends a request. Its outcome reaches the actor only after a restart. The new version
// may send at the same time, so it has no order.
func (a *actor) shutdown(g guest.Host) {
	serial, message := a.w.newMessage(a.name, actorName(0), false, actEcho, 0)
	id, err := g.Request(actorName(0), message, time.Hour)
	if a.w.sent(serial, err); err != nil {
		return
	}
	a.w.expect(id != 0, "%s: a request without an id", a.name)
	a.w.locked(func() { a.open[id] = asked{serial, time.Now().Add(time.Hour), 0, true} })
}

// startsWith is component with a request that it sends in initialize. The old version may send
// at the same time, so it has no order.
func (a *actor) startsWith(arg byte) guest.Component {
	c := a.component().(behaviour)
	c.start = func(g guest.Host, _ guest.Config) error {
		a.ask(g, actorName(int(arg)), false, actEcho, time.Hour, 0)
		return nil
	}
	return c
}

// forgets notes that requests may have been forgotten, because the actor has failed, or
// the version that sent them has been rolled back.
func (a *actor) forgets() {
	for id, asked := range a.open {
		asked.maybe = true
		a.open[id] = asked
	}
}

// complete checks that each request of the actor has ended.
func (a *actor) complete() {
	a.w.mu.Lock()
	defer a.w.mu.Unlock()
	for id, asked := range a.open {
		if !asked.maybe {
			a.w.violated("%s: request %#x never ended: %v", a.name, id, asked)
		}
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
