// Package relay is a component that uses both patterns: it sends each message on to
// another component as a request, and the response to a third component by
// fire-and-forget.
package relay

import (
	"time"

	"github.com/airhost/airhost/guest"
)

// Component relays messages. Its configuration has "to", the id of the component that
// gets the requests; "notify", the id of the component that gets the responses; and
// optionally "timeout", the time to wait for a response, such as "2s". The host's
// timeout is the default.
type Component struct {
	to, notify string
	timeout    time.Duration
	pending    map[guest.RequestID]string // the sender of each request's message
}

// New returns a relay.
func New() guest.Component { return &Component{pending: map[guest.RequestID]string{}} }

// Initialize reads the configuration.
func (c *Component) Initialize(host guest.Host, config guest.Config) (err error) {
	c.to, _ = config.Get("to")
	c.notify, _ = config.Get("notify")
	if c.to == "" || c.notify == "" {
		return guest.Failed("the configuration needs to and notify, each a component's id")
	}
	if text, ok := config.Get("timeout"); ok {
		if c.timeout, err = time.ParseDuration(text); err != nil {
			return guest.Failed("the configuration's timeout: %v", err)
		}
	}
	return nil
}

// HandleMessage sends a request and returns without waiting for its response.
func (c *Component) HandleMessage(host guest.Host, sender string, message []byte) ([]byte, error) {
	id, err := host.Request(c.to, message, c.timeout)
	if err != nil {
		return nil, guest.Unavailable("%s cannot be asked: %v", c.to, err)
	}
	c.pending[id] = sender
	guest.Logf(host, guest.LogInfo, "%s says %q: request %d sent to %s", sender, message, id, c.to)
	return []byte("asked " + c.to), nil
}

// HandleCallback sends the response of a request on.
func (c *Component) HandleCallback(host guest.Host, id guest.RequestID, response []byte, failure error) error {
	sender := c.pending[id]
	delete(c.pending, id)
	if failure != nil {
		guest.Logf(host, guest.LogWarn, "request %d of %s was not answered: %v", id, sender, failure)
		return nil
	}
	if err := host.Send(c.notify, response); err != nil {
		return guest.Failed("the answer to request %d is lost: %v", id, err)
	}
	guest.Logf(host, guest.LogInfo, "%s answered request %d: %q sent on to %s", c.to, id, response, c.notify)
	return nil
}
