package wazero

import (
	"errors"
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

// trap says why an instance has ended, given what a call of its code or a check
// of what it did returned.
func trapOf(cause error) *core.TrapError {
	if known := new(core.TrapError); errors.As(cause, &known) {
		end := *known
		if end.Details == "" && cause != error(known) {
			end.Details = details(cause) // with the guest's stack
		}
		return &end
	}
	t := &core.TrapError{Kind: core.TrapFault, Text: firstLine(cause.Error()), Details: details(cause)}
	var broken *abi.Violation
	switch {
	case errors.As(cause, &broken):
		t.Kind, t.Text = core.TrapABI, broken.Text
	case isStackOverflow(cause):
		t.Kind, t.Text = core.TrapStack, "it used up its stack"
	}
	return t
}

// isStackOverflow knows wazero's error by its text: wazero keeps the error
// itself internal.
func isStackOverflow(err error) bool {
	for ; err != nil; err = errors.Unwrap(err) {
		if err.Error() == "stack overflow" {
			return true
		}
	}
	return false
}

// firstLine is the beginning of a text, for where there is place for one line.
func firstLine(text string) string {
	text, _, _ = strings.Cut(text, "\n")
	text = strings.TrimPrefix(text, "wasm error: ")
	return clip(text, maxTrapText)
}

func details(cause error) string { return clip(cause.Error(), maxDetails) }

// clip returns at most so many bytes of a text.
func clip(text string, most int) string {
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}
