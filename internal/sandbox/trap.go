package sandbox

import (
	"errors"
	"fmt"
	"runtime/debug"
	"strings"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/abi"
)

// Bounds of a trap's text and of its details (the stack trace), in bytes. Both
// contain function names, which the guest chooses.
const (
	maxTrapText = 256
	maxDetails  = 8 << 10
)

// trapOf turns the error of a guest's call, or of a check of its results, into the
// reason why the instance ends.
func trapOf(cause error) *core.TrapError {
	if known := new(core.TrapError); errors.As(cause, &known) {
		end := *known
		if end.Details == "" && cause != error(known) {
			end.Details = Details(cause.Error()) // includes the guest's stack
		}
		return &end
	}
	t := &core.TrapError{Kind: core.TrapFault, Text: FirstLine(cause.Error()), Details: Details(cause.Error())}
	if broken := new(abi.Violation); errors.As(cause, &broken) {
		t.Kind, t.Text = core.TrapABI, broken.Text
	}
	return t
}

// explain adds the host's knowledge to a trap: the phase in which the guest's code
// ended, the guest's last words, and a refused memory.grow.
func (s *State) explain(trap *core.TrapError, p Phase) {
	if where := phaseNames[p]; where != "" && trap.Kind != core.TrapABI { // an ABI error names the phase itself
		trap.Text += " in " + where
	}
	if reason := s.words.Reason(); reason != "" && trap.Kind == core.TrapFault {
		trap.Text += ": " + clip(reason, maxTrapText)
	}
	if trap.Kind == core.TrapFault || trap.Kind == core.TrapABI {
		trap.Text += s.refusal()
	}
	trap.Stderr = s.words.String()
}

// refusal says why the guest's last memory.grow was refused, or is empty if it was
// not.
func (s *State) refusal() string {
	const refused = "; its last memory.grow was refused "
	pages, most := uint64(s.guest.Refused()), s.MostMemory
	limit := &core.LimitError{Max: uint64(s.Env.Limits.Memory), Unit: "bytes"}
	switch {
	case pages == 0:
		return ""
	case uint64(len(s.lower.Memory()))+pages*pageSize <= most:
		return refused + "by the system, which has no memory left"
	case most < limit.Max/pageSize*pageSize:
		limit.Max = most
		return refused + "at " + limit.Allowed() + ", the most that the module itself declares"
	}
	return refused + "at limits.memory " + limit.Allowed()
}

// FirstLine returns the first line of a text, shortened for an error message.
func FirstLine(text string) string {
	text, _, _ = strings.Cut(text, "\n")
	return clip(text, maxTrapText)
}

// Details shortens a text to the maximum length of a trap's details.
func Details(text string) string { return clip(text, maxDetails) }

// clip shortens a text to at most most bytes.
func clip(text string, most int) string {
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}

// must ends the host function and the guest's call if err is not nil. The engine
// returns err to the caller of the guest.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

// hostPanicked is deferred around a call of the host's services. It turns a panic of
// the host into the end of the instance.
func hostPanicked() {
	if cause := recover(); cause != nil {
		panic(HostPanic(cause))
	}
}

// hostReturned is a cheaper hostPanicked: it calls recover only if *returned is
// false.
func hostReturned(returned *bool) {
	if *returned {
		return
	}
	if cause := recover(); cause != nil {
		panic(HostPanic(cause))
	}
}

// HostPanic returns the reason of an instance that ends because the host panicked
// with cause. Call it in the deferred function that recovered the panic.
func HostPanic(cause any) *core.TrapError {
	return &core.TrapError{
		Kind:    core.TrapFault,
		Text:    FirstLine(fmt.Sprintf("the host panicked: %v", cause)),
		Details: fmt.Sprintf("%v\n%s", cause, debug.Stack()),
	}
}
