package hostile

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/internal/wasm"
)

func sortByName(attacks []Attack) []Attack {
	slices.SortFunc(attacks, func(a, b Attack) int { return cmp.Compare(a.Name, b.Name) })
	return attacks
}

// refusedWith checks that the guest was refused with this case of messaging-error.
func refusedWith(c core.MessagingErrorCase) func(Counts) error {
	return func(counts Counts) error {
		if counts[1] != 1+uint32(c) {
			return fmt.Errorf("after %d messages the guest was refused with case %d, want %v", counts[0], int(counts[1])-1, c)
		}
		return nil
	}
}

// withoutRate lifts the quota that would end an attack too soon.
func withoutRate(d *host.Deployment) {
	d.Quota.MessagesPerSecond, d.Quota.Burst = 1e9, 1e9
}

func crowd(d *host.Deployment) {
	withoutRate(d)
	d.Quota.PendingRequests, d.Limits.HandlerTime = 100_000, 5*time.Second
	d.Limits.Mailbox, d.Limits.MailboxBytes = 200_000, 1<<30 // one sender gets at most three quarters
}

func messaging() []Attack {
	answered := func(name, bound string, message []byte, peer string, check func(Counts) error) Attack {
		return Attack{Name: name, Bound: bound, Message: message, Peer: peer, End: Answered, Check: check}
	}
	flood := answered("a flood of messages at once", byRate, number('f', 1e9), "b", refusedWith(core.CaseQuotaExceeded))
	flood.Tune = func(d *host.Deployment) { d.Limits.Mailbox, d.Limits.MailboxBytes = 1e6, 1<<30 }
	full := answered("a flood of messages at once, with no quota", "limits.mailbox", number('f', 1e9), "b", refusedWith(core.CaseQueueFull))
	full.Tune = withoutRate
	late := answered("requests that are answered too late", byTracker, number('l', 3), "b", nil)
	late.After = func(s host.Snapshot) error { return counted("late outcomes", s.Late, 1) }
	late.Tune = func(d *host.Deployment) { d.Limits.HandlerTime = 10 * time.Second }
	silent := answered("500 requests that nobody answers in time", byTracker, number('n', 500), "a", nil)
	silent.Tune = withoutRate
	cancels := answered("20,000 requests, each canceled at once, twice", byTracker, number('k', 20_000), "b", canceled)
	cancels.Tune = crowd
	pending := answered("100,000 pending requests", "quota.pending_requests", number('r', 100_001), "a", hundredThousand)
	pending.Tune, pending.Slow = crowd, true
	dying := Attack{Name: "100,000 pending requests, and a trap", Bound: "quota.pending_requests",
		Message: number('R', 100_001), Peer: "a", Kind: core.TrapFault, Tune: crowd, Slow: true}
	large := answered("64 messages of 1 MiB to itself", "limits.mailbox × quota.message_size", []byte("M"), "a", refusedWith(core.CaseQueueFull))
	large.Tune = func(d *host.Deployment) { d.Limits.Mailbox = 64 }
	storm := func(name, peer string) Attack {
		return Attack{Name: name, Bound: byRate, Message: []byte("s"), By: BySend, Peer: peer, End: GoesOn}
	}
	return of("messages",
		flood, large,
		full,
		answered("a message to a component without a grant", "capabilities.send", number('f', 1), "", refusedWith(core.CaseCapabilityDenied)),
		answered("a message to an id with NUL", "ids are checked", number('f', 1), "evil/\x00b", refusedWith(core.CaseInvalidArgument)),
		storm("a storm of messages to itself, doubling", "a"),
		storm("a storm between two, doubling", "b"),
		silent, late, cancels,
		answered("70,000 guessed request ids", byTracker, number('i', 10_000), "a", noneGuessed),
		pending, dying,
	)
}

func counted(what string, got, want uint64) error {
	if got < want {
		return fmt.Errorf("%d %s, want at least %d", got, what, want)
	}
	return nil
}

