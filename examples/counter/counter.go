// Package counter is a component with state: it counts messages.
package counter

import (
	"strconv"

	"github.com/airhost/airhost/guest"
)

// Component is configured with "start", the count to begin with, by default 0;
// and "enough", from which count on it is degraded, by default never.
type Component struct {
	count, enough uint64
}

// New returns a counter.
func New() guest.Component { return &Component{} }

// Initialize takes the configuration.
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

// HandleMessage counts message and returns the count; "get" is not counted.
func (c *Component) HandleMessage(host guest.Host, sender string, message []byte) ([]byte, error) {
	if string(message) != "get" {
		c.count++
		guest.Logf(host, guest.LogInfo, "message %d, from %s: %q", c.count, sender, message)
	}
	return strconv.AppendUint(nil, c.count, 10), nil
}

// Health is degraded from enough on.
func (c *Component) Health() guest.HealthStatus {
	if c.enough > 0 && c.count >= c.enough {
		return guest.Degraded
	}
	return guest.Healthy
}

// Shutdown says goodbye.
func (c *Component) Shutdown(host guest.Host) {
	guest.Logf(host, guest.LogInfo, "counted to %d", c.count)
}
