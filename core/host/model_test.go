package host_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"github.com/airhost/airhost/core"
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
	attempts uint64            // sends and requests, and timers that were refused
	timers   uint64            // timers that were started
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
	w.locked(func() { w.sentLocked(serial, err) })
}

// sentLocked is sent with w.mu held.
func (w *world) sentLocked(serial uint32, err error) {
	switch {
	case errors.Is(err, errInterrupted):
		w.attempts--
	case err != nil:
		w.refused[serial] = true
	}
}

// begin notes that a target handles a message. A target with many instances handles those
// of a Go program in any order.
func (w *world) begin(sender, target string, message []byte, many bool) (serial uint32) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.running++
	serial = binary.LittleEndian.Uint32(message)
	if w.handled[serial] {
		w.violated("message %d is handled twice", serial)
	}
	w.handled[serial] = true
	number, way := binary.LittleEndian.Uint32(message[4:]), sender+">"+target
	if number > 0 && !(many && sender == core.HostID.String()) {
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
		{"sent", s.Sent, w.attempts + s.Fired}, {"refused", refused, uint64(len(w.refused))},
		{"handled", s.Handled, min(max(s.Handled, w.returned-min(interrupted, w.returned)), w.returned)},
		{"handled, expired, dead letters and refused", s.Handled + s.Expired + s.DeadLetters + refused, w.attempts + s.Fired},
		{"timers that fired", s.Fired, min(s.Fired, w.timers)},
	} {
		if c.got != c.want {
			w.violated("%s: %d, want %d; %+v", c.name, c.got, c.want, s)
		}
	}
}
