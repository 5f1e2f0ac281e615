// Command tally counts numbered messages, so that a test can tell that each one was handled
// exactly once, by one version or another. As an asker it sends them too.
package main

import (
	"encoding/binary"
	"errors"
	"strconv"
	"time"

	"github.com/airhost/airhost/guest"
	"github.com/airhost/airhost/guest/state"
)

func init() { state.Export(new(tally)) }
func main() {}

// tally is what it has handled: how many numbers, and the sums of them and of their squares.
type tally struct {
	handled, sum, squares uint64

	target  string // of an asker, or empty
	each    uint64 // how many requests it sends each time
	next    uint64 // number of the asker's next request
	pending map[guest.RequestID]uint64
	wrong   uint64 // requests that were refused, or whose response was not their number
	asking  bool
}

const tick = 10 * time.Millisecond

func (t *tally) Initialize(host guest.Host, config guest.Config) error {
	t.target, _ = config.Get("target")
	each, _ := config.Get("each")
	t.each, _ = strconv.ParseUint(each, 10, 64)
	t.pending = make(map[guest.RequestID]uint64)
	host.Log(guest.LogInfo, "ready")
	return nil
}

// HandleMessage counts a number and returns it. Other messages are commands: "ask" and
// "rest" for an asker, whose timers come as "tick"; "get" returns the tally; "work" computes
// for a millisecond or two.
func (t *tally) HandleMessage(host guest.Host, sender string, message []byte) ([]byte, error) {
	switch string(message) {
	case "ask":
		t.asking = true
		_, err := guest.After(host, tick, []byte("tick"))
		return nil, err
	case "rest":
		t.asking = false
		return nil, nil
	case "tick":
		return nil, t.ask(host)
	case "get":
		return t.Save(host)
	case "work":
		x := t.sum + 1
		for range 1_000_000 {
			x ^= x << 13
			x ^= x >> 7
			x ^= x << 17
		}
		return binary.LittleEndian.AppendUint64(nil, x), nil
	}
	if len(message) != 8 {
		return nil, guest.InvalidMessage("%d bytes, want 8", len(message))
	}
	n := binary.LittleEndian.Uint64(message)
	t.handled++
	t.sum += n
	t.squares += n * n
	return message, nil
}

func (t *tally) ask(host guest.Host) error {
	if !t.asking {
		return nil
	}
	for range t.each {
		number := 1<<60 + t.next
		id, err := host.Request(t.target, binary.LittleEndian.AppendUint64(nil, number), 0)
		if err != nil {
			t.wrong++
			guest.Logf(host, guest.LogError, "request: %v", err)
			continue
		}
		t.next++
		t.pending[id] = number
	}
	_, err := guest.After(host, tick, []byte("tick"))
	return err
}

func (t *tally) HandleCallback(host guest.Host, id guest.RequestID, response []byte, err error) error {
	number, asked := t.pending[id]
	delete(t.pending, id)
	if !asked || err != nil || len(response) != 8 || binary.LittleEndian.Uint64(response) != number {
		t.wrong++
		guest.Logf(host, guest.LogError, "response %q to %d: %v", response, number, err)
	}
	return nil
}

// Save implements guest.StateKeeper: six numbers of 8 bytes. An asker is not replaced.
func (t *tally) Save(guest.Host) (saved []byte, err error) {
	for _, n := range []uint64{t.handled, t.sum, t.squares, t.next, uint64(len(t.pending)), t.wrong} {
		saved = binary.LittleEndian.AppendUint64(saved, n)
	}
	return saved, nil
}

func (t *tally) Restore(_ guest.Host, saved []byte) error {
	if len(saved) != 48 {
		return errors.New("the state is no tally")
	}
	t.handled = binary.LittleEndian.Uint64(saved)
	t.sum = binary.LittleEndian.Uint64(saved[8:])
	t.squares = binary.LittleEndian.Uint64(saved[16:])
	return nil
}
