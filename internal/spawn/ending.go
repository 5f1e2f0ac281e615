package spawn

import (
	"cmp"
	"fmt"
	"os"
	"strings"
	"syscall"

	"github.com/airhost/airhost/core"
)

// ending describes how the process ended. err is the error of waiting for it. Call
// it when the process's output has ended as well.
func (p *Process) ending(err error) *ExitError {
	state := p.cmd.ProcessState
	if state == nil { // other code has reaped it
		return &ExitError{Status: err.Error()}
	}
	e := &ExitError{Status: state.String()}
	e.Reason, e.Details = p.words.of(state.ExitCode() == 2 || isSignal(state, syscall.SIGABRT))
	e.Limit = p.usedUp(state, e.Details)
	return e
}

func isSignal(state *os.ProcessState, signal syscall.Signal) bool {
	status, ok := state.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == signal
}

// usedUp names the limit that ended the process, or that its last words mention, or
// returns "".
func (p *Process) usedUp(state *os.ProcessState, words string) string {
	if state.Success() {
		return ""
	}
	limits := p.command.Limits
	words = strings.ToLower(words)
	switch used := state.UserTime() + state.SystemTime(); {
	case p.group.oomKilled(), p.held["memory"] == "rlimit" && containsAny(words, memoryWords):
		return "it used up process.memory (" + (&core.LimitError{Max: uint64(limits.Memory), Unit: "bytes"}).Allowed() + ")"
	case p.held["cpu_time"] == "rlimit" && isSignal(state, syscall.SIGKILL) && used >= limits.CPUTime/clockError:
		return fmt.Sprintf("it used up process.cpu_time (%v)", limits.CPUTime)
	case p.held["open_files"] == "rlimit" && containsAny(words, fileWords):
		return fmt.Sprintf("process.open_files is %d", limits.OpenFiles)
	case isSignal(state, syscall.SIGKILL):
		return "not by airhost; the system kills so where memory is short"
	}
	return ""
}

// clockError is the allowed ratio between two clocks: the kernel's clock for the
// limit, which samples at each tick, and the reported processor time, which is
// exact.
const clockError = 2

// Messages of programs that run out of memory or descriptors, in lower case.
var (
	memoryWords = []string{"out of memory", "cannot allocate memory", "memoryerror", "bad_alloc", "memory allocation of", "failed to allocate"}
	fileWords   = []string{"too many open files", "emfile", "os error 24", "errno 24", "failed with 24"}
)

func containsAny(text string, words []string) bool {
	for _, word := range words {
		if strings.Contains(text, word) {
			return true
		}
	}
	return false
}

// startError turns err, the error of a failed start, into an error with the reason.
// cause is the cause of the context's end, or nil. Nothing of the process may be
// left.
func (p *Process) startError(cause, err error) error {
	switch {
	case p.refusal != nil:
		err = p.refusal
	case cause == ErrStartTimeout:
		err = fmt.Errorf("%w within %s (%v)", ErrStartTimeout, cmp.Or(p.command.StartKey, "start_timeout"), p.command.StartTimeout)
	case cause != nil:
		return cause
	case !p.killed && p.failed:
		return fmt.Errorf("it ended before its handshake: %w", p.exit)
	case !p.killed:
		err = fmt.Errorf("%w: it ended without one", ErrHandshake)
	default:
		err = fmt.Errorf("%w: %w", ErrHandshake, err)
	}
	if p.exit.Reason == "" && !p.failed {
		return err
	}
	return fmt.Errorf("%w; %w", err, p.exit)
}
