package core

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// Limits bound the resources of one component. A zero field stands for its default.
// [Limits.Check] checks the ranges. Not every engine can enforce the limits of a
// [LimitSet].
type Limits struct {
	// Memory is the largest linear memory in bytes; 32 MiB by default. It is
	// rounded down to whole pages of 64 KiB.
	Memory int64
	// TableElements is the largest size of each table; 10,000 by default.
	TableElements uint32
	// Nesting is the deepest nesting of blocks in the functions of a WebAssembly
	// guest; 10,000 by default, at most 100,000.
	Nesting int
	// Stack is the largest stack of a WebAssembly guest in bytes, at least 64 KiB;
	// 1 MiB by default, which is the most on Wasmtime. It counts the same on all
	// engines: 32 bytes for each open call, and 8 bytes for each of its parameters,
	// locals and operands, or 16 in functions that compute with vectors.
	Stack int64
	// HandlerTime is the longest time that the guest may run in one call; 250 ms by
	// default. It is processor time if the engine counts it
	// ([Traits.CountsRunningTime]), and otherwise elapsed time.
	HandlerTime time.Duration
	// HandlerWallTime is the longest time that the guest may run and wait in one
	// call, if the engine counts processor time; 10 times HandlerTime by default.
	// It excludes the time in which the guest is ready and has no processor.
	HandlerWallTime time.Duration
	// StartTime is the longest time that an instance may run and wait from
	// Instantiate to the end of Initialize; 10 s by default. It is elapsed time if
	// HandlerTime is.
	StartTime time.Duration
	// Fuel is the most fuel that one call may use. With 0, the default, there is no
	// limit and the engine counts none.
	Fuel uint64
	// Mailbox is the largest number of waiting messages; 1,024 by default. Outcomes
	// of the component's own requests do not count.
	Mailbox int
	// MailboxBytes is the largest memory of the waiting messages in bytes: the
	// buffers of their payloads, and [MessageOverhead] for each; 64 MiB by default,
	// and at least MessageSize and MessageOverhead. Waiting outcomes may take as much
	// again. A response that does not fit is dropped, and its request fails with a
	// text that names limits.mailbox_bytes.
	MailboxBytes int64
	// Timers is the largest number of the component's timers: those that run, and those
	// that have fired and whose messages wait in the mailbox; 100 by default. They do not
	// count to Mailbox. Their payloads, and [MessageOverhead] for each, may take as much
	// memory as MailboxBytes, besides the messages and outcomes.
	Timers int
	// MessageSize is the largest message or response that the component may send or
	// receive, in bytes; 1 MiB by default. Its key is quota.message_size.
	MessageSize int
	// LogLines and LogBytes are the most lines and bytes that the component may log
	// in a second; 1,000 and 1 MiB by default. The host drops the lines above that,
	// and logs their number. The keys are logs.lines_per_second and
	// logs.bytes_per_second.
	LogLines int
	LogBytes int64
}

// MessageOverhead is added to the payload of each waiting message in
// [Limits.MailboxBytes], in bytes.
const MessageOverhead = 256

// WithDefaults returns l with its zero fields set to their defaults.
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
	setDefault(&l.Timers, 100)
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

// ErrOutOfRange is wrapped by the error for a setting that is out of its range.
var ErrOutOfRange = errors.New("out of range")

// Check returns an error if a field is out of its range. The error wraps
// ErrOutOfRange and names the key of the field and the range. Zero, which stands for
// the default, is in range.
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
		{"limits.timers", int64(l.Timers), 1, 1 << 20, countText},
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

// CheckCount is [Limits.Check] for a number that is not in Limits, such as a quota.
func CheckCount(key string, value, least, most int64) error {
	return inRange(key, value, least, most, countText)
}

// CheckTime is [Limits.Check] for a time that is not in Limits.
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

// bytesText formats a size as in the configuration file.
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
