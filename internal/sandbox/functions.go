package sandbox

import (
	"bytes"
	"time"
	"unsafe"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/abi"
)

// functions are the functions of [abi.Functions] by name.
var functions = map[string]Func{abi.Call: (*State).Call}

// Call is the host function call.
func (s *State) Call(stack []uint64) {
	area, result, refused := s.CallFunction(stack)
	must(s.LowerCall(area, result, refused))
}

// CallFunction is call, but for its result, which belongs into the area. The result is valid
// until the guest's code runs. If it panics with an error, the guest's call and the instance
// end.
func (s *State) CallFunction(stack []uint64) (area uint32, result []byte, refused error) {
	s.calling(abi.CallName)
	mem := s.lower.Memory()
	name, argument, err := abi.LiftCall(mem, uint32(stack[0]), uint32(stack[1]), uint32(stack[2]), uint32(stack[3]))
	must(err)
	area = uint32(stack[4])
	must(abi.CheckResultArea(mem, area, abi.CallName))
	s.GoOn() // counts the guest's time until here
	result, refused = s.callFunction(name, argument)
	s.waited()
	return area, result, refused
}

// LowerCall writes the result of CallFunction into the guest's memory.
func (s *State) LowerCall(area uint32, result []byte, refused error) error {
	if partOf(s.lower.Memory(), result) { // a function that returns its argument, which may move now
		result = bytes.Clone(result)
	}
	return abi.LowerCall(s.lower, area, result, refused)
}

func (s *State) callFunction(name, argument []byte) (result []byte, refused error) {
	var returned bool
	defer hostReturned(&returned)
	result, refused = core.FunctionsOf(&s.Env).CallFunction(name, argument)
	returned = true
	return result, refused
}

// waited comes after the guest has waited for the host since the last check of the
// stopwatch. It counts that time as waiting, and ends the call if it may not go on.
func (s *State) waited() {
	now, w := time.Since(began), &s.watch
	w.wait(now-w.at, s.timeLimits())
	if now-w.at > shortStretch || now-w.yielded > yieldAfter {
		s.resume()
	} else {
		w.at = now // the time of the function on this thread is no part of a stretch
	}
	if s.interrupted.Load() {
		panic(errInterrupted)
	}
	if w.late() {
		panic(s.outOfTime())
	}
}

// partOf reports whether b begins in mem.
func partOf(mem, b []byte) bool {
	at := uintptr(unsafe.Pointer(unsafe.SliceData(b))) - uintptr(unsafe.Pointer(unsafe.SliceData(mem)))
	return at < uintptr(len(mem))
}
