package core

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// LimitSet is a set of those [Limits] that only the engine can keep, where it can:
// not every engine can count fuel. All others the host keeps for every engine.
type LimitSet uint8

// The limits that a set can hold.
const (
	LimitMemory LimitSet = 1 << iota
	LimitTableElements
	LimitStack
	LimitHandlerWallTime
	LimitFuel
	LimitNesting
	numLimitSets = iota
)

// AllLimits is what engines for WebAssembly keep.
const AllLimits = 1<<numLimitSets - 1

var limitKeys = [numLimitSets]string{
	"limits.memory", "limits.table_elements", "limits.stack", "limits.handler_wall_time", "limits.fuel", "limits.nesting",
}

// String returns the configuration's keys of the limits, with commas between them.
func (s LimitSet) String() string {
	var keys []string
	for i, key := range limitKeys {
		if s&(1<<i) != 0 {
			keys = append(keys, key)
		}
	}
	return strings.Join(keys, ", ")
}

// Given returns which limits are not zero, of those that only an engine can keep.
func (l Limits) Given() LimitSet {
	var s LimitSet
	for i, given := range [numLimitSets]bool{l.Memory != 0, l.TableElements != 0, l.Stack != 0, l.HandlerWallTime != 0, l.Fuel != 0, l.Nesting != 0} {
		if given {
			s |= 1 << i
		}
	}
	return s
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
