// Package echo is a component that answers each message with its bytes.
package echo

import "github.com/airhost/airhost/guest"

// Component is stateless: any number of messages, one after the other.
type Component struct{}

// New returns an echo.
func New() guest.Component { return Component{} }

// HandleMessage returns message. A sender of fire-and-forget gets nothing.
func (Component) HandleMessage(host guest.Host, sender string, message []byte) ([]byte, error) {
	return message, nil
}
