package sandbox

import (
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/abi"
)

// timers are the functions of [abi.Timers] by name.
var timers = map[string]Func{
	abi.After:       (*State).After,
	abi.CancelTimer: (*State).CancelTimer,
}

// The names of the functions in messages.
const (
	afterName  = "timers/after"
	cancelName = "timers/cancel"
)

// After is the host function after.
func (s *State) After(stack []uint64) {
	s.calling(afterName)
	mem := s.lower.Memory()
	payload, err := abi.LiftBytes(mem, uint32(stack[1]), uint32(stack[2]), "the payload of "+afterName)
	must(err)
	s.yieldFor(len(payload))
	milliseconds, area := stack[0], uint32(stack[3])
	must(abi.CheckIDArea(mem, area, afterName))
	id, refused := s.after(milliseconds, payload)
	if refused != nil {
		must(abi.LowerID(s.lower, area, 0, refused, afterName))
		return
	}
	abi.FillID(mem, area, uint64(id)) // in range, as in SendMessage
}

func (s *State) after(milliseconds uint64, payload []byte) (core.TimerID, error) {
	defer hostPanicked()
	return core.TimersOf(&s.Env).After(milliseconds, payload)
}

// CancelTimer is the host function cancel of [abi.Timers].
func (s *State) CancelTimer(stack []uint64) {
	s.calling(cancelName)
	defer hostPanicked()
	var running uint64
	if core.TimersOf(&s.Env).CancelTimer(core.TimerID(stack[0])) {
		running = 1
	}
	stack[0] = running
}
