package main

import (
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

const (
	formatText = "text"
	formatJSON = "json"
)

// levelTrace is slog's level for the contract's trace, as core/host logs it.
const levelTrace = slog.LevelDebug - 4

var (
	levelNames = []string{"trace", "debug", "info", "warn", "error"}
	levels     = []slog.Level{levelTrace, slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError}
)

// newLog returns the log of the host and its guests. Both handlers escape
// control characters and invalid UTF-8, which guests may well write.
func newLog(to io.Writer, format, level string) (*slog.Logger, error) {
	i := slices.Index(levelNames, level)
	if i < 0 {
		return nil, fmt.Errorf("--log-level is %q, want %s", level, strings.Join(levelNames, ", "))
	}
	options := &slog.HandlerOptions{Level: levels[i], ReplaceAttr: nameTrace}
	switch format {
	case formatText:
		return slog.New(slog.NewTextHandler(to, options)), nil
	case formatJSON:
		return slog.New(slog.NewJSONHandler(escaper{to}, options)), nil
	}
	return nil, fmt.Errorf("--log-format is %q, want text or json", format)
}

// escaper writes JSON and escapes the characters in it that are not printable: JSON
// itself allows some that terminals obey or hide.
type escaper struct{ to io.Writer }

func (e escaper) Write(line []byte) (int, error) {
	escaped := make([]byte, 0, len(line))
	for _, r := range string(line) {
		if r == '\n' || unicode.IsPrint(r) {
			escaped = utf8.AppendRune(escaped, r)
			continue
		}
		for _, unit := range utf16.AppendRune(nil, r) {
			escaped = fmt.Appendf(escaped, `\u%04x`, unit)
		}
	}
	if _, err := e.to.Write(escaped); err != nil {
		return 0, err
	}
	return len(line), nil
}

// nameTrace writes TRACE where slog would write DEBUG-4.
func nameTrace(groups []string, attr slog.Attr) slog.Attr {
	if level, ok := attr.Value.Any().(slog.Level); ok && len(groups) == 0 && attr.Key == slog.LevelKey && level == levelTrace {
		attr.Value = slog.StringValue("TRACE")
	}
	return attr
}

// printable returns text that may be written to a terminal: as it is, or quoted
// where it holds anything but printable characters. A guest's text may be in it.
func printable(text string) string {
	safe := func(r rune) bool { return r != unicode.ReplacementChar && unicode.IsPrint(r) }
	if strings.IndexFunc(text, func(r rune) bool { return !safe(r) }) < 0 {
		return text
	}
	return strconv.Quote(text)
}
