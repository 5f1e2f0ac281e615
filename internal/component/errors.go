package component

import "fmt"

// FormatError is the error for input that is not the binary of a component.
type FormatError struct {
	Offset  int    // in bytes, from the beginning of the file
	Section string // such as "canon", or "" outside of sections
	Msg     string // such as "expected a type, got the end"
}

// Error gives the place and the message.
func (e *FormatError) Error() string {
	return placed("malformed component", e.Offset, e.Section, e.Msg)
}

// maxMessage bounds the text of an error, in bytes: a file chooses names in it.
const maxMessage = 1000

func placed(what string, offset int, section, msg string) string {
	if section != "" {
		section = fmt.Sprintf(", in the %s section", section)
	}
	return fmt.Sprintf("%s: at %#x%s: %s", what, offset, section, cut(msg, maxMessage))
}

// InvalidError is the error for a component that can be read, and that has a mistake.
type InvalidError struct {
	Offset  int
	Section string
	Msg     string
}

// Error gives the place and the message.
func (e *InvalidError) Error() string { return placed("invalid component", e.Offset, e.Section, e.Msg) }

// UnsupportedError is the error for a component that uses something that the host does
// not have.
type UnsupportedError struct {
	Feature string // such as "start functions"
	Instead string // how to do without, or ""
}

// Error names the feature.
func (e *UnsupportedError) Error() string {
	text := fmt.Sprintf("the component uses %s, which are not supported", cut(e.Feature, maxMessage))
	if e.Instead != "" {
		text += ": " + e.Instead
	}
	return text
}

// LimitError says that a component has more of something than the host takes.
type LimitError struct {
	Limit    string
	Got, Max int
}

// Error names the limit.
func (e *LimitError) Error() string {
	return fmt.Sprintf("the component has %d %s where %d are allowed", e.Got, e.Limit, e.Max)
}
