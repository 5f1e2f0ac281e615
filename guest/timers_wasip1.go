package guest

import (
	"time"
	"unsafe"
)

//go:wasmimport airhost:timers/timers@0.1.0 after
func after(milliseconds uint64, payload unsafe.Pointer, size uint32, area unsafe.Pointer)

//go:wasmimport airhost:timers/timers@0.1.0 cancel
func cancelTimer(id uint64) uint32

// timersOf returns the timers of a host, if it has any. Only a component that uses timers
// calls it, and so only its module imports them.
func timersOf(host Host) (TimerHost, bool) {
	if _, ok := host.(services); ok {
		return timedServices{}, true
	}
	timers, ok := host.(TimerHost)
	return timers, ok
}

// timedServices is the [TimerHost] of a WebAssembly module.
type timedServices struct{ services }

func (timedServices) After(delay time.Duration, payload []byte) (TimerID, error) {
	area := new(requestArea)
	after(DelayMillis(delay), dataOf(payload), uint32(len(payload)), unsafe.Pointer(area))
	id, err := area.outcome()
	return TimerID(id), err
}

func (timedServices) CancelTimer(id TimerID) bool { return cancelTimer(uint64(id)) != 0 }
