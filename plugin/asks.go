package plugin

import (
	"sync"
	"time"

	"github.com/airhost/airhost/guest"
	"github.com/airhost/airhost/internal/frame"
	pluginv1 "github.com/airhost/airhost/proto/airhost/plugin/v1"
)

const (
	// stuckAfter is how long a call may run until goroutines that wait for a turn may ask in
	// it: it may wait for them.
	stuckAfter = time.Millisecond
	// maxLogs is how many log lines and goroutines may wait for a turn before a goroutine
	// that logs waits too.
	maxLogs = 256
	// turnSlack is how much larger than a message a frame of a turn may be. The host takes
	// 64 KiB.
	turnSlack = 32 << 10
)

// askState are the goroutines that want something of the host. While a method of the component
// runs, they ask one after the other: any of them may be the method's own. At other times they
// wait for a turn, in which the goroutine of the session asks for many at once. The session's
// mu guards the fields.
type askState struct {
	running bool      // a method of the component runs
	asking  bool      // a goroutine asks the host in the call in progress, and reads the stream
	ending  bool      // the call ends when no goroutine asks
	free    sync.Cond // signals that to the goroutine of the session
	line    []*ask    // wait for others that ask in the call in progress
	waiting []*ask    // wait for a turn
	wanting bool      // a turn has been asked for, and has not begun
	last    bool      // the call in progress is the last
	over    error     // why the host is asked no more, or nil
	stuck   *time.Timer
}

// ask is a goroutine that waits to ask the host, or a log line.
type ask struct {
	event  *pluginv1.Event
	taken  func(guest.RequestID)
	silent bool       // the host does not answer
	within bool       // only in a call
	done   chan reply // gets the end of the wait; nil if no goroutine waits
}

// reply ends a goroutine's wait: it may ask now, or somebody has asked for it.
type reply struct {
	granted bool
	answer  *pluginv1.Answer
	err     error
}

// ask asks the host for a service, at any time. An error is a [guest.MessagingError]. taken, if
// not nil, is called with the id of a request before the next call begins.
func (s *session) ask(event *pluginv1.Event, taken func(guest.RequestID)) (*pluginv1.Answer, error) {
	s.mu.Lock()
	if !s.running && s.over == nil && s.turns {
		a := &ask{event: event, taken: taken, done: make(chan reply, 1)}
		s.waitLocked(a)
		s.mu.Unlock()
		return s.await(a)
	}
	return s.askInCallAndUnlock(event, taken, false)
}

// askWithin is ask for a service that is only in calls.
func (s *session) askWithin(event *pluginv1.Event) (*pluginv1.Answer, error) {
	s.mu.Lock()
	return s.askInCallAndUnlock(event, nil, true)
}

// askInCallAndUnlock asks in the call in progress, when nobody else does.
func (s *session) askInCallAndUnlock(event *pluginv1.Event, taken func(guest.RequestID), within bool) (*pluginv1.Answer, error) {
	switch {
	case s.over != nil:
		defer s.mu.Unlock()
		return nil, s.over
	case !s.running && within:
		s.mu.Unlock()
		return nil, errOutsideCall
	case !s.running:
		s.mu.Unlock()
		return nil, errNoTurns
	case !s.asking && !s.ending:
		s.asking = true
		return s.askNowAndUnlock(event, taken)
	}
	a := &ask{event: event, taken: taken, within: within, done: make(chan reply, 1)}
	s.line = append(s.line, a)
	s.mu.Unlock()
	return s.await(a)
}

// await waits for the end of a's wait, and then asks if nobody has asked for a.
func (s *session) await(a *ask) (*pluginv1.Answer, error) {
	r := <-a.done
	if !r.granted {
		return r.answer, r.err
	}
	s.mu.Lock()
	return s.askNowAndUnlock(a.event, a.taken)
}

// askNowAndUnlock asks in the call in progress, and waits for the answer, which comes in a frame
// of its own. The caller has set s.asking. Calls that wait in the session's frame stay there.
func (s *session) askNowAndUnlock(event *pluginv1.Event, taken func(guest.RequestID)) (*pluginv1.Answer, error) {
	event.CallId = s.call
	s.out.Bytes = frame.AppendEvent(s.out.Bytes, event)
	err := s.sendLocked()
	s.mu.Unlock()
	var answer *pluginv1.Answer
	if err == nil {
		answer, err = s.receiveAnswer()
	}
	if err != nil {
		answer, err = nil, errNoHost
	} else {
		answer, err = told(answer, taken)
	}
	s.mu.Lock()
	s.nextLocked()
	s.mu.Unlock()
	return answer, err
}

func (s *session) receiveAnswer() (*pluginv1.Answer, error) {
	var in frame.Frame
	if err := s.stream.RecvMsg(&in); err != nil {
		return nil, err
	}
	return frame.Answer(in.Bytes)
}

// told returns an answer, or the refusal in it. taken gets the id of a request.
func told(answer *pluginv1.Answer, taken func(guest.RequestID)) (*pluginv1.Answer, error) {
	if e := answer.Error; e != nil {
		return nil, &guest.MessagingError{Case: guest.MessagingErrorCase(e.Case), Text: e.Text}
	}
	if taken != nil {
		taken(guest.RequestID(answer.RequestId))
	}
	return answer, nil
}