// canceled checks that each request was canceled at most once. A peer on another
// processor may have answered some of them first.
func canceled(c Counts) error {
	if c[0] == 0 || c[0]+c[1] != c[2] {
		return fmt.Errorf("%d canceled, %d not, %d refused the second time", c[0], c[1], c[2])
	}
	return nil
}

func noneGuessed(c Counts) error {
	// The guesses do not include the guest's own id.
	if c[1] != 0 || c[0] != 70_000 {
		return fmt.Errorf("%d guesses were refused, %d were not", c[0], c[1])
	}
	return nil
}

func hundredThousand(c Counts) error {
	if c[0] != 100_000 || c[1] != 1+uint32(core.CaseQuotaExceeded) {
		return fmt.Errorf("%d requests were taken and one refused with case %d", c[0], int(c[1])-1)
	}
	return nil
}

func load() []Attack {
	refused := func(name string, code func() []byte) Attack {
		return Attack{Name: name, Bound: byValidation, Guest: code, By: ByLoad, End: Refused}
	}
	trap := func(name string, change func(*wasm.Module)) Attack {
		a := starting(name, change, core.TrapFault)
		a.Bound = "the deployment fails"
		return a
	}
	large := func(name string, change func(*wasm.Module)) Attack {
		return Attack{Name: name, Bound: "a million of each", Guest: forge(change), Message: []byte("t"), Kind: core.TrapFault, Slow: true}
	}
	return of("load",
		refused("half a module", func() []byte { return Guest[:len(Guest)/2] }),
		refused("a module but for its last byte", func() []byte { return Guest[:len(Guest)-1] }),
		refused("a million and one globals", forge(globals(1_000_001))),
		declares("a function with 2^31 locals", "50,000 locals", "locals", locals(1<<31)),
		declares("100,000 loops in each other", "limits.nesting", "limits.nesting", nested(100_000)),
		trap("a trap in the start function", startsWith("trap")),
		trap("a trap in _initialize", initializesWith("trap")),
		large("20,000 functions, and a trap", functions(20_000)),
		declares("200,000 data segments", "100,000 segments", "data segments", segments(200_000)),
		large("90,000 data segments, and a trap", segments(90_000)),
		large("200,000 globals, and a trap", globals(200_000)),
	)
}

// maxLogged is the longest log line that is allowed, whatever text a guest logs.
const maxLogged = 64 << 10

// cleanLines checks that the log contains no control characters and no forged line.
func cleanLines(lines []string) error {
	for _, line := range lines {
		if strings.ContainsFunc(line, unicode.IsControl) || !utf8.ValidString(line) {
			return fmt.Errorf("a line with raw control characters: %.300q", line)
		}
		if strings.HasPrefix(line, " forged") {
			return fmt.Errorf("a forged line: %.300q", line)
		}
		if len(line) > maxLogged {
			return fmt.Errorf("a line of %d bytes: %.300q…", len(line), line)
		}
	}
	return nil
}

// manyLines checks that the number of log lines is bounded.
func manyLines(lines []string) error {
	var guests int
	for _, line := range lines {
		if strings.Contains(line, "from=guest") {
			guests++
		}
	}
	if guests == 0 || guests > 10_000 {
		return fmt.Errorf("%d log lines of guests for 300,000, want some and no more than 10,000", guests)
	}
	return cleanLines(lines)
}

func logs() []Attack {
	flood := Attack{Name: "300,000 log lines", Bound: byLogQuota, Message: number('L', 300_000), End: Answered, Log: manyLines,
		Tune: func(d *host.Deployment) { d.Limits.HandlerTime = 10 * time.Second }}
	names := Attack{Name: "a trap in functions with names of 20 KB", Bound: "log lines are cut", Guest: forge(longNames(20_000)),
		Message: []byte("t"), Kind: core.TrapFault, Log: cleanLines}
	return of("log", flood, names,
		Attack{Name: "control characters, and what is no text", Bound: "escaped", Message: number('L', 3), End: Answered, Log: cleanLines})
}
