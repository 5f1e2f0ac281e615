package sandbox

import (
	"errors"
	"fmt"
	"runtime/debug"
	"strings"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/abi"
)

// maxTrapText bounds a trap's line, maxDetails its stack, in bytes. The guest
// chooses the names of its functions.
const (
	maxTrapText = 256
	maxDetails  = 8 << 10
)

// trapOf says why an instance has ended, given what a call of its code or a
// check of what it did returned.
func trapOf(cause error) *core.TrapError {
	if known := new(core.TrapError); errors.As(cause, &known) {
		end := *known
		if end.Details == "" && cause != error(known) {
			end.Details = Details(cause.Error()) // with the guest's stack
		}
		return &end
	}
	t := &core.TrapError{Kind: core.TrapFault, Text: FirstLine(cause.Error()), Details: Details(cause.Error())}
	if broken := new(abi.Violation); errors.As(cause, &broken) {
		t.Kind, t.Text = core.TrapABI, broken.Text
	}
	return t
}

// explain adds to a trap what the host knows of it: where in the guest's code it was,
// what the guest has said, and what it was refused before.
func (s *State) explain(trap *core.TrapError, p Phase) {
	if where := phaseNames[p]; where != "" && trap.Kind != core.TrapABI { // which names it already
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

// refusal says what the guest's last memory.grow was refused for, if it was.
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

// FirstLine is the beginning of a text, for where there is place for one line.
func FirstLine(text string) string {
	text, _, _ = strings.Cut(text, "\n")
	return clip(text, maxTrapText)
}

// Details is as much of a text as a trap's details hold.
func Details(text string) string { return clip(text, maxDetails) }

// clip returns at most so many bytes of a text.
func clip(text string, most int) string {
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}

// must leaves a host function and the guest's code below it, of which the engine
// returns err to who called it.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

// hostPanicked turns a panic of the host's services, deferred around a call of
// them, into the end of the instance.
func hostPanicked() {
	if cause := recover(); cause != nil {
		panic(HostPanic(cause))
	}
}

// hostReturned is hostPanicked, deferred where a call of the host usually returns.
func hostReturned(returned *bool) {
	if *returned {
		return
	}
	if cause := recover(); cause != nil {
		panic(HostPanic(cause))
	}
}

// HostPanic is the end of an instance, in a call of which the host panicked with
// cause. It is called in the deferred function that recovered it.
func HostPanic(cause any) *core.TrapError {
	return &core.TrapError{
		Kind:    core.TrapFault,
		Text:    FirstLine(fmt.Sprintf("the host panicked: %v", cause)),
		Details: fmt.Sprintf("%v\n%s", cause, debug.Stack()),
	}
}