// log sends a log line: in the call in progress, or in the next turn. The caller waits for that
// only if many wait.
func (s *session) log(event *pluginv1.Event) {
	s.mu.Lock()
	if s.running {
		s.appendLocked(event, true)
	}
	if s.running || !s.turns || s.over != nil {
		s.mu.Unlock()
		return
	}
	a := &ask{event: event, silent: true}
	if len(s.waiting) >= maxLogs {
		a.done = make(chan reply, 1)
	}
	s.waitLocked(a)
	s.mu.Unlock()
	if a.done != nil {
		<-a.done
	}
}

// waitLocked makes a wait for a turn.
func (s *session) waitLocked(a *ask) {
	s.waiting = append(s.waiting, a)
	s.wantLocked()
}

// wantLocked asks the host for a turn, once.
func (s *session) wantLocked() {
	if s.wanting {
		return
	}
	s.wanting = true
	select {
	case s.wants <- struct{}{}:
	default: // an earlier wish has not been sent yet
	}
}

// nextLocked lets the next goroutine ask in the call in progress, or lets the call end.
func (s *session) nextLocked() {
	s.asking = false
	switch {
	case s.ending:
		s.free.Signal()
	case len(s.line) > 0:
		a := s.line[0]
		s.line = s.line[1:]
		s.asking = true
		a.done <- reply{granted: true}
	}
}

// begin begins a call of the component.
func (s *session) begin(id uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.call, s.running = id, true
	if len(s.waiting) > 0 {
		s.stuck.Reset(stuckAfter)
	}
}

// admit lets all that wait for a turn ask in the call in progress: that takes long, and may wait
// for one of them.
func (s *session) admit() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.running || s.over != nil {
		return
	}
	for _, a := range s.waiting {
		if !a.silent {
			s.line = append(s.line, a)
			continue
		}
		s.appendLocked(a.event, true)
		a.end(reply{})
	}
	s.waiting = nil
	if !s.asking {
		s.nextLocked()
	}
}

// admitLast is admit for the last call of the component. Whoever has not asked when it ends is
// refused.
func (s *session) admitLast() {
	s.mu.Lock()
	s.last = true
	s.mu.Unlock()
	s.admit()
}

// leaveLocked ends the call in progress, before its result. It waits for the goroutine that
// asks. The others wait for a turn.
func (s *session) leaveLocked() {
	s.ending = true
	for s.asking {
		s.free.Wait()
	}
	s.ending, s.running = false, false
	if s.last {
		s.closeLocked(errShutDown)
	}
	if len(s.line) == 0 && len(s.waiting) == 0 {
		return
	}
	all := append(s.line, s.waiting...)
	s.line, s.waiting = nil, nil
	for _, a := range all {
		switch {
		case a.within:
			a.end(reply{err: errOutsideCall})
		case !s.turns:
			a.end(reply{err: errNoTurns})
		default:
			s.waitLocked(a)
		}
	}
}

// turn is a turn of the component: the host takes at most most of the events that wait.
func (s *session) turn(id uint64, most int) error {
	s.mu.Lock()
	err := s.sendLocked()
	s.call, s.wanting = id, false
	asked := s.takeLocked(most)
	s.out.Bytes = frame.AppendResponse(s.out.Bytes, id, nil)
	if len(s.waiting) > 0 {
		s.wantLocked()
	}
	if err == nil {
		err = s.sendLocked()
	}
	s.mu.Unlock()
	if len(asked) == 0 {
		return err
	}
	var answers []*pluginv1.Answer
	var in frame.Frame
	if err == nil {
		err = s.stream.RecvMsg(&in)
	}
	if err == nil {
		answers, err = frame.AnswersOfTurn(in.Bytes, len(asked))
	}
	for i, a := range asked {
		r := reply{err: errNoHost}
		if err == nil {
			r.answer, r.err = told(answers[i], a.taken)
		}
		a.end(r)
	}
	return err
}

// takeLocked adds the events of those that wait to the frame of a turn, as many as fit. It
// returns those that the host answers.
func (s *session) takeLocked(most int) (asked []*ask) {
	n := 0
	for ; n < len(s.waiting); n++ {
		a, before := s.waiting[n], len(s.out.Bytes)
		if !a.silent && len(asked) == most {
			break
		}
		a.event.CallId = s.call
		s.out.Bytes = frame.AppendEvent(s.out.Bytes, a.event)
		if len(s.out.Bytes) > s.messageSize+turnSlack {
			s.out.Bytes = s.out.Bytes[:before]
			break
		}
		if a.silent {
			a.end(reply{})
		} else {
			asked = append(asked, a)
		}
	}
	s.waiting = s.waiting[n:]
	return asked
}

// end ends a's wait, if there is one.
func (a *ask) end(r reply) {
	if a.done != nil {
		a.done <- r
	}
}

// close refuses all that wait, and all that ask from now on.
func (s *session) close(why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closeLocked(why)
}

func (s *session) closeLocked(why error) {
	s.stuck.Stop()
	if s.over == nil {
		s.over = why
	}
	for _, a := range append(s.line, s.waiting...) {
		a.end(reply{err: s.over})
	}
	s.line, s.waiting = nil, nil
}
