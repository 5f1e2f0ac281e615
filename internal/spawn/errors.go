package spawn

import (
	"errors"
	"strings"
)

// Why a plug-in could not be started, or ended.
var (
	ErrChecksum     = errors.New("the executable's SHA-256 is not the expected one")
	ErrEnvironment  = errors.New("not the plug-in, but the host's environment")
	ErrHandshake    = errors.New("not the handshake of an airhost plug-in")
	ErrVersion      = errors.New("the plug-in speaks another version of the protocol")
	ErrStartTimeout = errors.New("the plug-in made no handshake")
	ErrKilled       = errors.New("the plug-in was killed by its host")
)

// ExitError says how a plug-in ended.
type ExitError struct {
	Status string // such as "exit status 1" or "signal: killed"
	Limit  string // that has ended it, where that is known, by its key: "it used up process.memory (64 MiB)"
	Reason string // the line of its standard error that says why, or empty
	// Details are the last lines of its standard error, 8 KiB at most, or the
	// beginning of its report where it is in Go and has crashed.
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

// Details returns those of the [ExitError] that err wraps, or nothing.
func Details(err error) string {
	if exit := (*ExitError)(nil); errors.As(err, &exit) {
		return exit.Details
	}
	return ""
}
