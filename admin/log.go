package admin

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/airhost/airhost/core"
)

// levelTrace is slog's level for the contract's trace, as core/host logs it.
const levelTrace = slog.LevelDebug - 4

var (
	levelNames = []string{"trace", "debug", "info", "warn", "error"}
	levels     = []slog.Level{levelTrace, slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError}
)

// parseLevel returns the level of a name.
func parseLevel(name string) (slog.Level, error) {
	if i := slices.Index(levelNames, name); i >= 0 {
		return levels[i], nil
	}
	return 0, invalid("the level is %q, want %s", name, strings.Join(levelNames, ", "))
}

// levelName returns the name of the highest level that is not above l.
func levelName(l slog.Level) string {
	name := levelNames[0]
	for i, level := range levels {
		if l >= level {
			name = levelNames[i]
		}
	}
	return name
}

// componentKey is the attribute of the log that names a component.
const componentKey = "component"

// Log hands the lines of a program's log to the clients of a [Server], and lets them change its
// levels. A line goes to the program's handler, and to streams, if it is at the level of the
// component that it is about, or at the host's if that has none of its own.
type Log struct {
	next   slog.Handler
	least  atomic.Int64 // the lowest of all levels
	levels atomic.Pointer[levelSet]
	change sync.Mutex // held while levels are changed
	lines  feed[LogEntry]
}

// levelSet is never changed.
type levelSet struct {
	host       slog.Level
	components map[string]slog.Level
}

// NewLog returns a log in front of a program's handler, which must let all levels pass.
func NewLog(next slog.Handler, level slog.Level) *Log {
	l := &Log{next: next, lines: feed[LogEntry]{stamp: func(e *LogEntry, number, missed uint64) { e.Number, e.Missed = number, e.Missed+missed }}}
	l.set(&levelSet{host: level})
	return l
}

// Handler returns the handler for the program's logger.
func (l *Log) Handler() slog.Handler { return &logHandler{log: l, next: l.next} }

func (l *Log) set(all *levelSet) {
	least := all.host
	for _, level := range all.components {
		least = min(least, level)
	}
	l.levels.Store(all)
	l.least.Store(int64(least))
}

// Levels returns the levels.
func (l *Log) Levels() LogLevels {
	all := l.levels.Load()
	names := LogLevels{Level: levelName(all.host), Components: make(map[string]string)}
	for id, level := range all.components {
		names.Components[id] = levelName(level)
	}
	return names
}

// maxLevels is how many components may have a level of their own.
const maxLevels = 10_000

// SetLevel sets the level of a component, or of the host if id is zero. "default" takes a
// component's level back.
func (l *Log) SetLevel(id core.ComponentID, name string) error {
	l.change.Lock()
	defer l.change.Unlock()
	before := l.levels.Load()
	next := &levelSet{host: before.host, components: maps.Clone(before.components)}
	switch level, err := parseLevel(name); {
	case !id.IsZero() && name == "default":
		delete(next.components, id.String())
	case err != nil:
		return err
	case id.IsZero():
		next.host = level
	case len(next.components) >= maxLevels:
		return invalid("%d components have a level of their own already", maxLevels)
	default:
		if next.components == nil {
			next.components = make(map[string]slog.Level)
		}
		next.components[id.String()] = level
	}
	l.set(next)
	return nil
}

// passes reports whether a line of a level about a component passes.
func (s *levelSet) passes(level slog.Level, component string) bool {
	if own, ok := s.components[component]; ok {
		return level >= own
	}
	return level >= s.host
}

// logHandler is a handler with attributes and groups.
type logHandler struct {
	log       *Log
	next      slog.Handler
	attrs     map[string]any // never changed
	component string
	size      int    // about the bytes of attrs
	group     string // with a dot at its end
}

// Enabled implements [slog.Handler].
func (h *logHandler) Enabled(_ context.Context, level slog.Level) bool {
	if h.component != "" {
		return h.log.levels.Load().passes(level, h.component)
	}
	return int64(level) >= h.log.least.Load()
}

// Handle implements [slog.Handler].
func (h *logHandler) Handle(ctx context.Context, record slog.Record) error {
	component := h.component
	if h.group == "" {
		record.Attrs(func(a slog.Attr) bool {
			if a.Key == componentKey {
				component = a.Value.Resolve().String()
			}
			return true
		})
	}
	if !h.log.levels.Load().passes(record.Level, component) {
		return nil
	}
	e := LogEntry{Time: record.Time, Level: levelName(record.Level), Message: core.CutText(record.Message, maxText), Component: component, Attrs: maps.Clone(h.attrs)}
	size := entrySize + len(e.Message) + h.size
	record.Attrs(func(a slog.Attr) bool {
		size += h.add(&e, a, h.group)
		return true
	})
	h.log.lines.add(e, size)
	return h.next.Handle(ctx, record)
}

const (
	maxText  = 16 << 10 // bytes of a text in a line
	maxAttrs = 100      // of a line
)

// add adds an attribute to an entry, and returns about how many bytes it takes.
func (h *logHandler) add(e *LogEntry, a slog.Attr, group string) int {
	value := a.Value.Resolve()
	if value.Kind() == slog.KindGroup {
		if a.Key != "" {
			group += a.Key + "."
		}
		size := 0
		for _, inner := range value.Group() {
			size += h.add(e, inner, group)
		}
		return size
	}
	if a.Key == "" || len(e.Attrs) >= maxAttrs {
		return 0
	}
	if group+a.Key == componentKey {
		e.Component = core.CutText(value.String(), maxText)
		return len(e.Component)
	}
	if e.Attrs == nil {
		e.Attrs = make(map[string]any)
	}
	plain := plainValue(value)
	e.Attrs[group+a.Key] = plain
	size := len(group) + len(a.Key) + 16
	if text, ok := plain.(string); ok {
		size += len(text)
	}
	return size
}

// plainValue returns a value as JSON has it.
func plainValue(v slog.Value) any {
	switch v.Kind() {
	case slog.KindBool:
		return v.Bool()
	case slog.KindInt64:
		return v.Int64()
	case slog.KindUint64:
		return v.Uint64()
	case slog.KindFloat64:
		if f := v.Float64(); !math.IsNaN(f) && !math.IsInf(f, 0) {
			return f
		}
	case slog.KindTime:
		return v.Time().Format(time.RFC3339Nano)
	case slog.KindAny:
		return core.CutText(fmt.Sprint(v.Any()), maxText) // which survives a panic of the value's own method
	}
	return core.CutText(v.String(), maxText) // also numbers that JSON lacks, such as infinity
}

// WithAttrs implements [slog.Handler].
func (h *logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	e, size := LogEntry{Component: h.component, Attrs: maps.Clone(h.attrs)}, h.size
	for _, a := range attrs {
		size += h.add(&e, a, h.group)
	}
	return &logHandler{log: h.log, next: h.next.WithAttrs(attrs), attrs: e.Attrs, size: size, component: e.Component, group: h.group}
}

// WithGroup implements [slog.Handler].
func (h *logHandler) WithGroup(name string) slog.Handler {
	group := h.group
	if name != "" {
		group += name + "."
	}
	return &logHandler{log: h.log, next: h.next.WithGroup(name), attrs: h.attrs, size: h.size, component: h.component, group: group}
}
