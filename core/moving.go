package core

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// Moving is all that a component takes along to another host, beside its messages, which follow
// it. MarshalBinary and UnmarshalBinary are its form on the way.
type Moving struct {
	// State is the state that its guest has saved, if HasState.
	State    []byte
	HasState bool
	// Timers are its timers, in the order in which they fire.
	Timers []MovedTimer
	// LastTimer is the last id that a timer of the component has had.
	LastTimer TimerID
}

// MovedTimer is a timer of a component that moves.
type MovedTimer struct {
	// ID names the timer to its guest. It is 0 if the timer has fired and its message was
	// not handled: that cannot be canceled any more.
	ID TimerID
	// Left is the time that was left when the component stopped; 0 if the timer was due.
	Left    time.Duration
	Payload []byte
}

// movingVersion is the version of the form that this program writes. It reads those of this
// version alone.
const movingVersion = 1

const (
	movingState = 1 << iota // there is a state

	// maxMovedTimers is how many timers 256 instances have at most. maxTimerID leaves room for
	// the ids of timers that are started later.
	maxMovedTimers = 256 << 20
	maxTimerID     = TimerID(1) << 62
	// minMovedTimer is the size of the smallest timer in bytes.
	minMovedTimer = 3
)

// ErrMoving is wrapped by the errors of [Moving.Check] and [Moving.UnmarshalBinary].
var ErrMoving = errors.New("not what a component takes along")

// Check returns an error if m cannot be what a component takes along: it wraps ErrMoving.
func (m *Moving) Check() error {
	if !m.HasState && len(m.State) > 0 {
		return fmt.Errorf("%w: a state of %d bytes, but HasState is false", ErrMoving, len(m.State))
	}
	if len(m.Timers) > maxMovedTimers {
		return fmt.Errorf("%w: %d timers, at most %d", ErrMoving, len(m.Timers), maxMovedTimers)
	}
	if m.LastTimer > maxTimerID {
		return fmt.Errorf("%w: the last timer is %d, at most %d", ErrMoving, m.LastTimer, maxTimerID)
	}
	ids := make(map[TimerID]struct{}, len(m.Timers))
	for i, t := range m.Timers {
		_, twice := ids[t.ID]
		switch {
		case t.ID > m.LastTimer:
			return fmt.Errorf("%w: timer %d has the id %d, above the last one, %d", ErrMoving, i, t.ID, m.LastTimer)
		case twice:
			return fmt.Errorf("%w: two timers have the id %d", ErrMoving, t.ID)
		case t.Left < 0 || t.Left > MaxTimeout:
			return fmt.Errorf("%w: timer %d has %v left, want 0 to %v", ErrMoving, i, t.Left, MaxTimeout)
		}
		if t.ID != 0 {
			ids[t.ID] = struct{}{}
		}
	}
	return nil
}

// MarshalBinary implements [encoding.BinaryMarshaler]. The form begins with a byte for its
// version, 1. Then come a byte of flags (1: there is a state), the state if there is one, the last
// timer, the number of timers, and for each its id, the nanoseconds left, and the payload. Numbers
// are unsigned LEB128, and bytes are their length as a number and themselves. The error is that
// of Check.
func (m *Moving) MarshalBinary() ([]byte, error) {
	if err := m.Check(); err != nil {
		return nil, err
	}
	size := 64 + len(m.State)
	for _, t := range m.Timers {
		size += 3*binary.MaxVarintLen64 + len(t.Payload)
	}
	data := append(make([]byte, 0, size), movingVersion, 0)
	if m.HasState {
		data[1] |= movingState
		data = appendBytes(data, m.State)
	}
	data = binary.AppendUvarint(data, uint64(m.LastTimer))
	data = binary.AppendUvarint(data, uint64(len(m.Timers)))
	for _, t := range m.Timers {
		data = binary.AppendUvarint(data, uint64(t.ID))
		data = binary.AppendUvarint(data, uint64(t.Left))
		data = appendBytes(data, t.Payload)
	}
	return data, nil
}

func appendBytes(to, bytes []byte) []byte {
	return append(binary.AppendUvarint(to, uint64(len(bytes))), bytes...)
}

// UnmarshalBinary implements [encoding.BinaryUnmarshaler]. It takes no more memory than a small
// multiple of data, which it does not keep. After an error, which wraps ErrMoving, m is as it was.
func (m *Moving) UnmarshalBinary(data []byte) error {
	if len(data) < 2 {
		return fmt.Errorf("%w: it has %d bytes", ErrMoving, len(data))
	}
	if version := data[0]; version != movingVersion {
		return fmt.Errorf("%w: version %d, this program reads version %d: let the hosts of both sides run the same airhost", ErrMoving, version, movingVersion)
	}
	if flags := data[1]; flags&^movingState != 0 {
		return fmt.Errorf("%w: flags %#x", ErrMoving, flags)
	}
	var read Moving
	r := movingReader{rest: data[2:]}
	if read.HasState = data[1]&movingState != 0; read.HasState {
		read.State = r.bytes()
	}
	read.LastTimer = TimerID(r.number())
	n := r.number()
	if n > uint64(len(r.rest)/minMovedTimer) {
		r.failed = true
	}
	for ; n > 0 && !r.failed; n-- {
		if read.Timers == nil {
			read.Timers = make([]MovedTimer, 0, n)
		}
		read.Timers = append(read.Timers, MovedTimer{TimerID(r.number()), time.Duration(r.number()), r.bytes()})
	}
	switch {
	case r.failed:
		return fmt.Errorf("%w: it breaks off", ErrMoving)
	case len(r.rest) > 0:
		return fmt.Errorf("%w: %d bytes are too many", ErrMoving, len(r.rest))
	}
	if err := read.Check(); err != nil {
		return err
	}
	*m = read
	return nil
}

// movingReader reads the form of a Moving. Once failed, it returns zero values.
type movingReader struct {
	rest   []byte
	failed bool
}

func (r *movingReader) number() uint64 {
	n, size := binary.Uvarint(r.rest)
	if size <= 0 || r.failed {
		r.failed = true
		return 0
	}
	r.rest = r.rest[size:]
	return n
}

func (r *movingReader) bytes() []byte {
	n := r.number()
	if n > uint64(len(r.rest)) || r.failed {
		r.failed = true
		return nil
	}
	bytes := append([]byte{}, r.rest[:n]...)
	r.rest = r.rest[n:]
	return bytes
}
