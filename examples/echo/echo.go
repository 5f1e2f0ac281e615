// Package echo is a component that answers each message with its bytes.
package echo

import "github.com/airhost/airhost/guest"

// Component has no state.
type Component struct{}

// New returns an echo.
func New() guest.Component { return Component{} }

// HandleMessage returns the message. The host drops the response of a
// fire-and-forget message.
func (Component) HandleMessage(host guest.Host, sender string, message []byte) ([]byte, error) {
	return message, nil
}
