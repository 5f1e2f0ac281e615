// Package counter is a component with state: it counts messages, and a new version of it
// goes on with the count.
package counter

import (
	"strconv"

	"github.com/airhost/airhost/guest"
)

// Component counts messages. Its configuration may have "start", the first count
// (0 by default), and "enough", the count at which it becomes degraded (never by
// default).
type Component struct {
	count, enough uint64
}

// New returns a counter.
func New() guest.Component { return &Component{} }

// Initialize reads the configuration.
func (c *Component) Initialize(host guest.Host, config guest.Config) (err error) {
	if c.count, err = number(config, "start"); err != nil {
		return err
	}
	c.enough, err = number(config, "enough")
	return err
}

func number(config guest.Config, key string) (uint64, error) {
	text, ok := config.Get(key)
	if !ok {
		return 0, nil
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, guest.Failed("the configuration's %s is %q, want a number", key, text)
	}
	return n, nil
}

// HandleMessage counts the message and returns the count. It does not count "get".
func (c *Component) HandleMessage(host guest.Host, sender string, message []byte) ([]byte, error) {
	if string(message) != "get" {
		c.count++
		guest.Logf(host, guest.LogInfo, "message %d, from %s: %q", c.count, sender, message)
	}
	return strconv.AppendUint(nil, c.count, 10), nil
}

// Health returns Degraded once the count has reached enough.
func (c *Component) Health() guest.HealthStatus {
	if c.enough > 0 && c.count >= c.enough {
		return guest.Degraded
	}
	return guest.Healthy
}

// Save returns the count.
func (c *Component) Save(host guest.Host) ([]byte, error) {
	return strconv.AppendUint(nil, c.count, 10), nil
}

// Restore goes on with the count of the version before.
func (c *Component) Restore(host guest.Host, state []byte) (err error) {
	if c.count, err = strconv.ParseUint(string(state), 10, 64); err != nil {
		return guest.InvalidMessage("the state is %q, want a number", state)
	}
	return nil
}

// Shutdown logs the count.
func (c *Component) Shutdown(host guest.Host) {
	guest.Logf(host, guest.LogInfo, "counted to %d", c.count)
}
