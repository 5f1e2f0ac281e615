package sandbox

import (
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/abi"
)

// Func is a host function. It reads its arguments from stack and writes its result
// there. If it panics with an error, the guest's call and the instance end.
type Func func(s *State, stack []uint64)

// services are the functions of [abi.HostServices] by name.
var services = map[string]Func{
	abi.SendMessage:   (*State).SendMessage,
	abi.SendRequest:   (*State).SendRequest,
	abi.CancelRequest: (*State).CancelRequest,
	abi.SelfID:        (*State).SelfID,
	abi.Log:           (*State).Log,
	abi.CurrentTime:   (*State).CurrentTime,
}

// Find returns a function of one of [abi.Interfaces] or of WASI 0.2.
func Find(module, name string) Func {
	switch module {
	case abi.HostServices:
		return services[name]
	case abi.Timers:
		return timers[name]
	case abi.Functions:
		return functions[name]
	case abi.PubSub:
		return topics[name]
	}
	return wasiFunc(module, name)
}

// SendMessage is the host function send-message.
func (s *State) SendMessage(stack []uint64) {
	s.calling(abi.SendMessage)
	mem := s.lower.Memory()
	target, message, err := abi.LiftSend(mem, uint32(stack[0]), uint32(stack[1]), uint32(stack[2]), uint32(stack[3]), abi.SendMessage)
	must(err)
	s.yieldFor(len(message))
	area := uint32(stack[4])
	must(abi.CheckResultArea(mem, area, abi.SendMessage))
	if refused := s.send(target, message); refused != nil {
		must(abi.LowerResult(s.lower, area, refused, abi.SendMessage))
		return
	}
	abi.FillResult(mem, area) // still in range: no code of the guest has run since the check
}

func (s *State) send(target, message []byte) (refused error) {
	var returned bool // calling recover each time would cost more
	defer hostReturned(&returned)
	refused = s.Env.Host.SendMessage(target, message)
	returned = true
	return refused
}

// SendRequest is the host function send-request.
func (s *State) SendRequest(stack []uint64) {
	s.calling(abi.SendRequest)
	mem := s.lower.Memory()
	target, request, err := abi.LiftSend(mem, uint32(stack[0]), uint32(stack[1]), uint32(stack[2]), uint32(stack[3]), abi.SendRequest)
	must(err)
	s.yieldFor(len(request))
	timeout, area := stack[4], uint32(stack[5])
	must(abi.CheckIDArea(mem, area, abi.SendRequest))
	id, refused := s.request(target, request, timeout)
	if refused != nil {
		must(abi.LowerID(s.lower, area, 0, refused, abi.SendRequest))
		return
	}
	abi.FillID(mem, area, uint64(id)) // in range, as in SendMessage
}

func (s *State) request(target, request []byte, timeoutMillis uint64) (id core.RequestID, refused error) {
	var returned bool
	defer hostReturned(&returned)
	id, refused = s.Env.Host.SendRequest(target, request, timeoutMillis)
	returned = true
	return id, refused
}

// CancelRequest is the host function cancel-request.
func (s *State) CancelRequest(stack []uint64) {
	s.calling(abi.CancelRequest)
	id, area := core.RequestID(stack[0]), uint32(stack[1])
	must(abi.CheckResultArea(s.lower.Memory(), area, abi.CancelRequest))
	must(abi.LowerResult(s.lower, area, s.cancel(id), abi.CancelRequest))
}

func (s *State) cancel(id core.RequestID) error {
	defer hostPanicked()
	return s.Env.Host.CancelRequest(id)
}

// SelfID is the host function self-id.
func (s *State) SelfID(stack []uint64) {
	s.calling(abi.SelfID)
	must(abi.LowerSelfID(s.lower, uint32(stack[0]), s.Env.ID))
}

// Log is the host function log.
func (s *State) Log(stack []uint64) {
	s.calling(abi.Log)
	level, err := abi.LiftLogLevel(uint32(stack[0]))
	must(err)
	message, err := abi.LiftBytes(s.lower.Memory(), uint32(stack[1]), uint32(stack[2]), "the message of log")
	must(err)
	s.yieldFor(len(message))
	defer hostPanicked()
	s.Env.Host.Log(level, message)
}

// CurrentTime is the host function current-time.
func (s *State) CurrentTime(stack []uint64) {
	s.calling(abi.CurrentTime)
	defer hostPanicked()
	stack[0] = s.Env.Host.Now()
}
