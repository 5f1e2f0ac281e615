package spawn

import (
	"errors"
	"strings"
)

// Errors of starting a plug-in, or reasons of its end.
var (
	ErrChecksum     = errors.New("the executable's SHA-256 is not the expected one")
	ErrEnvironment  = errors.New("not the plug-in, but the host's environment")
	ErrHandshake    = errors.New("not the handshake of an airhost plug-in")
	ErrVersion      = errors.New("the plug-in speaks another version of the protocol")
	ErrStartTimeout = errors.New("the plug-in made no handshake")
	ErrKilled       = errors.New("the plug-in was killed by its host")
)

// ExitError tells how a plug-in ended.
type ExitError struct {
	Status string // such as "exit status 1" or "signal: killed"
	Limit  string // the limit that ended it, if known: "it used up process.memory (64 MiB)"
	Reason string // the line of its standard error with the reason, or ""
	// Details are the last lines of its standard error, at most 8 KiB. For a Go
	// program that crashed they are the beginning of its crash report.
	Details string
}

// Error returns all but the details.
func (e *ExitError) Error() string {
	parts := []string{e.Status}
	for _, part := range []string{e.Limit, e.Reason} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, ": ")
}

// Details returns the details of the [ExitError] that err wraps, or "".
func Details(err error) string {
	if exit := (*ExitError)(nil); errors.As(err, &exit) {
		return exit.Details
	}
	return ""
}
