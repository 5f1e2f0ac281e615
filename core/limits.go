package core

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// Limits bound what one component may use. A zero field stands for its default;
// [Limits.Check] knows the ranges. Those that not every engine can keep are in
// [LimitSet].
type Limits struct {
	// Memory is the largest linear memory in bytes; 32 MiB by default. It is
	// rounded down to whole pages of 64 KiB.
	Memory int64
	// TableElements is the largest size of each table; 10,000 by default.
	TableElements uint32
	// Nesting is how deep the blocks of a WebAssembly guest's functions may be nested;
	// 10,000 by default, 100,000 at the most.
	Nesting int
	// Stack is how many bytes the open calls of a WebAssembly guest may take of the
	// stack, at least 64 KiB; 1 MiB by default, which is the most on Wasmtime. As engines differ, it is
	// what the values of its functions take: 32 bytes a call, and 8 for each
	// parameter, local and operand, 16 in functions that compute with vectors.
	Stack int64
	// HandlerTime is for how long the guest may run in one call; 250 ms by
	// default. Where the engine does not count the time for which it runs on a
	// processor ([Traits.CountsRunningTime]), it is the time that passes.
	HandlerTime time.Duration
	// HandlerWallTime is for how long it may run and wait in one call, where the
	// engine counts both; 10 times HandlerTime by default. The time for which the
	// guest is ready and gets no processor is not in it.
	HandlerWallTime time.Duration
	// StartTime is for how long an instance may run and wait until it has been
	// initialized, from Instantiate to the end of Initialize; 10 s by default. It
	// is the time that passes where HandlerTime is.
	StartTime time.Duration
	// Fuel is how much one call may use up; 0, the default, is without a limit
	// and without counting.
	Fuel uint64
	// Mailbox is how many messages may wait; 1,024 by default. Outcomes of the
	// component's own requests have their place beyond it.
	Mailbox int
	// MailboxBytes is how much memory the messages that wait may take, in bytes:
	// the buffers of their payloads, and [MessageOverhead] for each; 64 MiB by
	// default, and at least MessageSize and MessageOverhead. Outcomes that wait
	// may take as much again. A response for which there is no place is dropped,
	// and its request fails with a text that names limits.mailbox_bytes.
	MailboxBytes int64
	// MessageSize is the largest message that the component may send or be
	// sent, in bytes, responses included; 1 MiB by default. Its key is
	// quota.message_size.
	MessageSize int
	// LogLines and LogBytes are how many lines, and how many bytes of them, the
	// component may log in a second; 1,000 and 1 MiB by default. More are dropped,
	// which the log says. Their keys are logs.lines_per_second and
	// logs.bytes_per_second.
	LogLines int
	LogBytes int64
}

// MessageOverhead is what each message that waits counts for in
// [Limits.MailboxBytes], in bytes, beside its payload.
const MessageOverhead = 256

// WithDefaults returns l with its zero fields set.
func (l Limits) WithDefaults() Limits {
	setDefault(&l.Memory, 32<<20)
	setDefault(&l.TableElements, 10_000)
	setDefault(&l.Nesting, 10_000)
	setDefault(&l.Stack, 1<<20)
	setDefault(&l.HandlerTime, 250*time.Millisecond)
	setDefault(&l.HandlerWallTime, 10*min(l.HandlerTime, math.MaxInt64/10))
	setDefault(&l.StartTime, 10*time.Second)
	setDefault(&l.Mailbox, 1024)
	setDefault(&l.MailboxBytes, 64<<20)
	setDefault(&l.MessageSize, 1<<20)
	setDefault(&l.LogLines, 1000)
	setDefault(&l.LogBytes, 1<<20)
	return l
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// ErrOutOfRange says that a setting is out of its range.
var ErrOutOfRange = errors.New("out of range")

// Check returns an error that wraps ErrOutOfRange and names the key of the first
// field that is out of range, and the range. Zero, which stands for a default, is
// in range.
func (l Limits) Check() error {
	for _, field := range []struct {
		key                string
		value, least, most int64
		text               func(int64) string
	}{
		{"limits.memory", l.Memory, 64 << 10, 4 << 30, bytesText},
		{"limits.stack", l.Stack, 64 << 10, 16 << 20, bytesText},
		{"limits.nesting", int64(l.Nesting), 1, 100_000, countText},
		{"limits.handler_time", int64(l.HandlerTime), int64(time.Millisecond), int64(240 * time.Hour), timeText},
		{"limits.handler_wall_time", int64(l.HandlerWallTime), int64(time.Millisecond), int64(240 * time.Hour), timeText},
		{"limits.start_time", int64(l.StartTime), int64(time.Millisecond), int64(24 * time.Hour), timeText},
		{"limits.mailbox", int64(l.Mailbox), 1, 1 << 20, countText},
		{"limits.mailbox_bytes", l.MailboxBytes, 1 + MessageOverhead, 1 << 40, bytesText},
		{"quota.message_size", int64(l.MessageSize), 1, 1 << 30, bytesText},
		{"logs.lines_per_second", int64(l.LogLines), 1, 1_000_000, countText},
		{"logs.bytes_per_second", l.LogBytes, 1 << 10, 1 << 30, bytesText},
	} {
		if err := inRange(field.key, field.value, field.least, field.most, field.text); err != nil {
			return err
		}
	}
	return nil
}

// CheckCount is [Limits.Check] for one number that is no limit, such as of a quota.
func CheckCount(key string, value, least, most int64) error {
	return inRange(key, value, least, most, countText)
}

// CheckTime is [Limits.Check] for one time that is no limit.
func CheckTime(key string, value, least, most time.Duration) error {
	return inRange(key, int64(value), int64(least), int64(most), timeText)
}

func inRange(key string, value, least, most int64, text func(int64) string) error {
	if value == 0 || least <= value && value <= most {
		return nil
	}
	return fmt.Errorf("%s is %s, %w: want %s to %s, or 0 for the default", key, text(value), ErrOutOfRange, text(least), text(most))
}

func countText(n int64) string { return fmt.Sprint(n) }
func timeText(n int64) string  { return time.Duration(n).String() }

// bytesText writes bytes as the configuration file does.
func bytesText(n int64) string {
	for _, unit := range []struct {
		name string
		size int64
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if n >= unit.size && n%unit.size == 0 {
			return fmt.Sprintf("%d %s", n/unit.size, unit.name)
		}
	}
	return fmt.Sprintf("%d bytes", n)
}
