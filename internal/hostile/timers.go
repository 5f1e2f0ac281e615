package hostile

import (
	"fmt"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
)

const (
	byTimers       = "limits.timers"
	byMailboxBytes = "limits.mailbox_bytes"
)

// timers returns attacks by timers.
func timers() []Attack {
	answered := func(name, bound string, message []byte, check func(Counts) error) Attack {
		return Attack{Name: name, Bound: bound, Message: message, End: Answered, Check: check}
	}
	storm := Attack{Name: "timers of 0 ms, each of which starts two", Bound: byTimers, Message: []byte("S"), By: BySend, End: GoesOn}
	trap := Attack{Name: "timers of 1 MiB, and a trap", Bound: byMailboxBytes, Message: []byte("Q"), Kind: core.TrapFault, After: noTimers}
	run := answered("timers until one is refused", byTimers, number('N', 60_000), started(100, core.CaseQuotaExceeded))
	run.After = noTimers
	return of("timers",
		run,
		answered("timers of 0 ms until one is refused", byTimers, number('N', 0), started(100, core.CaseQuotaExceeded)),
		answered("timers of 1 MiB until one is refused", byMailboxBytes, []byte("P"), started(63, core.CaseQuotaExceeded)),
		answered("a timer of 2^64−1 ms", "times are checked", []byte("O"), started(0, core.CaseInvalidArgument)),
		answered("40,000 guessed timer ids", "timers have owners", number('I', 10_000), noneCanceled),
		inGuest("timers of 16 MiB, for ever", 'c', 'A'),
		inGuest("timers of 1 MiB, each canceled at once, for ever", 'c', 'B'),
		trap,
		storm,
		violation("a payload out of range", "", "vA"),
		violation("a misaligned area for an answer", "", "vB"),
		violation("a timer from cabi_realloc", "aRA", "e hello"),
		violation("a timer from a post-return", "", "apA"),
	)
}

// violation returns an attack that breaks the ABI. The message in arm, if there is one,
// prepares it.
func violation(name, arm, message string) Attack {
	return Attack{Name: name, Bound: byABI, Arm: arm, Message: []byte(message), Kind: core.TrapABI}
}

// started checks how many timers were started, and how the next one was refused.
func started(n uint32, c core.MessagingErrorCase) func(Counts) error {
	return func(counts Counts) error {
		if counts[0] != n {
			return fmt.Errorf("%d timers were started, want %d", counts[0], n)
		}
		return refusedWith(c)(counts)
	}
}

func noneCanceled(c Counts) error {
	if c[1] != 0 || c[0]+c[2] != 40_000 {
		return fmt.Errorf("%d timers of others were canceled, %d were not", c[1], c[0])
	}
	return nil
}

// noTimers checks that no timer is left.
func noTimers(s host.Snapshot) error {
	if s.Timers != 0 {
		return fmt.Errorf("%d timers are left", s.Timers)
	}
	return nil
}
