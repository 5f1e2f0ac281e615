package spawn

import "errors"

// Why a plug-in could not be started, or ended.
var (
	ErrChecksum     = errors.New("the executable's SHA-256 is not the expected one")
	ErrHandshake    = errors.New("not the handshake of an airhost plug-in")
	ErrVersion      = errors.New("the plug-in speaks another version of the protocol")
	ErrStartTimeout = errors.New("the plug-in made no handshake")
	ErrKilled       = errors.New("the plug-in was killed by its host")
)

// ExitError says how a plug-in ended that nobody had asked to.
type ExitError struct {
	Status   string // such as "exit status 1" or "signal: killed"
	LastLine string // of its standard error, or empty
}

// Error returns the status and the last line.
func (e *ExitError) Error() string {
	if e.LastLine == "" {
		return e.Status
	}
	return e.Status + ": " + e.LastLine
}
